package contract_test

import (
	"encoding/json"
	"strings"
	"testing"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
	"fedledger/chaincode/selection"
)

// fourOfFive has five members, of which four have participants in a training whose every round is an epoch.
func fourOfFive(t *testing.T) *contracttest.Federation {
	t.Helper()
	f := contracttest.New(5, `{"epoch_rounds":1}`)
	f.Found()
	for i := range 4 {
		f.Apply(i)
		agree(t, f, "admit", object{"participant": contracttest.ID(i)})
	}
	agree(t, f, "register_plan", object{"plan": contracttest.Digest("plan"), "name": "tumour", "layout": json.RawMessage(contracttest.Layout),
		"initial_state": contracttest.Digest("state-0"), "schema": contracttest.Digest("schema")})
	f.Start("tumour", 9, 4)
	return f
}

func TestT11ARollBackDrawsFreshCandidatesByABeaconThatNobodyKnewThen(t *testing.T) {
	f := fourOfFive(t)
	f.Open("tumour", options{}).Finish() // epoch 1; the candidates of epoch 2 are fixed
	f.Must(contracttest.Admin(0), "Stake", object{"participant": contracttest.ID(0), "amount": 8_000_000}, nil)
	agree(t, f, "roll_back_training", object{"training": "tumour", "round": 1})
	var before struct{ Beacon string }
	f.Query("GetTraining", object{"training": "tumour"}, &before)
	refused(t, f, contracttest.Node(0), "OpenRound", object{"training": "tumour"}, errcode.BeaconNotReady)
	f.Beacon()
	view := f.Open("tumour", options{}).View()
	equal(t, uint64(3), view.Epoch)
	var record selection.DrawRecord
	f.Query("GetDraw", object{"training": "tumour", "epoch": 3}, &record)
	equal(t, uint64(1000), record.Candidates[0].Stake) // as it stood at the vote
	var made governance.BeaconView
	f.Query("GetBeacon", object{}, &made)
	seed := codec.Hash(codec.LabelBeaconRolledBack, ledger.Bytes(before.Beacon), ledger.Bytes(made.Value))
	equal(t, ledger.Hex(seed[:]), record.Seed)
	for at, entry := range f.Log { // no part of it was revealed before the vote
		if entry.Event.Name == "ProposalExecuted" && strings.Contains(string(entry.Writes[0].Key)+string(mustPayload(t, entry)), "roll_back") {
			for _, later := range f.Log[:at] {
				if strings.Contains(string(later.Response), made.Value) {
					t.Fatal("the beacon was known at the vote")
				}
			}
		}
	}
}

func mustPayload(t *testing.T, entry contracttest.Entry) []byte {
	t.Helper()
	raw, err := codec.Canonical(entry.Event.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestARollBackWhileABeaconIsRevealedAsksForAnother(t *testing.T) {
	f := fourOfFive(t)
	f.Start("other", 9, 4)
	agree(t, f, "roll_back_training", object{"training": "tumour", "round": 0})
	agree(t, f, "roll_back_training", object{"training": "other", "round": 0}) // the same beacon serves both
	commits(f, 0, 1, 2, 3, 4)
	reveals(f, 0)
	agree(t, f, "roll_back_training", object{"training": "other", "round": 0}) // who revealed last could know this one
	value, _ := part(1)
	refused(t, f, contracttest.Admin(1), "RevealBeacon", object{"value": value}, errcode.BeaconNotReady)
	f.Beacon()
	for _, training := range []string{"tumour", "other"} {
		f.Open(training, options{})
	}
	var made governance.BeaconView
	f.Query("GetBeacon", object{}, &made)
	equal(t, uint64(3), made.Number)
}

// The tests below do what the text of a refusal recommends.

var tumour = object{"training": "tumour"}

func tooFew(t *testing.T) *contracttest.Federation {
	t.Helper()
	f := fourOfFive(t)
	f.Open("tumour", options{}).Finish()
	agree(t, f, "remove", object{"participant": contracttest.ID(3)})
	_, _, err := f.Prepare(contracttest.Node(0), "OpenRound", tumour)
	equal(t, errcode.TooFewCandidates, errcode.Of(err))
	for _, words := range []string{"reinstate some", "add to their stakes", "admit some, and vote to roll back to the head"} {
		if !strings.Contains(err.Error(), words) {
			t.Fatalf("%v does not say %q", err, words)
		}
	}
	return f
}

func TestWhatFL0301RecommendsHelpsAdmittingOneAndRollingBackToTheHead(t *testing.T) {
	f := tooFew(t)
	f.Apply(4)
	agree(t, f, "admit", object{"participant": contracttest.ID(4)})
	agree(t, f, "roll_back_training", object{"training": "tumour", "round": 1})
	p := f.Open("tumour", options{})
	equal(t, contracttest.ID(4), p.View().Cohort[3])
	p.Finish()
	f.Open("tumour", options{}).Finish() // and the epochs after it
}

func TestWhatFL0301RecommendsHelpsReinstating(t *testing.T) {
	f := fourOfFive(t)
	agree(t, f, "suspend", object{"participant": contracttest.ID(3)})
	refused(t, f, contracttest.Node(0), "OpenRound", tumour, errcode.TooFewCandidates)
	agree(t, f, "reinstate", object{"participant": contracttest.ID(3)})
	f.Open("tumour", options{}).Finish()
}

func TestWhatFL0301RecommendsHelpsAddingToAStake(t *testing.T) {
	f := fourOfFive(t)
	agree(t, f, "set_parameters", object{"parameters": object{"minimum_stake": 3_000_000}})
	refused(t, f, contracttest.Node(0), "OpenRound", tumour, errcode.TooFewCandidates)
	for i := range 4 {
		f.Must(contracttest.Admin(i), "Stake", object{"participant": contracttest.ID(i), "amount": 1_000_000}, nil)
	}
	f.Open("tumour", options{}).Finish()
}

func TestWhatFL0424RecommendsHelpsLiftingTheRule(t *testing.T) {
	f := fourOfFive(t)
	unrevealed(t, f)
	_, answer := freezing(f)
	equal(t, round.Void, answer.Phase)
	agree(t, f, "lift_differencing", tumour)
	_, answer = freezing(f)
	equal(t, round.PhaseUnmask, answer.Phase)
}

func TestWhatFL0114RecommendsHelpsSuspendingWhoGivesNoPart(t *testing.T) {
	f := fourOfFive(t)
	agree(t, f, "roll_back_training", object{"training": "tumour", "round": 0})
	commits(f, 0, 1, 2, 3)
	refused(t, f, contracttest.Node(0), "OpenRound", tumour, errcode.BeaconNotReady)
	agree(t, f, "suspend", object{"organisation": contracttest.MSP(4)})
	reveals(f, 0, 1, 2, 3)
	f.Open("tumour", options{}).Finish()
}
