package contract_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/round"
)

func score(f *contracttest.Federation, i int) (faults, dropouts, reputation, stake uint64) {
	var found struct {
		Faults, Dropouts, Stake uint64
		Reputation              uint64 `json:"reputation_ppm"`
	}
	f.Query("GetReputation", object{"participant": contracttest.ID(i)}, &found)
	f.Query("GetParticipant", object{"participant": contracttest.ID(i)}, &found)
	return found.Faults, found.Dropouts, found.Reputation, found.Stake
}

// held is what members hold: balances and stakes.
func held(f *contracttest.Federation, members []int) uint64 {
	total := uint64(0)
	for _, i := range members {
		var account struct{ Balance uint64 }
		f.Query("BalanceOf", object{"account": contracttest.MSP(i)}, &account)
		_, _, _, stake := score(f, i)
		total += account.Balance + stake
	}
	return total
}

// lives plays up to four attempts of a training of n organisations with a random coalition of at most half of them.
func lives(t *testing.T, seed uint64, n, cohortMin int) *coalition {
	c := joined(t, seed, n, cohortMin)
	c.f.Ready(3, n)
	c.plays()
	return c
}

// joined is a random coalition of at most half of n organisations, before the first training.
func joined(t *testing.T, seed uint64, n, cohortMin int) *coalition {
	c := &coalition{t: t, f: contracttest.New(n, fmt.Sprintf(`{"cohort_min":%d}`, cohortMin)), random: rand.New(rand.NewPCG(seed, 15))}
	c.bad, c.concerted = c.random.Perm(n)[:1+c.random.IntN(n/2)], c.chance(50)
	if c.slander = seed%8 >= 5; c.slander || c.concerted {
		c.bad = c.random.Perm(n)[:n/2]
	}
	return c
}

// plays plays up to four attempts of the training, and settles it.
func (c *coalition) plays() {
	c.before = held(c.f, c.bad)
	_, _, _, c.stake = score(c.f, 0)
	for range 4 {
		if !c.opens() {
			break
		}
		c.attempt()
	}
	c.settle()
}

// unharmed fails where an honest participant lost stake or reputation.
func (c *coalition) unharmed() {
	c.t.Helper()
	for i := range c.f.Members {
		faults, dropouts, reputation, stake := score(c.f, i)
		if !c.isBad(i) && (faults+dropouts > 0 || reputation < 500_000 || stake < c.stake) {
			c.t.Fatalf("coalition %v of %d: honest %d has %d faults, %d dropouts, reputation %d, stake %d: %v",
				c.bad, len(c.f.Members), i, faults, dropouts, reputation, stake, flags(c.f, contracttest.ID(i)))
		}
	}
}

// gainsNothing fails where the coalition holds more than it would if it had kept to the docs: each result pays its members their
// part of the whole. A unit a member and a result is what rounding may give.
func (c *coalition) gainsNothing() {
	c.t.Helper()
	n, bad := uint64(len(c.f.Members)), uint64(len(c.bad))
	if fair := c.before + c.finals*(1_000_000*bad/n+bad); held(c.f, c.bad) > fair {
		c.t.Fatalf("the coalition %v of %d holds %d, an honest one would hold %d", c.bad, n, held(c.f, c.bad), fair)
	}
	conserved(c.t, c.f)
}

// TestNoCoalitionOfHalfOfTheOrganisationsSlashesTheHonestOrGains plays random coalitions; everybody else follows the docs. In the
// first histories all must take part, in the others those who are blamed sit out.
func TestNoCoalitionOfHalfOfTheOrganisationsSlashesTheHonestOrGains(t *testing.T) {
	finals, passed, guilty, excluded := uint64(0), 0, 0, 0
	for seed := range uint64(52) {
		n := 4 + int(seed%4)
		cohortMin := n
		if seed >= 28 {
			n, cohortMin = 5+int(seed%3), 4
		}
		c := lives(t, seed, n, cohortMin)
		c.unharmed()
		c.gainsNothing()
		for _, i := range c.bad {
			faults, _, _, _ := score(c.f, i)
			guilty += int(faults)
		}
		finals, passed = finals+c.finals, passed+c.passed
		if len(c.next) < n {
			excluded++
		}
	}
	if finals < 40 || passed < 60 || guilty < 10 || excluded < 5 {
		t.Fatalf("%d results, %d proposals, %d faults of the coalitions, in %d somebody sat out: the histories are too tame", finals, passed, guilty, excluded)
	}
}

// slandered is a training of seven with more candidates besides; three of the seven complain of honest ones, and the attempt is void.
func slandered(t *testing.T, candidates int, parameters string, honest ...int) (f *contracttest.Federation, bad []string, victims []string) {
	t.Helper()
	f = contracttest.New(candidates, parameters)
	f.Ready(5, 7)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUpdates)
	cohort := p.View().Cohort
	for _, victim := range honest {
		for place := range 3 {
			f.Must(p.Node(place), "ReportFault", p.Complaint(victim), nil)
		}
		victims = append(victims, cohort[victim])
	}
	p.Advance(round.Void)
	equal(t, string(errcode.VoidBadSeals), p.View().VoidReason)
	return f, cohort[:3], victims
}

// paid plays a round to its end and returns what each member of a cohort is paid, and what goes back to the treasury.
func paid(f *contracttest.Federation) (cohort []string, amounts map[string]uint64, returned uint64) {
	p := f.Open("tumour", options{})
	p.Finish()
	var settled struct{ Returned uint64 }
	f.Must(contracttest.Admin(0), "Settle", object{"training": "tumour", "round": p.Ref.Round}, &settled)
	return p.View().Cohort, rewarded(f, int(p.Ref.Round)), settled.Returned
}

func TestT17WhoComplainsADealerOutOfTheEpochGainsNothing(t *testing.T) {
	f, bad, victims := slandered(t, 7, `{}`, 5)
	cohort, amounts, returned := paid(f)
	equal(t, false, slices.Contains(cohort, victims[0]))
	for _, id := range bad { // the one kept out counts with all its rows, 200; the others declared 100
		equal(t, uint64(125_000), amounts[id])
	}
	equal(t, uint64(250_000), returned)
	conserved(t, f)
}

func TestT17WhoComesInADealersPlaceIsPaidThatDealersPartAndNobodyElseMore(t *testing.T) {
	f, _, victims := slandered(t, 8, `{}`, 5)
	cohort, amounts, returned := paid(f)
	equal(t, false, slices.Contains(cohort, victims[0]))
	equal(t, 7, len(cohort))
	var view round.View
	f.Query("GetRound", object{"training": "tumour", "round": 1, "attempt": 2}, &view)
	equal(t, victims[0], view.KeptOut[0].Participant)
	equal(t, 1, len(view.InPlace))
	for _, id := range cohort {
		equal(t, map[bool]uint64{true: 250_000, false: 125_000}[id == view.InPlace[0]], amounts[id])
	}
	equal(t, uint64(0), returned)
	conserved(t, f)
}

// TestT08ComplaintsAloneMakeNoCohortSmallerThanTheThreshold has three of seven complain of the four others at once: in a cohort of
// four they would be three against one.
func TestT08ComplaintsAloneMakeNoCohortSmallerThanTheThreshold(t *testing.T) {
	f, bad, _ := slandered(t, 7, `{"cohort_min":4}`, 3, 4, 5, 6)
	p := f.Open("tumour", options{})
	equal(t, 5, len(p.View().Cohort))
	equal(t, 2, len(p.View().KeptOut))
	equal(t, true, slices.Contains(p.View().Cohort, bad[0]))
	p.Finish()
}
