package contract_test

import (
	"slices"
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/round"
)

// inGroups is a training in the mode robust_groups, with members of as many organisations.
func inGroups(t *testing.T, members, cohort, size, faulty int) *contracttest.Federation {
	t.Helper()
	f := contracttest.New(members, `{}`)
	f.Ready(5, cohort)
	agree(t, f, "set_rules_version", object{"version": 2})
	agree(t, f, "set_parameters", robust(size, faulty))
	return f
}

func robust(size, faulty int) object {
	return object{"parameters": object{"mode": "robust_groups", "robust_groups": object{"size": size, "faulty": faulty, "rule": "trimmed_mean"}}}
}

// placesOf are the places in the cohort of a group's members.
func placesOf(view round.View, group int) []int {
	places := []int{}
	for place, id := range view.Cohort {
		if slices.Contains(view.Groups[group], id) {
			places = append(places, place)
		}
	}
	return places
}

func refuse(t *testing.T, err error, code errcode.Code) {
	t.Helper()
	if err == nil || errcode.Of(err) != code {
		t.Fatalf("want %s, got %v", code, err)
	}
}

func TestT19InVersion1RobustGroupsAreNotVoted(t *testing.T) {
	f := contracttest.New(9, `{}`)
	f.Ready(5, 9)
	refuse(t, f.Agree("set_parameters", object{"parameters": object{"mode": "robust_groups"}}), errcode.BadParameter)
	refuse(t, f.Agree("set_parameters", object{"parameters": object{"robust_groups": nil}}), errcode.BadParameter)
	agree(t, f, "set_rules_version", object{"version": 2})
	refuse(t, f.Agree("set_parameters", object{"parameters": object{"robust_groups": object{"size": 4, "faulty": 1, "rule": "median"}}}), errcode.BadParameter)
	refuse(t, f.Agree("set_parameters", robust(2, 1)), errcode.BadParameter)
	refuse(t, f.Agree("set_parameters", robust(3, 0)), errcode.BadParameter)
	agree(t, f, "set_parameters", robust(3, 1))
	agree(t, f, "set_parameters", object{"parameters": object{"mode": "secure_sum"}})
	equal(t, 0, len(f.Open("tumour", options{}).View().Groups))
}

func TestT19ARobustRoundIsFinalAndItsRecordNamesEveryGroupsDigest(t *testing.T) {
	f := inGroups(t, 9, 9, 3, 1)
	p := f.Open("tumour", options{})
	equal(t, 3, len(p.View().Groups))
	p.Finish()
	view := p.View()
	equal(t, 3, len(view.Proposal.Sums))
	equal(t, 9, len(view.Survivors))
	f.Must(contracttest.Admin(0), "Settle", object{"training": "tumour", "round": 1}, nil)
	equal(t, 9, len(rewarded(f, 1)))
	conserved(t, f)
	second := f.Open("tumour", options{})
	equal(t, true, slices.EqualFunc(view.Groups, second.View().Groups, slices.Equal[[]string]))
}

func TestT19AnotherDigestOfAGroupIsRefused(t *testing.T) {
	f := inGroups(t, 9, 9, 3, 1)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	proposal := p.Proposal()
	proposal["sums"] = slices.Concat(proposal["sums"].([]string)[:2], []string{contracttest.Digest("other")})
	refuse(t, tried(f, p, "ProposeAggregate", proposal), errcode.AggregateMismatch)
	proposal["sums"] = p.Proposal()["sums"].([]string)[:2]
	refuse(t, tried(f, p, "ProposeAggregate", proposal), errcode.BadArgument)
	p.Propose()
}

func tried(f *contracttest.Federation, p *contracttest.Played, function string, argument object) error {
	_, err := f.Do(p.Aggregator(), function, argument)
	return err
}

func TestT19AGroupWithFewerThanThreeSurvivorsStaysClosed(t *testing.T) {
	f := inGroups(t, 16, 16, 4, 1)
	first := f.Open("tumour", options{})
	lost := placesOf(first.View(), 2)[:2]
	first.Finish()
	p := f.Open("tumour", options{Dropouts: lost})
	p.To(round.PhaseUnmask)
	view := p.View()
	left := placesOf(view, 2)[2:]
	equal(t, 2, len(view.LeftOut))
	equal(t, 12, len(view.Survivors))
	for _, place := range left {
		equal(t, true, slices.Contains(view.LeftOut, view.Cohort[place]))
	}
	foreign := p.Reveal(placesOf(view, 0)[0])
	shares := foreign["shares"].([]object)
	shares[0]["dealer"] = view.LeftOut[0]
	_, err := f.Do(p.Node(placesOf(view, 0)[0]), "RevealShares", foreign)
	refuse(t, err, errcode.WrongDealers)
	p.Say("RevealShares", p.Reveal, p.Surviving()...)
	p.Advance(round.PhaseAttest)
	p.Propose()
	p.Attest(0, 1, 2, 3, 4, 5, 6, 7, 8)
	p.Advance(round.Final)
	equal(t, 3, len(p.View().Proposal.Sums))
	f.Must(contracttest.Admin(0), "Settle", object{"training": "tumour", "round": 2}, nil)
	amounts := rewarded(f, 2)
	equal(t, 12, len(amounts))
	for _, place := range left { // neither paid nor slashed
		equal(t, uint64(2_000_000), stakeOf(f, place))
	}
	equal(t, true, stakeOf(f, lost[0]) < 2_000_000)
	conserved(t, f)
}

