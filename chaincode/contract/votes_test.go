package contract_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// part is a member's value of a beacon and the commitment to it.
func part(member int) (value, commitment string) {
	raw := codec.Hash("test/part", []byte(contracttest.MSP(member)))
	committed := codec.Hash(codec.LabelBeaconCommitment, []byte(contracttest.Channel), []byte(contracttest.MSP(member)), raw[:])
	return ledger.Hex(raw[:]), ledger.Hex(committed[:])
}

func commits(f *contracttest.Federation, members ...int) {
	for _, i := range members {
		_, commitment := part(i)
		f.Must(contracttest.Admin(i), "CommitBeacon", object{"commitment": commitment}, nil)
	}
}

func reveals(f *contracttest.Federation, members ...int) {
	for _, i := range members {
		value, _ := part(i)
		f.Must(contracttest.Admin(i), "RevealBeacon", object{"value": value}, nil)
	}
}

// admitted is a founded federation of five with four participants and a plan, whose beacon is not made.
func admitted(t *testing.T, parameters string) *contracttest.Federation {
	t.Helper()
	f := contracttest.New(5, parameters)
	f.Must(contracttest.Admin(0), "Found", founding(f), nil)
	for i := range 4 {
		f.Apply(i)
		agree(t, f, "admit", object{"participant": contracttest.ID(i)})
	}
	agree(t, f, "register_plan", object{"plan": contracttest.Digest("plan"), "name": "tumour", "layout": json.RawMessage(contracttest.Layout),
		"initial_state": contracttest.Digest("state-0"), "schema": contracttest.Digest("schema")})
	return f
}

func starts(t *testing.T, f *contracttest.Federation) {
	t.Helper()
	f.Start("tumour", 1, 4)
	f.Open("tumour", options{}).Finish()
}

func stuck(t *testing.T, f *contracttest.Federation) {
	t.Helper()
	start := object{"training": "early", "plan": contracttest.Digest("plan"), "rounds": 1, "cohort": 4}
	equal(t, errcode.BeaconNotReady, errcode.Of(f.Agree("start_training", start)))
}

// TestNoFounderKeepsATrainingFromStarting has a fifth founder that gives nothing, or commits and never reveals.
func TestNoFounderKeepsATrainingFromStarting(t *testing.T) {
	for _, committing := range [][]int{{0, 1, 2, 3}, {0, 1, 2, 3, 4}} {
		t.Run(fmt.Sprint(len(committing), " commit, a vote"), func(t *testing.T) {
			f := admitted(t, `{}`)
			commits(f, committing...)
			if len(committing) == 5 {
				reveals(f, 0, 1, 2, 3)
			} else {
				value, _ := part(0)
				refused(t, f, contracttest.Admin(0), "RevealBeacon", object{"value": value}, errcode.BeaconNotReady)
			}
			stuck(t, f)
			agree(t, f, "suspend", object{"organisation": contracttest.MSP(4)})
			if len(committing) == 4 {
				reveals(f, 0, 1, 2, 3)
			}
			starts(t, f)
		})
		t.Run(fmt.Sprint(len(committing), " commit, beacon_ms"), func(t *testing.T) {
			f := admitted(t, `{"beacon_ms":1000}`)
			commits(f, committing...)
			f.TimeMS += 1000
			reveals(f, 0, 1, 2, 3)
			if len(committing) == 5 {
				stuck(t, f)
				f.TimeMS += 1000
			}
			starts(t, f)
		})
	}
}

func TestABeaconIsOfAMajorityOrBegunAnew(t *testing.T) {
	f := admitted(t, `{"beacon_ms":1000}`)
	commits(f, 0, 1)
	f.TimeMS += 1000
	value, _ := part(0)
	refused(t, f, contracttest.Admin(0), "RevealBeacon", object{"value": value}, errcode.BeaconNotReady) // two of five
	commits(f, 4)
	reveals(f, 0, 1)
	_, late := part(2)
	refused(t, f, contracttest.Admin(2), "CommitBeacon", object{"commitment": late}, errcode.BeaconDone) // it has seen two values
	value, _ = part(2)
	refused(t, f, contracttest.Admin(2), "RevealBeacon", object{"value": value}, errcode.BeaconDone)
	f.TimeMS += 1000
	stuck(t, f) // two revealed, the third that committed does not
	commits(f, 2, 3, 0, 1)
	f.TimeMS += 1000
	reveals(f, 2, 3, 0)
	stuck(t, f)
	reveals(f, 1)
	starts(t, f)
	var beacon struct {
		Number   uint64
		Revealed []string
	}
	f.Query("GetBeacon", object{}, &beacon)
	equal(t, uint64(2), beacon.Number)
	equal(t, 4, len(beacon.Revealed))
}

