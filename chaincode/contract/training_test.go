package contract_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
	"fedledger/chaincode/secagg"
	"fedledger/chaincode/selection"
)

func TestAPlanIsRegisteredOnceAndRetired(t *testing.T) {
	f := training(4, `{}`)
	plan := object{
		"plan": contracttest.Digest("plan"), "name": "again", "layout": json.RawMessage(contracttest.Layout),
		"initial_state": contracttest.Digest("s"), "schema": contracttest.Digest("schema"),
	}
	code := func(kind string, body any) errcode.Code { return errcode.Of(f.Agree(kind, body)) }
	equal(t, errcode.PlanExists, code("register_plan", plan))
	plan["plan"] = contracttest.Digest("plan-2")
	equal(t, errcode.BadLayout, code("register_plan", changed(plan, "layout", object{"version": 1, "segments": []any{}, "count": nil})))
	plan["layout"] = json.RawMessage(contracttest.Layout)
	equal(t, errcode.BadArgument, code("register_plan", changed(plan, "schema", "no digest")))
	agree(t, f, "retire_plan", object{"plan": contracttest.Digest("plan")})
	equal(t, errcode.PlanRetired, code("retire_plan", object{"plan": contracttest.Digest("plan")}))
	equal(t, errcode.PlanRetired, code("start_training", object{"training": "x", "plan": contracttest.Digest("plan"), "rounds": 1, "cohort": 4}))
	equal(t, errcode.UnknownPlan, code("start_training", object{"training": "x", "plan": contracttest.Digest("none"), "rounds": 1, "cohort": 4}))
	f.Open("tumour", options{}).Finish() // a training that runs goes on
}

func TestATrainingIsBounded(t *testing.T) {
	f := training(4, `{}`)
	start := func(changes object) errcode.Code {
		body := object{"training": "x", "plan": contracttest.Digest("plan"), "rounds": 1, "cohort": 4}
		for key, value := range changes {
			body[key] = value
		}
		return errcode.Of(f.Agree("start_training", body))
	}
	equal(t, errcode.TrainingExists, start(object{"training": "tumour"}))
	equal(t, errcode.LimitExceeded, start(object{"rounds": 0}))
	equal(t, errcode.LimitExceeded, start(object{"cohort": 3}))
	equal(t, errcode.LimitExceeded, start(object{"cohort": 101}))
	agree(t, f, "set_parameters", object{"parameters": object{"max_update_bytes": 16}})
	equal(t, errcode.LimitExceeded, errcode.Of(f.Agree("register_plan", object{
		"plan": contracttest.Digest("big"), "name": "big", "layout": json.RawMessage(contracttest.Layout),
		"initial_state": contracttest.Digest("s"), "schema": contracttest.Digest("schema"),
	})))
}

func TestARoundFollowsOnlyAnEndedOneAndATrainingEnds(t *testing.T) {
	f := contracttest.New(4, `{}`)
	f.Ready(1, 4)
	refused(t, f, contracttest.Node(0), "OpenRound", object{"training": "none"}, errcode.UnknownTraining)
	p := f.Open("tumour", options{})
	refused(t, f, contracttest.Node(0), "OpenRound", object{"training": "tumour"}, errcode.RoundInProgress)
	p.Finish()
	refused(t, f, contracttest.Node(0), "OpenRound", object{"training": "tumour"}, errcode.TrainingEnded)
	var view struct{ Finished bool }
	f.Query("GetTraining", object{"training": "tumour"}, &view)
	equal(t, true, view.Finished)
}

func TestAStoppedTrainingVoidsItsRoundAndOpensNoMore(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUpdates)
	p.Expire()
	agree(t, f, "stop_training", object{"training": "tumour"})
	equal(t, string(errcode.VoidByVote), p.View().VoidReason)
	equal(t, 0, len(flags(f, contracttest.ID(0)))) // nobody is to blame for a vote
	refused(t, f, contracttest.Node(0), "OpenRound", object{"training": "tumour"}, errcode.TrainingEnded)
	equal(t, errcode.TrainingEnded, errcode.Of(f.Agree("stop_training", object{"training": "tumour"})))
	f.Must(contracttest.Admin(0), "Settle", object{"training": "tumour", "round": 1}, nil)
}

