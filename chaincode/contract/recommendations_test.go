package contract_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// recommendation is what a refusal tells its reader to do. play gets the refusal and returns what follows the advice; the last
// thing that it does is what was refused before, or what it was for.
type recommendation struct {
	code errcode.Code
	says string // in the refusal itself or in the catalogue's hint
	play func(t *testing.T) (follow func(), refusal error)
}

// asked is what the contract says to a call.
func asked(f *contracttest.Federation, caller ledger.Caller, function string, argument object) error {
	_, _, err := f.Prepare(caller, function, argument)
	return err
}

// again refuses a call first and makes it after the advice was followed.
func again(f *contracttest.Federation, caller ledger.Caller, function string, argument func() object, advice func()) (func(), error) {
	refusal := asked(f, caller, function, argument())
	return func() {
		advice()
		f.Must(caller, function, argument(), nil)
	}, refusal
}

func fixed(argument object) func() object { return func() object { return argument } }

var recommendations = []recommendation{
	{errcode.NotFounded, "Found", func(t *testing.T) (func(), error) {
		f := contracttest.New(4, `{}`)
		return again(f, contracttest.Node(1), "GetParameters", fixed(object{}), func() { f.Found() })
	}},
	{errcode.DefinitionDiffers, "Compare your definition", func(t *testing.T) (func(), error) {
		f := contracttest.New(4, `{}`)
		mine := contracttest.New(4, `{"cohort_min":5}`).Contract
		others := f.Contract
		mine.Definition.Members = others.Definition.Members
		f.Contract = mine
		return again(f, contracttest.Admin(0), "Found", func() object {
			return object{"members": others.Definition.Members, "regulators": others.Definition.Regulators, "parameters": others.Definition.Parameters}
		}, func() { f.Contract = others })
	}},
	{errcode.BeaconNotReady, "send CommitBeacon first", func(t *testing.T) (func(), error) {
		f := contracttest.New(4, `{}`)
		f.Must(contracttest.Admin(0), "Found", founding(f), nil)
		value, _ := part(1)
		return again(f, contracttest.Admin(1), "RevealBeacon", fixed(object{"value": value}), func() { commits(f, 0, 1, 2, 3) })
	}},
	{errcode.TooManyProposals, "let the members decide them", func(t *testing.T) (func(), error) {
		f := contracttest.New(4, `{}`)
		f.Found()
		argument, first := proposal("suspend", object{"organisation": contracttest.MSP(3)}), struct{ Proposal string }{}
		f.Must(contracttest.Admin(0), "Propose", argument, &first)
		for range 31 {
			f.Must(contracttest.Admin(0), "Propose", argument, nil)
		}
		return again(f, contracttest.Admin(0), "Propose", fixed(argument), func() {
			for voter := 1; voter < 3; voter++ { // two of four say no: it cannot be carried any more
				f.Must(contracttest.Admin(voter), "Vote", object{"proposal": first.Proposal, "approve": false}, nil)
			}
		})
	}},
	{errcode.UnknownParticipant, "fedledger member apply", func(t *testing.T) (func(), error) {
		f := fourOfFive(t)
		return again(f, contracttest.Admin(4), "Stake", fixed(object{"participant": contracttest.ID(4), "amount": 1}), func() {
			f.Apply(4)
			f.TimeMS += 5_000
		})
	}},
	{errcode.NotAParticipant, "apply with its hash first", func(t *testing.T) (func(), error) {
		f := fourOfFive(t)
		return newcomer(t, f, func() { f.Apply(4); admits(t, f) })
	}},
	{errcode.ParticipantNotActive, "proposal create admit", func(t *testing.T) (func(), error) {
		f := fourOfFive(t)
		f.Apply(4)
		return newcomer(t, f, func() { admits(t, f) })
	}},
	{errcode.StakeTooLow, "Give a larger --stake", func(t *testing.T) (func(), error) {
		f := fourOfFive(t)
		stake := 999_999
		return again(f, contracttest.Admin(4), "Apply", func() object {
			return object{"participant": contracttest.ID(4), "key_hash": contracttest.KeyHash(contracttest.ID(4)), "stake": stake, "evidence": []string{},
				"profile": object{"rows": 200, "missing_ppm": 0, "labels": []int{100, 100}, "schema": contracttest.Digest("schema")}}
		}, func() { stake++ })
	}},
	{errcode.UnknownPlan, "plan register", func(t *testing.T) (func(), error) {
		f := contracttest.New(4, `{}`)
		f.Found()
		body := object{"training": "tumour", "plan": contracttest.Digest("plan"), "rounds": 1, "cohort": 4}
		refusal := f.Agree("start_training", body)
		return func() {
			agree(t, f, "register_plan", object{"plan": contracttest.Digest("plan"), "name": "tumour", "layout": json.RawMessage(contracttest.Layout),
				"initial_state": contracttest.Digest("s"), "schema": contracttest.Digest("schema")})
			agree(t, f, "start_training", body)
		}, refusal
	}},
	{errcode.KeyReused, "generate fresh keys", func(t *testing.T) (func(), error) {
		f := training(4, `{}`)
		used := f.Open("tumour", options{})
		old := used.Keys(0)
		used.Finish()
		p := f.Open("tumour", options{})
		refusal := asked(f, p.Node(0), "PublishKeys", p.With(object{"seal_key": old["seal_key"], "mask_key": old["mask_key"]}))
		return func() {
			f.Must(p.Node(0), "PublishKeys", p.Keys(0), nil)
		}, refusal
	}},
	{errcode.BlobMissing, "place it again", func(t *testing.T) (func(), error) {
		f := training(4, `{}`)
		p := f.Open("tumour", options{})
		p.To(round.PhaseUpdates)
		update := p.Update(0)
		digest := aggregate.Digest(ledger.Bytes(update["digest"].(string)))
		blob := f.Blobs[digest]
		delete(f.Blobs, digest)
		return again(f, p.Node(0), "CommitUpdate", fixed(update), func() { f.Blobs[digest] = blob })
	}},
	{errcode.OutOfRange, "send ReportFault of kind garbage", func(t *testing.T) (func(), error) {
		f := training(4, `{}`)
		p := f.Open("tumour", options{Values: garbage})
		p.To(round.PhaseAttest)
		refusal := asked(f, p.Aggregator(), "ProposeAggregate", p.Proposal())
		return func() {
			f.Must(p.Aggregator(), "ReportFault", p.With(object{"kind": "garbage", "accused": "", "evidence": object{}}), nil)
			equal(t, string(errcode.VoidGarbage), p.View().VoidReason)
			f.Open("tumour", options{}).Finish()
		}, refusal
	}},
	{errcode.WrongCount, "propose 0", func(t *testing.T) (func(), error) {
		f := contracttest.New(4, `{}`)
		before, _, _ := strings.Cut(contracttest.Layout, `"count":{`)
		f.Layout = before + `"count":null}`
		f.Ready(1, 4)
		p := f.Open("tumour", options{})
		p.To(round.PhaseAttest)
		examples := 400
		return again(f, p.Aggregator(), "ProposeAggregate", func() object { return changed(p.Proposal(), "examples", examples) }, func() { examples = 0 })
	}},
	{errcode.BadAttestation, "disagree", func(t *testing.T) (func(), error) {
		f := training(4, `{}`)
		p := f.Open("tumour", options{})
		p.To(round.PhaseAttest)
		p.Propose()
		word := p.With(object{"number": 1, "state": p.State(), "agree": true, "deviation_e9": 1_000_000_000})
		return again(f, contracttest.Admin(1), "Attest", fixed(word), func() { word["agree"] = false })
	}},
	{errcode.StakeLocked, "unstake after their rounds have ended and Settle was sent", func(t *testing.T) (func(), error) {
		f := training(4, `{}`)
		p := f.Open("tumour", options{})
		return again(f, contracttest.Admin(3), "Unstake", fixed(object{"participant": contracttest.ID(3), "amount": 500_000}), func() {
			p.Finish()
			f.Must(contracttest.Admin(0), "Settle", object{"training": "tumour", "round": 1}, nil)
		})
	}},
	{errcode.TooSoon, "wait", func(t *testing.T) (func(), error) {
		f := training(4, `{"transfer_ms":5000}`)
		send := object{"to": contracttest.MSP(1), "amount": 1}
		f.TimeMS += 5_000
		f.Must(contracttest.Admin(0), "Transfer", send, nil)
		return again(f, contracttest.Admin(0), "Transfer", fixed(send), func() { f.TimeMS += 5_000 })
	}},
	{errcode.Verifying, "Try again", func(t *testing.T) (func(), error) {
		f := training(4, `{}`)
		p := f.Open("tumour", options{})
		p.To(round.PhaseAttest)
		blobs := gated{f.Blobs, make(chan struct{})}
		f.Contract.Verifier = round.Recompute{Work: aggregate.NewVerifier(blobs, aggregate.Limits{Inline: time.Nanosecond})}
		return again(f, p.Aggregator(), "ProposeAggregate", p.Proposal, func() {
			close(blobs.gate)
			for range 10_000 {
				if asked(f, p.Aggregator(), "ProposeAggregate", p.Proposal()) == nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		})
	}},
	{errcode.LimitExceeded, "vote it up", costly},
}

func admits(t *testing.T, f *contracttest.Federation) {
	t.Helper()
	agree(t, f, "admit", object{"participant": contracttest.ID(4)})
}

// newcomer lets the fifth member's node speak in a round, before it may and after the advice was followed.
func newcomer(t *testing.T, f *contracttest.Federation, advice func()) (func(), error) {
	t.Helper()
	p := f.Open("tumour", options{})
	node := ledger.Caller{MSPID: contracttest.MSP(4), Role: ledger.Client, KeyHash: contracttest.KeyHash(contracttest.ID(4))}
	refusal := asked(f, node, "PublishKeys", p.Keys(0))
	return func() {
		advice()
		f.Start("other", 1, 5)
		next := f.Open("other", options{})
		f.Must(node, "PublishKeys", next.Keys(4), nil)
	}, refusal
}

// costly votes for a plan whose verification takes longer than was agreed to.
func costly(t *testing.T) (func(), error) {
	t.Helper()
	f := contracttest.New(4, `{"verification_ms":1000,"max_update_bytes":1073741824}`)
	f.Found()
	large := strings.Replace(contracttest.Layout, `"slots":3,"path":[],"shape":[3]`, `"slots":100000000,"path":[],"shape":[100000000]`, 1)
	agree(t, f, "register_plan", object{"plan": contracttest.Digest("plan"), "name": "large", "layout": json.RawMessage(large),
		"initial_state": contracttest.Digest("s"), "schema": contracttest.Digest("schema")})
	start := object{"training": "tumour", "plan": contracttest.Digest("plan"), "rounds": 1, "cohort": 4}
	refusal := f.Agree("start_training", start)
	return func() {
		agree(t, f, "set_parameters", object{"parameters": object{"verification_ms": 600_000}})
		agree(t, f, "start_training", start)
	}, refusal
}

func TestWhatARefusalRecommendsHelps(t *testing.T) {
	catalogue := errcode.Catalogue()
	for _, one := range recommendations {
		t.Run(string(one.code), func(t *testing.T) {
			follow, refusal := one.play(t)
			equal(t, one.code, errcode.Of(refusal))
			if !strings.Contains(refusal.Error(), one.says) && !strings.Contains(catalogue[one.code].Hint, one.says) {
				t.Fatalf("%v does not say %q, nor does %q", refusal, one.says, catalogue[one.code].Hint)
			}
			follow()
		})
	}
}