func TestOneOrganisationHasSoManyUndecidedProposals(t *testing.T) {
	f := contracttest.New(4, `{"proposal_ms":1000}`)
	f.Found()
	admin := contracttest.Admin(3)
	suspend := func(deadline int64) object {
		return object{"kind": "suspend", "body": object{"participant": contracttest.ID(0)}, "deadline_ms": deadline, "reason": ""}
	}
	stored := 0
	for i := range 200 {
		f.TimeMS++ // all but the newest are past their own deadline
		entry, err := f.Do(admin, "Propose", suspend(f.TimeMS+1))
		if (err == nil) != (i < 32) {
			t.Fatalf("proposal %d: %v", i+1, err)
		}
		for _, write := range entry.Writes {
			stored += len(write.Value)
		}
	}
	if stored > 32<<10 {
		t.Fatalf("one administrator stored %d bytes", stored)
	}
	refused(t, f, admin, "Propose", suspend(0), errcode.TooManyProposals)
	f.Must(contracttest.Admin(2), "Propose", suspend(0), nil) // others may
	f.TimeMS += 1000
	for range 32 { // the time of those before is up
		f.Must(admin, "Propose", suspend(0), nil)
	}
	refused(t, f, admin, "Propose", suspend(0), errcode.TooManyProposals)
}

func TestADecidedProposalMakesRoom(t *testing.T) {
	f := contracttest.New(4, `{}`)
	f.Found()
	for range 40 {
		var made struct{ Proposal string }
		f.Must(contracttest.Admin(0), "Propose", proposal("suspend", object{"organisation": contracttest.MSP(3)}), &made)
		f.Must(contracttest.Admin(1), "Vote", object{"proposal": made.Proposal, "approve": false}, nil)
		f.Must(contracttest.Admin(2), "Vote", object{"proposal": made.Proposal, "approve": false}, nil)
	}
	for range 40 { // 32 would be too many if what is executed at once counted
		agree(t, f, "set_parameters", object{"parameters": object{}})
	}
}

func TestTheUndecidedProposalsOfAnOrganisationAreSoLargeTogether(t *testing.T) {
	f := contracttest.New(4, `{}`)
	f.Found()
	padded := strings.Replace(contracttest.Layout, `"name":"v"`, `"name":"`+strings.Repeat("v", 200_000)+`"`, 1)
	digest := contracttest.Digest("plan")
	plan := object{"plan": digest, "name": "tumour", "layout": json.RawMessage(padded), "initial_state": digest, "schema": digest}
	for range 5 {
		f.Must(contracttest.Admin(0), "Propose", proposal("register_plan", plan), nil)
	}
	refused(t, f, contracttest.Admin(0), "Propose", proposal("register_plan", plan), errcode.TooManyProposals)
	f.Must(contracttest.Admin(0), "Propose", proposal("suspend", object{"participant": contracttest.ID(0)}), nil)
	wide := []byte(`{"kind":"suspend","deadline_ms":0,"reason":"","body":{"participant":"hospital-000"` + strings.Repeat(" ", 8<<10) + `}}`)
	refused(t, f, contracttest.Admin(1), "Propose", wide, errcode.LimitExceeded)
}

// TestT10ACohortIsOfThreeOrganisations has six participants of two organisations, then one of a third.
func TestT10ACohortIsOfThreeOrganisations(t *testing.T) {
	f := contracttest.New(3, `{"participants_per_organisation":3}`)
	f.Found()
	for i, member := range []int{0, 0, 0, 1, 1, 1} {
		f.ApplyFor(member, i)
		agree(t, f, "admit", object{"participant": contracttest.ID(i)})
	}
	agree(t, f, "register_plan", object{"plan": contracttest.Digest("plan"), "name": "tumour", "layout": json.RawMessage(contracttest.Layout),
		"initial_state": contracttest.Digest("state-0"), "schema": contracttest.Digest("schema")})
	f.Start("two", 1, 6)
	refused(t, f, contracttest.Node(0), "OpenRound", object{"training": "two"}, errcode.TooFewCandidates)
	f.ApplyFor(2, 6)
	agree(t, f, "admit", object{"participant": contracttest.ID(6)})
	for i := range 8 { // whatever the draw's order
		name := fmt.Sprint("three-", i)
		f.Start(name, 1, 6)
		p := f.Open(name, options{})
		own := map[string]bool{}
		for _, member := range p.View().Members {
			own[member.MSPID] = true
		}
		equal(t, 3, len(own))
	}
}

// TestT10SurvivorsOfTwoOrganisationsVoidBeforeAnyReveal has seven participants, three, three and one of an organisation that
// drops out: six survivors, three of each of two.
func TestT10SurvivorsOfTwoOrganisationsVoidBeforeAnyReveal(t *testing.T) {
	f := contracttest.New(3, `{"participants_per_organisation":3}`)
	f.Found()
	for i, member := range []int{0, 0, 0, 1, 1, 1, 2} {
		f.ApplyFor(member, i)
		agree(t, f, "admit", object{"participant": contracttest.ID(i)})
	}
	agree(t, f, "register_plan", object{"plan": contracttest.Digest("plan"), "name": "tumour", "layout": json.RawMessage(contracttest.Layout),
		"initial_state": contracttest.Digest("state-0"), "schema": contracttest.Digest("schema")})
	f.Start("tumour", 1, 7)
	p := f.Open("tumour", options{Dropouts: []int{6}})
	p.To(round.PhaseUpdates)
	p.Say("CommitUpdate", p.Update, 0, 1, 2, 3, 4, 5)
	equal(t, string(errcode.VoidDominance), p.Ended())
}