func TestARollBackTrainsFromTheEarlierStateInANewEpoch(t *testing.T) {
	f := training(4, `{}`)
	first := f.Open("tumour", options{})
	first.Finish()
	f.Open("tumour", options{}).Finish()
	flight := f.Open("tumour", options{})
	equal(t, errcode.UnknownRound, errcode.Of(f.Agree("roll_back_training", object{"training": "tumour", "round": 3})))
	agree(t, f, "roll_back_training", object{"training": "tumour", "round": 1})
	equal(t, round.Void, flight.View().Phase)
	next := f.Open("tumour", options{})
	view := next.View()
	equal(t, uint64(4), view.Round)
	equal(t, uint64(2), view.Epoch)
	equal(t, first.State(), view.BaseState)
	next.Finish()
	var lineage round.Lineage
	f.Query("GetLineage", object{"training": "tumour"}, &lineage)
	rounds := []uint64{}
	for _, step := range lineage.Steps {
		rounds = append(rounds, step.Round)
	}
	equal(t, fmt.Sprint([]uint64{1, 4}), fmt.Sprint(rounds))
	equal(t, next.State(), lineage.State)
}

func TestARefutedAggregatePassesTheTurnOnAndTheRoundEndsFinal(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	turns := p.View().Turns
	f.Must(p.Aggregator(), "ProposeAggregate", changed(p.Proposal(), "state", contracttest.Digest("lie")), nil)
	p.Proposals++
	attest := func(agree bool, state string) object {
		return p.With(object{"number": 1, "state": state, "agree": agree, "deviation_e9": 0})
	}
	lie := contracttest.Digest("lie")
	refused(t, f, contracttest.Admin(0), "Attest", attest(true, p.State()), errcode.BadAttestation)
	refused(t, f, contracttest.Admin(0), "Attest", changed(attest(true, lie), "deviation_e9", round.MaxDeviationE9+1), errcode.BadAttestation)
	refused(t, f, contracttest.Admin(0), "Attest", changed(attest(true, lie), "number", 2), errcode.NoOpenProposal)
	var answer round.AdvanceResponse
	for i := range 3 {
		f.Must(contracttest.Node(0), "Advance", p.Ref, &answer)
		equal(t, false, answer.Moved)
		f.Must(contracttest.Admin(i), "Attest", attest(false, p.State()), nil)
	}
	p.Advance(round.PhaseAttest)
	equal(t, turns[1].Participant, p.View().Turns[0].Participant)
	equal(t, "refuted-aggregate", flags(f, turns[0].Participant)[0].Kind)
	p.Finish()
	f.Must(contracttest.Admin(0), "Settle", object{"training": "tumour", "round": 1}, nil)
	var score struct{ Faults uint64 }
	f.Query("GetReputation", object{"participant": turns[0].Participant}, &score)
	equal(t, uint64(1), score.Faults)
}

func TestADeviationUpToTheLargestAgrees(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	p.Propose()
	for i := range 3 {
		f.Must(contracttest.Admin(i), "Attest", p.With(object{
			"number": 1, "state": p.State(), "agree": true, "deviation_e9": round.MaxDeviationE9,
		}), nil)
	}
	p.Advance(round.Final)
	equal(t, uint64(round.MaxDeviationE9), p.View().DeviationE9)
}

func TestALateAttestationPassesTheTurnOnWithoutBlame(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	first := p.View().Turns[0].Participant
	p.Propose()
	p.Expire()
	p.Advance(round.PhaseAttest)
	equal(t, 0, len(flags(f, first)))
	p.Finish()
}

func TestWhoeverWasPassedOverProposesAgainOnlyAfterEveryoneElse(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	first, lease := p.Aggregator(), p.View().Turns[1].FromMS-p.View().Turns[0].FromMS
	order := turnsOf(p)
	for made := range 3 {
		equal(t, fmt.Sprint(append(slices.Clone(order[made:]), order[:made]...)), fmt.Sprint(turnsOf(p)))
		p.Propose()
		p.Expire()
		p.Advance(round.PhaseAttest)
		f.TimeMS += lease*int64(3-made) - 1 // a moment before all others' leases have passed
		refused(t, f, first, "ProposeAggregate", p.Proposal(), errcode.NotYourTurn)
	}
	p.Finish()
}

