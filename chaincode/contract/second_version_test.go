package contract_test

import (
	"slices"
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/round"
)

// contested is a training of seven with an eighth candidate, under a version of the rules; three of the seven complain an honest
// one out of it. It returns the next attempt as it was opened, what its members are paid, and what goes back to the treasury.
func contested(t *testing.T, version uint64, parameters string) (view round.View, amounts map[string]uint64, returned uint64) {
	t.Helper()
	f := contracttest.New(8, parameters)
	f.Ready(5, 7)
	agree(t, f, "set_rules_version", object{"version": version})
	p := f.Open("tumour", options{})
	p.To(round.PhaseUpdates)
	for place := range 3 {
		f.Must(p.Node(place), "ReportFault", p.Complaint(5), nil)
	}
	p.Advance(round.Void)
	equal(t, string(errcode.VoidBadSeals), p.View().VoidReason)
	victim := p.View().Cohort[5]
	_, amounts, returned = paid(f)
	f.Query("GetRound", object{"training": "tumour", "round": 1, "attempt": 2}, &view)
	equal(t, version, view.Rules)
	equal(t, victim, view.KeptOut[0].Participant)
	equal(t, false, slices.Contains(view.Cohort, victim))
	conserved(t, f)
	return view, amounts, returned
}

func TestT17InVersion2NobodyComesInADealersPlaceAndItsPartGoesBack(t *testing.T) {
	first, _, _ := contested(t, 1, `{}`)
	equal(t, 7, len(first.Cohort))
	equal(t, 1, len(first.InPlace))
	view, amounts, returned := contested(t, 2, `{}`)
	equal(t, 6, len(view.Cohort))
	equal(t, 0, len(view.InPlace))
	for _, id := range view.Cohort {
		equal(t, uint64(125_000), amounts[id])
	}
	equal(t, uint64(250_000), returned)
}

func TestT17InVersion2WhoMustComeInADealersPlaceIsPaidNothingForIt(t *testing.T) {
	view, amounts, returned := contested(t, 2, `{"cohort_min":7}`)
	equal(t, 7, len(view.Cohort))
	equal(t, 1, len(view.InPlace))
	for _, id := range view.Cohort {
		equal(t, map[bool]uint64{true: 0, false: 125_000}[id == view.InPlace[0]], amounts[id])
	}
	equal(t, uint64(250_000), returned)
}

// TestInVersion2NoCoalitionIsPaidMoreWhereCandidatesAreLeft plays random coalitions of half of the organisations where not every
// candidate is drawn: whom they complain out may leave a place to one of theirs. In version 1 that pays.
func TestInVersion2NoCoalitionIsPaidMoreWhereCandidatesAreLeft(t *testing.T) {
	gained, keptOut := 0, 0
	for seed := range uint64(24) {
		for version := uint64(1); version <= 2; version++ {
			c := spares(t, seed, version)
			c.unharmed()
			conserved(t, c.f)
			more := held(c.f, c.bad) > c.before+c.due
			if version == 1 && more {
				gained++
			}
			if version == 2 && more {
				t.Fatalf("seed %d: the coalition %v holds %d, an honest one would hold %d", seed, c.bad, held(c.f, c.bad), c.before+c.due)
			}
			if version == 2 && len(c.p.View().KeptOut) > 0 {
				keptOut++
			}
		}
	}
	if gained < 2 || keptOut < 5 {
		t.Fatalf("version 1 paid in %d histories, in %d somebody was kept out: they are too tame", gained, keptOut)
	}
}

// spares plays a training whose cohort leaves one to three candidates over, the smallest that may be or larger.
func spares(t *testing.T, seed, version uint64) *coalition {
	n := 6 + int(seed%4)
	cohort := n - 1 - int(seed/4%3)
	c := joined(t, seed, n, max(4, cohort-int(seed/12%2)*2))
	c.f.Ready(3, max(4, cohort))
	agree(t, c.f, "set_rules_version", object{"version": version})
	c.plays()
	return c
}

func TestAVoteForVersion2LetsTheOpenRoundEndByVersion1(t *testing.T) {
	f := contracttest.New(8, `{}`)
	f.Ready(5, 7)
	first := f.Open("tumour", options{})
	first.To(round.PhaseUpdates)
	for place := range 3 {
		f.Must(first.Node(place), "ReportFault", first.Complaint(5), nil)
	}
	first.Advance(round.Void)
	second := f.Open("tumour", options{}) // by version 1, with somebody in the dealer's place
	agree(t, f, "set_rules_version", object{"version": 2})
	standIn := second.View().InPlace[0]
	second.Finish()
	f.Must(contracttest.Admin(0), "Settle", object{"training": "tumour", "round": 1}, nil)
	equal(t, uint64(250_000), rewarded(f, 1)[standIn])
	third := f.Open("tumour", options{})
	equal(t, uint64(1), second.View().Rules)
	equal(t, uint64(2), third.View().Rules)
	equal(t, 0, len(third.View().InPlace))
}
