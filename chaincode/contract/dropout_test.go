package contract_test

import (
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// leaving is the argument of DropOut.
func leaving(p *contracttest.Played) object { return p.With(object{"reason": "FL3010"}) }

func leaves(f *contracttest.Federation, p *contracttest.Played, places ...int) {
	for _, place := range places {
		f.Must(p.Node(place), "DropOut", leaving(p), nil)
	}
}

func TestWhoDropsOutIsNotWaitedFor(t *testing.T) {
	for name, drop := range map[string]struct {
		options options
		in      round.Phase
	}{
		"without keys":      {options{}, round.PhaseKeys},
		"without shares":    {options{Silent: []int{4}}, round.PhaseShares},
		"without an update": {options{Dropouts: []int{4}}, round.PhaseUpdates},
	} {
		t.Run(name, func(t *testing.T) {
			f := flowing(t, 5, `{}`)
			p := f.Open("tumour", drop.options)
			began := f.TimeMS
			p.To(drop.in)
			leaves(f, p, 4)
			equal(t, round.Dropout{Phase: drop.in, Reason: "FL3010", Word: round.Word{TimeMS: f.TimeMS}}, p.View().Dropouts[p.Members[4].ID])
			equal(t, drop.in, p.View().Phase) // the four others are still waited for
			switch drop.in {
			case round.PhaseKeys:
				p.Say("PublishKeys", p.Keys, 0, 1, 2, 3)
				equal(t, round.PhaseShares, p.View().Phase)
				equal(t, 4, len(p.View().U1))
			case round.PhaseShares:
				p.Say("CommitShares", p.Shares, 0, 1, 2, 3)
				equal(t, round.PhaseUpdates, p.View().Phase)
				equal(t, 4, len(p.View().U2))
			default:
				p.Say("CommitUpdate", p.Update, 0, 1, 2, 3)
				p.Advance(round.PhaseUnmask)
				equal(t, 4, len(p.View().Survivors))
			}
			if f.TimeMS >= began+5_000 { // no deadline has passed
				t.Fatalf("%d ms", f.TimeMS-began)
			}
		})
	}
}

func TestARoundThatOneHasLeftEndsFinalWithoutADeadline(t *testing.T) {
	f := flowing(t, 5, `{}`)
	p := f.Open("tumour", options{Dropouts: []int{4}})
	p.To(round.PhaseUpdates)
	deadline := p.View().DeadlineMS
	leaves(f, p, 4)
	p.Say("CommitUpdate", p.Update, 0, 1, 2, 3)
	p.Advance(round.PhaseUnmask)
	p.Say("RevealShares", p.Reveal, 0, 1, 2, 3)
	equal(t, round.PhaseAttest, p.View().Phase)
	p.Finish()
	equal(t, round.Final, p.View().Phase)
	if f.TimeMS >= deadline {
		t.Fatal("it ended by a deadline")
	}
	raised := flags(f, p.Members[4].ID)
	equal(t, 1, len(raised)) // a dropout as any other
	equal(t, round.FlagDropout, raised[0].Kind)
	equal(t, "the participant left in phase Updates: FL3010", raised[0].Detail)
	f.Must(contracttest.Admin(0), "Settle", object{"training": "tumour", "round": 1}, nil)
	outcomes := 0
	for i := range 5 {
		if _, dropouts, _, _ := score(f, i); dropouts == 1 {
			equal(t, p.Members[4].ID, contracttest.ID(i))
			outcomes++
		}
	}
	equal(t, 1, outcomes)
}

func TestWhoDropsOutWhileItIsToRevealIsNotWaitedFor(t *testing.T) {
	f := flowing(t, 5, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUnmask)
	p.Say("RevealShares", p.Reveal, 0, 1, 2, 3)
	equal(t, round.PhaseUnmask, p.View().Phase)
	leaves(f, p, 4)
	equal(t, round.PhaseAttest, p.View().Phase)
	p.Finish()
	equal(t, 5, len(p.View().Survivors)) // its update is in the sum
	equal(t, 1, len(flags(f, p.Members[4].ID)))
}

func TestOfTooFewRevealsTheDeadlineIsWaitedForWhoeverHasLeft(t *testing.T) {
	f := flowing(t, 5, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUnmask)
	p.Say("RevealShares", p.Reveal, 0, 1)
	leaves(f, p, 2, 3, 4)
	waits(t, f, p)
	equal(t, string(errcode.VoidNotUnmaskable), p.Ended())
}

func TestAnAttemptThatTooManyLeaveIsVoidAtOnce(t *testing.T) {
	f := flowing(t, 5, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUpdates)
	p.Say("CommitUpdate", p.Update, 0, 1, 2)
	leaves(f, p, 3)
	waits(t, f, p)
	leaves(f, p, 4)
	p.Advance(round.Void)
	equal(t, string(errcode.VoidTooFewSurvivors), p.View().VoidReason)
	for place, count := range []int{0, 0, 0, 1, 1} {
		equal(t, count, len(flags(f, p.Members[place].ID)))
	}
}

func TestWhoHasLeftOwesAsADropoutThoughAVoteEndsTheAttempt(t *testing.T) {
	f := flowing(t, 5, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUpdates)
	leaves(f, p, 2)
	agree(t, f, "stop_training", object{"training": "tumour"})
	for place, count := range []int{0, 0, 1, 0, 0} {
		equal(t, count, len(flags(f, p.Members[place].ID)))
	}
}

func TestWhoHasLeftSaysNothingMoreInTheAttempt(t *testing.T) {
	f := flowing(t, 5, `{}`)
	p := f.Open("tumour", options{})
	leaves(f, p, 4)
	refused(t, f, p.Node(4), "DropOut", leaving(p), errcode.DroppedOut)
	refused(t, f, p.Node(4), "PublishKeys", p.Keys(4), errcode.DroppedOut)
	p.Say("PublishKeys", p.Keys, 0, 1, 2, 3)
	refused(t, f, p.Node(4), "PublishKeys", p.Keys(4), errcode.DroppedOut) // the record says Keys: others have dealt to four
	leaves(f, p, 3)
	refused(t, f, p.Node(3), "CommitShares", p.Shares(3), errcode.DroppedOut)

}

func TestWhoHasLeftCommitsAndRevealsNothing(t *testing.T) {
	for phase, function := range map[round.Phase]string{round.PhaseUpdates: "CommitUpdate", round.PhaseUnmask: "RevealShares"} {
		f := flowing(t, 5, `{}`)
		p := f.Open("tumour", options{})
		p.To(phase)
		leaves(f, p, 3)
		argument := map[string]func(int) object{"CommitUpdate": p.Update, "RevealShares": p.Reveal}[function]
		refused(t, f, p.Node(3), function, argument(3), errcode.DroppedOut)
	}
}

func TestOnlyAMemberThatThePhaseWaitsForDropsOut(t *testing.T) {
	f := flowing(t, 5, `{}`)
	p := f.Open("tumour", options{Silent: []int{4}})
	p.Say("PublishKeys", p.Keys, 0)
	refused(t, f, p.Node(0), "DropOut", leaving(p), errcode.AlreadyDone)
	refused(t, f, contracttest.Admin(0), "DropOut", leaving(p), errcode.NotAParticipant)
	refused(t, f, p.Node(1), "DropOut", p.With(object{"reason": "my data is secret"}), errcode.BadArgument)
	p.Say("PublishKeys", p.Keys, 1, 2, 3, 4)
	p.To(round.PhaseUpdates)
	refused(t, f, p.Node(4), "DropOut", leaving(p), errcode.NotInCohort) // it dealt no shares
	p.To(round.PhaseAttest)
	refused(t, f, p.Node(0), "DropOut", leaving(p), errcode.WrongPhase)
	p.Finish()
	refused(t, f, p.Node(0), "DropOut", leaving(p), errcode.WrongPhase)
}

func TestWhoHasLeftAnAttemptTakesPartInTheNext(t *testing.T) {
	f := flowing(t, 4, `{}`)
	p := f.Open("tumour", options{})
	leaves(f, p, 0, 1)
	p.Say("PublishKeys", p.Keys, 2, 3)
	p.Advance(round.Void)
	equal(t, string(errcode.VoidTooFewKeys), p.View().VoidReason)
	next := f.Open("tumour", options{})
	next.Finish()
	equal(t, 0, len(next.View().Dropouts))
	equal(t, 4, len(next.View().Survivors))
}

func TestVersion1KnowsNoDropOut(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	refused(t, f, p.Node(0), "DropOut", leaving(p), errcode.UnknownFunction)
}

func TestT23WhoLeavesWithAClockThatIsBehindShortensNobodysPhase(t *testing.T) {
	f := flowing(t, 4, `{}`)
	p := f.Open("tumour", options{})
	p.Say("PublishKeys", p.Keys, 0, 1, 2)
	before := f.TimeMS
	f.TimeMS -= 3_600_000
	leaves(f, p, 3)
	f.TimeMS = before
	view := p.View()
	equal(t, round.PhaseShares, view.Phase)
	equal(t, before+8_000, view.DeadlineMS) // since the last of the keys
	equal(t, view.OpenedMS, view.Dropouts[p.Members[3].ID].TimeMS)
}

func TestT22WhoSpeaksDoesNotConflictWithWhoLeaves(t *testing.T) {
	f := flowing(t, 5, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUpdates)
	update, _, err := f.Prepare(p.Node(0), "CommitUpdate", p.Update(0))
	if err != nil {
		t.Fatal(err)
	}
	leaves(f, p, 4)
	equal(t, true, f.State.Commit(update))
}

func TestT22AFreezeSeesWhoLeftAndWhoSpokeOrDoesNotCommit(t *testing.T) {
	f := flowing(t, 5, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUpdates)
	p.Say("CommitUpdate", p.Update, 0, 1, 2)
	leaves(f, p, 3)
	prepared := func(caller ledger.Caller, function string, argument any) *ledger.Tx {
		tx, _, err := f.Prepare(caller, function, argument)
		if err != nil {
			t.Fatal(err)
		}
		return tx
	}
	stays, goes := prepared(p.Node(4), "CommitUpdate", p.Update(4)), prepared(p.Node(4), "DropOut", leaving(p))
	waiting := prepared(contracttest.Node(0), "Advance", p.Ref)
	equal(t, true, f.State.Commit(stays))
	equal(t, false, f.State.Commit(goes)) // of one member's two words the first counts
	equal(t, false, f.State.Commit(waiting))
	p.Advance(round.PhaseUnmask)
	equal(t, 4, len(p.View().Survivors))
}

func TestARoundThatSomeLeaveReplaysToTheSameState(t *testing.T) {
	f := flowing(t, 5, `{}`)
	p := f.Open("tumour", options{Dropouts: []int{4}})
	p.To(round.PhaseUpdates)
	leaves(f, p, 4)
	p.Say("CommitUpdate", p.Update, 0, 1, 2, 3)
	p.Advance(round.PhaseUnmask)
	p.Finish()
	state := replayed(t, f, func(*ledger.Memory, contracttest.Entry) {})
	want, got := f.State.Entries(), state.Entries()
	equal(t, len(want), len(got))
	for i := range want {
		equal(t, string(want[i].Value), string(got[i].Value))
	}
}
