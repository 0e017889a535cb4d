package contract_test

import (
	"slices"
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/round"
	"fedledger/chaincode/secagg"
)

// cohort is a training in which all of n members take part.
func cohort(n int) *contracttest.Federation {
	f := contracttest.New(n, `{}`)
	f.Ready(3, n)
	return f
}

// complaining plays a round up to Updates, where members complain of a dealer's sealed shares.
func complaining(f *contracttest.Federation, played options, dealer int, members ...int) *contracttest.Played {
	p := f.Open("tumour", played)
	p.To(round.PhaseUpdates)
	for _, member := range members {
		f.Must(p.Node(member), "ReportFault", p.Complaint(dealer), nil)
	}
	return p
}

// answered plays a round up to Updates, where a dealer answers a complaint before it drops out.
func answered(f *contracttest.Federation) *contracttest.Played {
	p := complaining(f, options{Dropouts: []int{3}}, 3, 0)
	f.Must(p.Node(3), "AnswerComplaint", p.Answer(3, 0), nil)
	return p
}

func waits(t *testing.T, f *contracttest.Federation, p *contracttest.Played) {
	t.Helper()
	var answer round.AdvanceResponse
	f.Must(contracttest.Node(0), "Advance", p.Ref, &answer)
	equal(t, false, answer.Moved)
}

var seven = []int{0, 1, 2, 3, 4, 5, 6}

func TestT17AnHonestDealerAnswersAsManyFalseComplaintsAsThereMayBeAndTheRoundEndsFinal(t *testing.T) {
	for n, faulty := range map[int]int{4: 1, 7: 2} {
		f := cohort(n)
		p := complaining(f, options{}, n-1, seven[:faulty]...)
		p.Say("CommitUpdate", p.Update, seven[:n]...)
		waits(t, f, p)
		dealer := contracttest.ID(n - 1)
		for member := range faulty {
			equal(t, false, p.View().Complaints[dealer][contracttest.ID(member)])
			f.Must(p.Node(n-1), "AnswerComplaint", p.Answer(n-1, member), nil)
			equal(t, true, p.View().Complaints[dealer][contracttest.ID(member)])
		}
		p.Advance(round.PhaseUnmask)
		p.Finish()
		equal(t, 0, len(flags(f, dealer)))
	}
}

func TestT17WhatADealerAnsweredStandsInForItsComplainersWord(t *testing.T) {
	f := cohort(4)
	p := answered(f)
	dealer := contracttest.ID(3)
	p.Reveals[0] = slices.DeleteFunc(p.Reveals[0], func(share secagg.Reveal) bool { return share.Dealer == dealer })
	var early, reveals round.RevealsView
	f.Query("GetReveals", p.Ref, &early)
	equal(t, 0, len(early.Reveals))
	p.Finish()
	f.Query("GetReveals", p.Ref, &reveals)
	share := round.ShareView{Kind: "mask", Value: p.Answer(3, 0)["mask"].(string)}
	equal(t, share, reveals.Reveals[contracttest.ID(0)][dealer])
}

func TestT17AnAnswerIsUnderTheRootAndToAComplaint(t *testing.T) {
	f := cohort(4)
	p := complaining(f, options{}, 3, 0)
	right := p.Answer(3, 0)
	refused(t, f, p.Node(3), "AnswerComplaint", p.Answer(3, 1), errcode.NotAnswerable)
	refused(t, f, p.Node(2), "AnswerComplaint", right, errcode.NotAnswerable)
	for field, wrong := range map[string]any{"mask": p.Answer(3, 1)["mask"], "seed": p.Answer(3, 1)["seed"], "path": []string{}} {
		refused(t, f, p.Node(3), "AnswerComplaint", changed(p.Answer(3, 0), field, wrong), errcode.BadShareProof)
	}
	f.Must(p.Node(3), "AnswerComplaint", right, nil)
	refused(t, f, p.Node(3), "AnswerComplaint", right, errcode.AlreadyDone)
	refused(t, f, p.Node(0), "ReportFault", p.Complaint(3), errcode.AlreadyReported)
	refused(t, f, p.Node(3), "ReportFault", p.Complaint(3), errcode.NotProven)
}

func TestT17ABadDealerThatAnswersNobodyVoidsBeforeAnyRevealSitsOutAndTheTrainingGoesOn(t *testing.T) {
	f := cohort(7)
	p := complaining(f, options{}, 3, 0)
	p.Say("CommitUpdate", p.Update, seven...)
	waits(t, f, p)
	f.TimeMS += 7_999
	waits(t, f, p)
	f.TimeMS++
	p.Advance(round.Void)
	equal(t, string(errcode.VoidBadSeals), p.View().VoidReason)
	equal(t, 0, len(p.View().Survivors))
	kinds := []string{}
	for _, flag := range flags(f, contracttest.ID(3)) {
		kinds = append(kinds, flag.Kind)
	}
	slices.Sort(kinds)
	equal(t, true, slices.Equal([]string{"bad-seals", "dropout"}, kinds))
	next := f.Open("tumour", options{})
	equal(t, false, slices.Contains(next.View().Cohort, contracttest.ID(3)))
	next.Finish()
}

func TestT17MoreComplaintsThanMayBeFalseNeedNoAnswer(t *testing.T) {
	f := cohort(5)
	p := complaining(f, options{}, 4, 0)
	waits(t, f, p)
	f.Must(p.Node(1), "ReportFault", p.Complaint(4), nil)
	refused(t, f, p.Node(4), "AnswerComplaint", p.Answer(4, 0), errcode.NotAnswerable)
	p.Advance(round.Void)
	next := f.Open("tumour", options{})
	equal(t, 4, len(next.View().Cohort))
	next.Finish()
}

func TestT17ADealerThatMayNotAnswerIsNoDropout(t *testing.T) {
	f := cohort(5)
	p := complaining(f, options{}, 4, 0, 1) // two of five: one more than may be faulty
	f.TimeMS += 8_000
	p.Advance(round.Void)
	for _, flag := range flags(f, contracttest.ID(4)) {
		equal(t, "bad-seals", flag.Kind) // it sits out, and is not slashed
	}
}

// A dealer seals garbage for one of seven, and an accomplice, who complained of nothing, will not reveal its share of the
// dealer's secret: with the dealer's own they lack one share of five. Frozen, the attempt would be void after the reveal, with
// nobody to blame, and every next one on this base state likewise.
func TestT17WhoWithholdsSharesOfADealerThatSealedGarbageFreezesNoAttemptForNothing(t *testing.T) {
	f := cohort(7)
	p := complaining(f, options{}, 3, 0)
	p.Say("CommitUpdate", p.Update, seven...)
	waits(t, f, p)
	f.Must(p.Node(3), "AnswerComplaint", p.Answer(3, 0), nil)
	p.Advance(round.PhaseUnmask)
	for _, place := range []int{3, 4} {
		p.Reveals[place] = slices.DeleteFunc(p.Reveals[place], func(share secagg.Reveal) bool { return share.Dealer == contracttest.ID(3) })
	}
	p.Finish()
}

func TestT17InTheSmallestFederationASilentDealerComesBackAndTheTrainingGoesOn(t *testing.T) {
	f := cohort(4)
	p := complaining(f, options{}, 3, 0)
	f.TimeMS += 8_000
	p.Advance(round.Void)
	next := f.Open("tumour", options{})
	equal(t, 4, len(next.View().Cohort))
	next.Finish()
}