func TestT19TooFewGroupsForTheFaultyOnesVoidBeforeAnyReveal(t *testing.T) {
	f := inGroups(t, 9, 9, 3, 1)
	p := f.Open("tumour", options{Dropouts: []int{4}})
	p.To(round.PhaseUpdates)
	p.Say("CommitUpdate", p.Update, p.Surviving()...)
	equal(t, string(errcode.VoidTooFewGroups), p.Ended())
	equal(t, 0, len(p.View().Frozen))
}

func TestT19ACohortWithoutEnoughGroupsIsNotOpened(t *testing.T) {
	f := contracttest.New(9, `{}`)
	f.Ready(5, 8)
	agree(t, f, "set_rules_version", object{"version": 2})
	agree(t, f, "set_parameters", robust(3, 1))
	_, err := f.Do(contracttest.Node(0), "OpenRound", object{"training": "tumour"})
	refuse(t, err, errcode.LimitExceeded)
}

func TestT19OnlyUnweightedPlansAreSummedInGroups(t *testing.T) {
	f := contracttest.New(9, `{}`)
	f.Layout = `{"version":1,"segments":[{"name":"v","kind":"value","word":32,"ring":32,"max":65535,"slots":3},` +
		`{"name":"weight","kind":"weight","word":32,"ring":32,"max":1000,"slots":1}],"count":null}`
	f.Ready(5, 9)
	agree(t, f, "set_rules_version", object{"version": 2})
	agree(t, f, "set_parameters", robust(3, 1))
	_, err := f.Do(contracttest.Node(0), "OpenRound", object{"training": "tumour"})
	refuse(t, err, errcode.BadLayout)
}

func TestT11WhoeverComesInAnothersPlaceTakesItsGroup(t *testing.T) {
	f := inGroups(t, 10, 9, 3, 1)
	p := f.Open("tumour", options{})
	before := p.View().Groups
	gone := before[1][0]
	p.Finish()
	agree(t, f, "suspend", object{"organisation": contracttest.MSP(slices.Index(ids(10), gone))})
	after := f.Open("tumour", options{}).View().Groups
	for group := range before {
		same := 0
		for _, id := range before[group] {
			if slices.Contains(after[group], id) {
				same++
			}
		}
		equal(t, map[bool]int{true: 2, false: 3}[group == 1], same)
		equal(t, 3, len(after[group]))
	}
}

func ids(n int) []string {
	names := []string{}
	for i := range n {
		names = append(names, contracttest.ID(i))
	}
	return names
}

func TestT13ASumOfAGroupThatDiffersByOneOnTheSameBaseVoidsBeforeTheReveal(t *testing.T) {
	f := inGroups(t, 16, 16, 4, 1)
	first := f.Open("tumour", options{})
	first.To(round.PhaseUnmask)
	first.Expire()
	first.Advance(round.Void)
	one, two := placesOf(first.View(), 0)[0], placesOf(first.View(), 1)[0]
	three := placesOf(first.View(), 2)[0]
	p := f.Open("tumour", options{Dropouts: []int{one, two, three}}) // three in all, one in each group
	p.To(round.PhaseUpdates)
	p.Say("CommitUpdate", p.Update, p.Surviving()...)
	equal(t, string(errcode.VoidDifferencing), p.Ended())
}

func TestT13AnotherWayToSumOnTheSameBaseNeedsAVote(t *testing.T) {
	f := contracttest.New(9, `{}`)
	f.Ready(5, 9)
	agree(t, f, "set_rules_version", object{"version": 2})
	first := f.Open("tumour", options{})
	first.To(round.PhaseUnmask)
	first.Expire()
	first.Advance(round.Void)
	agree(t, f, "set_parameters", robust(3, 1))
	p := f.Open("tumour", options{})
	p.To(round.PhaseUpdates)
	p.Say("CommitUpdate", p.Update, p.Surviving()...)
	p.Advance(round.Void)
	equal(t, string(errcode.VoidDifferencing), p.View().VoidReason)
	agree(t, f, "lift_differencing", object{"training": "tumour"})
	f.Open("tumour", options{}).Finish()
}