func TestARoundEndsWithoutAVoteThoughAllButOneWerePassedOverAndThatOneIsGone(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	for range 3 {
		p.Propose()
		p.Expire()
		p.Advance(round.PhaseAttest)
	}
	turns := p.View().Turns // the first of them never speaks
	f.TimeMS = turns[1].FromMS
	f.Must(p.Named(turns[1].Participant), "ProposeAggregate", p.Proposal(), nil)
	p.Proposals++
	p.Attest(0, 1, 2)
	p.Advance(round.Final)
}

func turnsOf(p *contracttest.Played) []string {
	names := []string{}
	for _, turn := range p.View().Turns {
		names = append(names, turn.Participant)
	}
	return names
}

func TestMetricsAreBoundedPlainDecimals(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	refused(t, f, p.Aggregator(), "ProposeAggregate", changed(p.Proposal(), "metrics", nil), errcode.BadMetrics)
	without := changed(p.Proposal(), "metrics", nil)
	delete(without, "metrics")
	refused(t, f, p.Aggregator(), "ProposeAggregate", without, errcode.BadMetrics)
	for _, metrics := range []object{{"loss": "NaN"}, {"loss": "1,5"}, {"": "1"}, {"a b": "1"}} {
		refused(t, f, p.Aggregator(), "ProposeAggregate", changed(p.Proposal(), "metrics", metrics), errcode.BadMetrics)
	}
	many := object{}
	for i := range 65 {
		many[fmt.Sprint("m", i)] = "1"
	}
	refused(t, f, p.Aggregator(), "ProposeAggregate", changed(p.Proposal(), "metrics", many), errcode.LimitExceeded)
	f.Must(p.Aggregator(), "ProposeAggregate", changed(p.Proposal(), "metrics", object{"loss": "-1.5e-7", "eval/accuracy": "0.98"}), nil)
}

func TestT15SealedMessagesThatAreCommittedToCannotBeWithheld(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseShares)
	missing := changed(p.Shares(0), "sealed", contracttest.Digest("nowhere"))
	refused(t, f, p.Node(0), "CommitShares", missing, errcode.BlobMissing)
	for _, length := range []int{0, secagg.BundleBytes(4) - 1, secagg.BundleBytes(4) + 1, secagg.BundleBytes(5)} {
		digest := f.Blobs.Put(make([]byte, length))
		other := changed(p.Shares(0), "sealed", ledger.Hex(digest[:]))
		refused(t, f, p.Node(0), "CommitShares", other, errcode.WrongBundle)
	}
	digest := f.Blobs.Put(make([]byte, secagg.BundleBytes(4)))
	f.Blobs[digest][0] ^= 1
	refused(t, f, p.Node(0), "CommitShares", changed(p.Shares(0), "sealed", ledger.Hex(digest[:])), errcode.BlobMissing)
	refused(t, f, p.Node(0), "CommitShares", changed(p.Shares(0), "sealed", "x"), errcode.BadArgument)
	refused(t, f, p.Node(0), "CommitShares", changed(p.Shares(0), "shares_root", "x"), errcode.BadArgument)
	refused(t, f, p.Node(0), "RevealShares", p.With(object{"shares": []object{}}), errcode.WrongPhase)
}

func TestRevealsNameEachDealerOnce(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUnmask)
	shares := p.Reveal(0)["shares"].([]object)
	refused(t, f, p.Node(0), "RevealShares", p.With(object{"shares": []object{}}), errcode.WrongDealers)
	refused(t, f, p.Node(0), "RevealShares", p.With(object{"shares": []object{shares[0], shares[0]}}), errcode.WrongDealers)
	refused(t, f, p.Node(0), "RevealShares", p.With(object{"shares": []object{changed(shares[0], "dealer", "nobody")}}), errcode.WrongDealers)
	shares = p.Reveal(0)["shares"].([]object)
	refused(t, f, p.Node(0), "RevealShares", p.With(object{"shares": []object{changed(shares[1], "value", "00")}}), errcode.BadArgument)
	shares = p.Reveal(0)["shares"].([]object)
	long := make([]string, 17)
	refused(t, f, p.Node(0), "RevealShares", p.With(object{"shares": []object{changed(shares[1], "proof", long)}}), errcode.LimitExceeded)
	shares = p.Reveal(0)["shares"].([]object)
	slices.Reverse(shares)
	f.Must(p.Node(0), "RevealShares", p.With(object{"shares": shares}), nil) // any order
}

