package contract_test

import (
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/round"
)

// shown is a training in the mode plain, with members of as many organisations.
func shown(t *testing.T, members, cohort int, settings object) *contracttest.Federation {
	t.Helper()
	f := contracttest.New(members, `{}`)
	f.Ready(5, cohort)
	agree(t, f, "set_rules_version", object{"version": 2})
	agree(t, f, "set_parameters", object{"parameters": object{"mode": "plain", "plain": settings}})
	return f
}

func plainly(rule string, faulty, bucket int) object {
	return object{"rule": rule, "faulty": faulty, "bucket": bucket}
}

func TestT19SettingsOfPlainAreHeldToTheirRanges(t *testing.T) {
	f := contracttest.New(4, `{}`)
	f.Ready(5, 4)
	vote := func(mode string, settings any) error {
		return f.Agree("set_parameters", object{"parameters": object{"mode": mode, "plain": settings}})
	}
	refuse(t, vote("plain", plainly("median", 1, 1)), errcode.BadParameter) // version 1
	refuse(t, f.Agree("set_parameters", object{"parameters": object{"plain": nil}}), errcode.BadParameter)
	agree(t, f, "set_rules_version", object{"version": 2})
	refuse(t, vote("plain", plainly("mean", 1, 1)), errcode.BadParameter)
	refuse(t, vote("plain", plainly("median", 0, 1)), errcode.BadParameter)
	refuse(t, vote("plain", plainly("median", 1, 9)), errcode.BadParameter)
	refuse(t, vote("secure_sum", plainly("median", 1, 1)), errcode.BadParameter)
	refuse(t, vote("robust_groups", plainly("median", 1, 1)), errcode.BadParameter)
	if err := vote("plain", plainly("median", 1, 1)); err != nil {
		t.Fatal(err)
	}
	agree(t, f, "set_parameters", robust(3, 1)) // leaves the settings of plain behind
	agree(t, f, "set_parameters", object{"parameters": object{"mode": "secure_sum"}})
	equal(t, 0, len(f.Open("tumour", options{}).View().Groups))
}

func TestT19APlainRoundIsFinalAndItsRecordNamesEveryUpdatesDigest(t *testing.T) {
	f := shown(t, 5, 5, plainly("median", 1, 1))
	p := f.Open("tumour", options{Dropouts: []int{2}})
	equal(t, 5, len(p.View().Groups))
	p.Finish()
	view := p.View()
	equal(t, 4, len(view.Survivors))
	equal(t, 4, len(view.Proposal.Sums))
	equal(t, 0, len(view.LeftOut))
	equal(t, "median", view.Plain.Rule)
	f.Must(contracttest.Admin(0), "Settle", object{"training": "tumour", "round": 1}, nil)
	equal(t, 4, len(rewarded(f, 1)))
	conserved(t, f)
}

func TestT19ACohortTooSmallForTheFaultyOnesIsNotOpenedInPlain(t *testing.T) {
	f := shown(t, 4, 4, plainly("median", 2, 1))
	_, err := f.Do(contracttest.Node(0), "OpenRound", object{"training": "tumour"})
	refuse(t, err, errcode.LimitExceeded)
}

func TestT13UpdatesThatAreShownAnywayMayBeShownAgainWithFewer(t *testing.T) {
	f := shown(t, 6, 6, plainly("median", 1, 1))
	first := f.Open("tumour", options{})
	first.To(round.PhaseUnmask)
	first.Expire()
	first.Advance(round.Void)
	agree(t, f, "suspend", object{"organisation": contracttest.MSP(5)})
	p := f.Open("tumour", options{Dropouts: []int{1}})
	equal(t, 5, len(p.View().Groups))
	p.To(round.PhaseUnmask)
	equal(t, 0, len(p.View().Exposure))
}

func TestT13ASumAfterUpdatesOnTheSameBaseNeedsAVote(t *testing.T) {
	f := shown(t, 5, 5, plainly("median", 1, 1))
	first := f.Open("tumour", options{})
	first.To(round.PhaseUnmask)
	first.Expire()
	first.Advance(round.Void)
	agree(t, f, "set_parameters", object{"parameters": object{"mode": "secure_sum"}})
	p := f.Open("tumour", options{})
	p.To(round.PhaseUpdates)
	p.Say("CommitUpdate", p.Update, p.Surviving()...)
	equal(t, string(errcode.VoidDifferencing), p.Ended())
}

func TestT18AnUpdateOutsideItsRangeNamesItsSenderInPlain(t *testing.T) {
	f := shown(t, 5, 5, plainly("median", 1, 1))
	p := f.Open("tumour", options{Values: garbage})
	p.To(round.PhaseAttest)
	report := func(accused int) object {
		return p.With(object{"kind": "update", "accused": p.View().Cohort[accused], "evidence": object{}})
	}
	_, err := f.Do(p.Node(0), "ReportFault", report(1))
	refuse(t, err, errcode.NotProven)
	f.Must(p.Node(0), "ReportFault", report(2), nil)
	equal(t, string(errcode.VoidGarbage), p.View().VoidReason)
	equal(t, 4, len(f.Open("tumour", options{}).View().Cohort))
}

func TestT19OtherUpdatesLeftOutThanTheRuleLeavesOutAreRefused(t *testing.T) {
	f := shown(t, 5, 5, plainly("multi_krum", 1, 1))
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	proposal := p.Proposal()
	found := proposal["outlying"].([]int)
	equal(t, 1, len(found))
	for _, claimed := range []any{[]int{(found[0] + 1) % 5}, nil, []int{found[0], 9}} {
		proposal["outlying"] = claimed
		refuse(t, tried(f, p, "ProposeAggregate", proposal), errcode.AggregateMismatch)
	}
	for _, claimed := range []any{[]int{}, []int{0, 1, 2, 3, 4}} {
		proposal["outlying"] = claimed
		refuse(t, tried(f, p, "ProposeAggregate", proposal), errcode.BadArgument)
	}
	p.Propose()
	p.Attest(0, 1, 2, 3, 4)
	p.Advance(round.Final)
	equal(t, found[0], p.View().Proposal.Outlying[0])
}
