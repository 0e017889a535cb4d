package contract_test

import (
	"slices"
	"strconv"
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/round"
)

// inGroupsPaid is a training in groups of three or four whose members voted terms of contribution.
func inGroupsPaid(members, floor, sums int) *contracttest.Federation {
	f := contracttest.New(members, `{}`)
	f.Ready(5, members)
	size := 3 + members/16
	terms := object{"mode": "robust_groups", "robust_groups": object{"size": size, "faulty": 1, "rule": "trimmed_mean"},
		"contribution": object{"floor": floor, "sums": sums}}
	for _, err := range []error{f.Agree("set_rules_version", object{"version": 2}), f.Agree("set_parameters", object{"parameters": terms})} {
		if err != nil {
			panic(err)
		}
	}
	return f
}

// finishWith ends a round whose metrics say what the groups contributed.
func finishWith(f *contracttest.Federation, p *contracttest.Played, contributions ...string) {
	p.To(round.PhaseAttest)
	proposal, metrics := p.Proposal(), object{"loss": "0.5"}
	for group, text := range contributions {
		metrics["contribution/"+strconv.Itoa(group)] = text
	}
	proposal["metrics"] = metrics
	f.Must(p.Aggregator(), "ProposeAggregate", proposal, nil)
	p.Proposals++
	p.Attest(0, 1, 2, 3, 4)
	p.Advance(round.Final)
}

func TestTermsOfContributionAreVotedInVersion2AndInRobustGroupsAlone(t *testing.T) {
	terms := object{"floor": 500, "sums": 3}
	f := contracttest.New(9, `{}`)
	f.Ready(5, 9)
	refuse(t, f.Agree("set_parameters", object{"parameters": object{"contribution": terms}}), errcode.BadParameter)
	agree(t, f, "set_rules_version", object{"version": 2})
	refuse(t, f.Agree("set_parameters", object{"parameters": object{"contribution": terms}}), errcode.BadParameter)
	agree(t, f, "set_parameters", robust(3, 1))
	for _, bad := range []object{{"floor": 0, "sums": 3}, {"floor": 1001, "sums": 3}, {"floor": 500, "sums": 0}} {
		refuse(t, f.Agree("set_parameters", object{"parameters": object{"contribution": bad}}), errcode.BadParameter)
	}
	agree(t, f, "set_parameters", object{"parameters": object{"contribution": terms}})
	agree(t, f, "set_parameters", object{"parameters": object{"mode": "secure_sum"}})
	agree(t, f, "set_parameters", robust(3, 1))
	finishWith(f, f.Open("tumour", options{}), "700", "0", "-5")
	equal(t, 1, len(distinct(rewarded(f, 1)))) // the terms went with the mode
}

func TestWhatGroupsContributedIsPaidFromTheSumOfTheEpochsRounds(t *testing.T) {
	f := inGroupsPaid(9, 500, 9)
	first := f.Open("tumour", options{})
	finishWith(f, first, "0", "0", "0")
	equal(t, 1, len(distinct(rewarded(f, 1)))) // nothing is known yet
	finishWith(f, f.Open("tumour", options{}), "300", "500", "0.5")
	second := f.Open("tumour", options{})
	finishWith(f, second, "500", "-100", "-100")
	view := second.View()
	equal(t, true, slices.Equal([]int64{800, 400, -100}, view.Contribution))
	amounts := rewarded(f, 3)
	best, middle, least := amounts[view.Groups[0][0]], amounts[view.Groups[1][0]], amounts[view.Groups[2][0]]
	equal(t, true, best/4 == middle/3 || best/4 == middle/3+1)
	equal(t, true, best/2 == least || best/2 == least+1)
	for group, members := range view.Groups { // of one group all are paid alike: their rows are the same
		for _, id := range members {
			expected := []uint64{best, middle, least}[group]
			equal(t, true, amounts[id]+1 >= expected && amounts[id] <= expected+1)
		}
	}
	f.Must(contracttest.Admin(0), "Settle", object{"training": "tumour", "round": 3}, nil)
	conserved(t, f)
}

func TestWithoutTermsContributionsAreMetricsAndNothingIsPaidForThem(t *testing.T) {
	f := inGroups(t, 9, 9, 3, 1)
	p := f.Open("tumour", options{})
	finishWith(f, p, "900", "1", "1")
	equal(t, 1, len(distinct(rewarded(f, 1))))
	equal(t, 0, len(p.View().Contribution))
}

func TestT27ASumBeyondTheEpochsBudgetVoidsBeforeAnyReveal(t *testing.T) {
	f := inGroupsPaid(16, 500, 2)
	first := f.Open("tumour", options{})
	first.Finish()
	group := placesOf(first.View(), 1)
	f.Open("tumour", options{Dropouts: group[:1]}).Finish()  // the second distinct sum of the others
	f.Open("tumour", options{}).Finish()                     // the first again
	third := f.Open("tumour", options{Dropouts: group[1:2]}) // would be the third
	third.To(round.PhaseUpdates)
	third.Say("CommitUpdate", third.Update, third.Surviving()...)
	equal(t, string(errcode.VoidOverBudget), third.Ended())
	equal(t, 0, len(third.View().Survivors))
}

func TestT27SumsWithWhoSitsOutTheRestOfTheEpochCountInTheBudgetOfTheOthers(t *testing.T) {
	f := inGroupsPaid(12, 500, 9)
	f.Open("tumour", options{}).Finish()
	bad := f.Open("tumour", options{})
	dealer := bad.Members[11].ID
	bad.Spoil(11, 0, "seed")
	bad.To(round.PhaseUnmask)
	bad.Say("RevealShares", bad.Reveal, seven...)
	bad.Say("RevealShares", bad.Reveal, 7, 8, 9, 10, 11)
	bad.Advance(round.Void)
	equal(t, string(errcode.VoidBadDealer), bad.View().VoidReason)
	next := f.Open("tumour", options{})
	equal(t, false, slices.Contains(next.View().Cohort, dealer)) // though the sets frozen before hold it
	next.To(round.PhaseUnmask)
	equal(t, round.PhaseUnmask, next.View().Phase)
}

func distinct(amounts map[string]uint64) map[uint64]bool {
	found := map[uint64]bool{}
	least := ^uint64(0)
	for _, amount := range amounts {
		least = min(least, amount)
	}
	for _, amount := range amounts { // Hamilton's method gives some one unit more
		found[amount-min(amount-least, 1)] = true
	}
	return found
}