func TestTheCohortIsFixedForAnEpochAndAnyoneCanDrawItAgain(t *testing.T) {
	f := contracttest.New(6, `{"epoch_rounds":2}`)
	f.Ready(6, 4)
	cohorts := [][]string{}
	for range 4 {
		p := f.Open("tumour", options{})
		cohorts = append(cohorts, p.View().Cohort)
		p.Finish()
	}
	equal(t, fmt.Sprint(cohorts[0]), fmt.Sprint(cohorts[1]))
	equal(t, fmt.Sprint(cohorts[2]), fmt.Sprint(cohorts[3]))
	for epoch := uint64(1); epoch <= 2; epoch++ {
		var record selection.DrawRecord
		f.Query("GetDraw", object{"training": "tumour", "epoch": epoch}, withWeights(&record))
		order := []string{}
		for _, candidate := range selection.Draw(ledger.Bytes(record.Seed), "tumour", epoch, record.Candidates) {
			order = append(order, candidate.Participant)
		}
		equal(t, fmt.Sprint(order), fmt.Sprint(record.Order))
		first := slices.Clone(order[:4])
		slices.Sort(first)
		equal(t, fmt.Sprint(first), fmt.Sprint(cohorts[2*(epoch-1)]))
	}
	refused(t, f, contracttest.Node(0), "GetDraw", object{"training": "tumour", "epoch": 9}, errcode.NoDraw)
}

func withWeights(record *selection.DrawRecord) any { return record }

func TestT11AnEpochsInputsAreFixedBeforeTheFreezeThatSeedsIt(t *testing.T) {
	f := contracttest.New(5, `{"epoch_rounds":1}`)
	f.Ready(3, 4)
	p := f.Open("tumour", options{}) // its snapshot is for epoch 2
	p.To(round.PhaseUnmask)
	f.Must(contracttest.Admin(0), "Stake", object{"participant": contracttest.ID(0), "amount": 8_000_000}, nil)
	p.Finish()
	f.Open("tumour", options{})
	var record selection.DrawRecord
	f.Query("GetDraw", object{"training": "tumour", "epoch": 2}, withWeights(&record))
	equal(t, uint64(200), record.Candidates[0].Stake)
}

func TestTooFewCandidatesOpenNoRound(t *testing.T) {
	f := training(4, `{}`)
	agree(t, f, "suspend", object{"participant": contracttest.ID(1)})
	refused(t, f, contracttest.Node(0), "OpenRound", object{"training": "tumour"}, errcode.TooFewCandidates)
}

// TestT24ATrainingThatEndorsersCouldNotVerifyInTimeDoesNotStart votes on a plan whose verification costs too much, so that
// no round is left in Attest without a way out.
func TestT24ATrainingThatEndorsersCouldNotVerifyInTimeDoesNotStart(t *testing.T) {
	f := contracttest.New(9, `{"max_update_bytes":1073741824,"verification_ms":10000}`)
	f.Ready(1, 9)
	large := strings.Replace(contracttest.Layout, `"slots":3,"path":[],"shape":[3]`, `"slots":200000000,"path":[],"shape":[200000000]`, 1)
	agree(t, f, "register_plan", object{
		"plan": contracttest.Digest("large"), "name": "large", "layout": json.RawMessage(large),
		"initial_state": contracttest.Digest("s"), "schema": contracttest.Digest("schema"),
	})
	start := object{"training": "large", "plan": contracttest.Digest("large"), "rounds": 5, "cohort": 9}
	equal(t, errcode.LimitExceeded, errcode.Of(f.Agree("start_training", start)))
	agree(t, f, "set_parameters", object{"parameters": object{"verification_ms": 60_000}})
	agree(t, f, "start_training", start)
	agree(t, f, "set_parameters", object{"parameters": object{"verification_ms": 10_000}})
	refused(t, f, contracttest.Node(0), "OpenRound", object{"training": "large"}, errcode.LimitExceeded)
	f.Open("tumour", options{}).Finish()
}
