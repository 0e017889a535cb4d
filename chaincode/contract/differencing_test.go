package contract_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/round"
)

// unrevealed freezes all four survivors of a round and lets it void because nobody reveals.
func unrevealed(t *testing.T, f *contracttest.Federation) {
	t.Helper()
	p := f.Open("tumour", options{})
	p.To(round.PhaseUnmask)
	equal(t, string(errcode.VoidNotUnmaskable), p.Ended())
}

// freezing plays an attempt with a dropout up to its freeze and returns where that leads.
func freezing(f *contracttest.Federation) (*contracttest.Played, round.AdvanceResponse) {
	p := f.Open("tumour", options{Dropouts: []int{3}})
	p.To(round.PhaseUpdates)
	p.Say("CommitUpdate", p.Update, 0, 1, 2)
	p.Expire()
	var answer round.AdvanceResponse
	f.Must(contracttest.Node(0), "Advance", p.Ref, &answer)
	return p, answer
}

func TestT12T13ASurvivorSetThatDiffersByOneOnTheSameBaseVoidsBeforeAnyReveal(t *testing.T) {
	f := training(4, `{}`)
	unrevealed(t, f)
	p, answer := freezing(f)
	equal(t, round.Void, answer.Phase)
	equal(t, string(errcode.VoidDifferencing), p.View().VoidReason)
	equal(t, 1, len(p.View().Frozen))
}

func TestT13TheSameSurvivorsMayTryAgainOnTheSameBase(t *testing.T) {
	f := training(4, `{}`)
	unrevealed(t, f)
	p := f.Open("tumour", options{})
	p.Finish()
	equal(t, round.Final, p.View().Phase)
}

func TestT13AVoteLiftsTheRuleForOneAttempt(t *testing.T) {
	f := training(4, `{}`)
	unrevealed(t, f)
	if err := f.Agree("lift_differencing", object{"training": "tumour"}); err != nil {
		t.Fatal(err)
	}
	p, answer := freezing(f)
	equal(t, true, p.View().Lifted)
	equal(t, round.PhaseUnmask, answer.Phase)
	equal(t, string(errcode.VoidNotUnmaskable), p.Ended())
	next, answer := freezing(f)
	equal(t, false, next.View().Lifted)
	equal(t, round.Void, answer.Phase)
}

func TestT12ARoundAfterARollBackIsHeldAgainstTheEarlierOneOnThatBase(t *testing.T) {
	f := training(4, `{}`)
	f.Open("tumour", options{}).Finish()
	if err := f.Agree("roll_back_training", object{"training": "tumour", "round": 0}); err != nil {
		t.Fatal(err)
	}
	p, answer := freezing(f)
	equal(t, contracttest.Digest("state-0"), p.View().BaseState)
	equal(t, round.Void, answer.Phase)
}

func TestT12AnotherTrainingOnTheSameBaseIsHeldAgainstItToo(t *testing.T) {
	f := training(4, `{}`)
	f.Open("tumour", options{}).Finish()
	f.Start("twin", 1, 4)
	p := f.Open("twin", options{Dropouts: []int{3}})
	p.To(round.PhaseUpdates)
	p.Say("CommitUpdate", p.Update, 0, 1, 2)
	equal(t, string(errcode.VoidDifferencing), p.Ended())
}

func TestT27ADropoutsExposureIsRecordedAndFlagged(t *testing.T) {
	f := training(4, `{}`)
	f.Open("tumour", options{}).Finish()
	p := f.Open("tumour", options{Dropouts: []int{3}})
	p.Finish()
	equal(t, round.Exposure{Participant: contracttest.ID(3), Difference: 1}, p.View().Exposure[0])
	kinds := []string{}
	for _, flag := range flags(f, contracttest.ID(3)) {
		kinds = append(kinds, flag.Kind)
	}
	equal(t, "dropout", kinds[0])
	equal(t, "exposure", kinds[1])
}

func TestT27AStrictPolicyVoidsBeforeTheReveal(t *testing.T) {
	f := training(4, `{"strict_differencing":1}`)
	f.Open("tumour", options{}).Finish()
	p, answer := freezing(f)
	equal(t, round.Void, answer.Phase)
	equal(t, string(errcode.VoidExposure), p.View().VoidReason)
}

// TestT10OneOrganisationsSurvivorsLeaveThreeOthers has five participants, two of one organisation; one of the others drops out.
func TestT10OneOrganisationsSurvivorsLeaveThreeOthers(t *testing.T) {
	f := contracttest.New(4, `{"participants_per_organisation":2}`)
	f.Found()
	for i, member := range []int{0, 1, 2, 3, 0} {
		f.ApplyFor(member, i)
		agree(t, f, "admit", object{"participant": contracttest.ID(i)})
	}
	agree(t, f, "register_plan", object{
		"plan": contracttest.Digest("plan"), "name": "tumour", "layout": json.RawMessage(contracttest.Layout),
		"initial_state": contracttest.Digest("state-0"), "schema": contracttest.Digest("schema"),
	})
	f.Start("tumour", 1, 5)
	p := f.Open("tumour", options{Dropouts: []int{3}})
	p.To(round.PhaseUpdates)
	p.Say("CommitUpdate", p.Update, 0, 1, 2, 4)
	equal(t, string(errcode.VoidDominance), p.Ended())
	next := f.Open("tumour", options{})
	next.Finish()
	equal(t, 5, len(next.View().Survivors))
}

// TestABlamedDealerOfTheSmallestFederationComesBack has four hospitals that need four: the dealer blamed in the first
// attempt is drawn again, is slashed for each fault, and counts in no difference from what either attempt froze.
func TestABlamedDealerOfTheSmallestFederationComesBack(t *testing.T) {
	f := training(4, `{}`)
	for range 2 {
		bad := f.Open("tumour", options{})
		bad.Spoil(3, 0, "seed")
		bad.To(round.PhaseUnmask)
		bad.Say("RevealShares", bad.Reveal, 0, 1, 2, 3)
		bad.Advance(round.Void)
		equal(t, string(errcode.VoidBadDealer), bad.View().VoidReason)
	}
	third := f.Open("tumour", options{Dropouts: []int{3}})
	equal(t, 4, len(third.View().Cohort))
	for _, frozen := range third.View().Frozen {
		equal(t, fmt.Sprint([]string{contracttest.ID(3)}), fmt.Sprint(frozen.Blamed))
	}
	third.Finish()
	f.Must(contracttest.Admin(0), "Settle", object{"training": "tumour", "round": 1}, nil)
	var who struct{ Stake uint64 }
	f.Query("GetParticipant", object{"participant": contracttest.ID(3)}, &who)
	equal(t, uint64(2_000_000-2*100_000-10_000), who.Stake)
}

func TestABlamedDealerSitsOutWhileOthersMakeACohort(t *testing.T) {
	f := contracttest.New(6, `{"cohort_min":5}`)
	f.Ready(5, 6)
	bad := f.Open("tumour", options{})
	bad.Spoil(5, 0, "seed")
	bad.To(round.PhaseUnmask)
	bad.Say("RevealShares", bad.Reveal, 0, 1, 2, 3, 4, 5)
	bad.Advance(round.Void)
	without := f.Open("tumour", options{})
	equal(t, false, slices.Contains(without.View().Cohort, contracttest.ID(5)))
	without.Ended()
	agree(t, f, "suspend", object{"participant": contracttest.ID(0)}) // four are left without the blamed one
	equal(t, true, slices.Contains(f.Open("tumour", options{}).View().Cohort, contracttest.ID(5)))
}
