package round

import (
	"slices"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

// standing loads a round as it stands. From version 2 of the rules on a phase of Keys, Shares or Unmask in which everybody has
// spoken or dropped out is over: what comes next is accepted without an Advance between, which would cost a transaction and a block. The
// record of the phase follows with the next transaction that writes it: the freeze, the last words of Unmask where they are
// carried, else the first proposal, or an end.
//
// Where somebody is missing an Advance moves the round after the deadline, as in version 1. Updates always ends with one: the
// freeze is what every reveal depends on, so it is a record before the first of them. The result is one too.
//
// Scenario: all four members have published keys, in one block. Now a commits its shares. Its endorsers read the phase, Keys, and
// the range of keys, find everybody's, and hold the round to be in Shares since the last of them. No key can be added or changed:
// what they read stays so until the transaction is committed.
func standing(s ledger.State, ref Ref) (Round, Status, error) {
	return flowing(s, ref, "")
}

// flowing is standing up to a phase: what speaks in a phase must not read who else has spoken in it, or all that speak at once
// would conflict.
func flowing(s ledger.State, ref Ref, until Phase) (Round, Status, error) {
	round, status, err := load(s, ref)
	if err != nil {
		return round, status, err
	}
	status, err = flown(s, round, status, until)
	return round, status, err
}

// flown returns the status that a recorded one stands for, up to a phase.
func flown(s ledger.Reader, round Round, status Status, until Phase) (Status, error) {
	if !differ(round.Rules).flows {
		return status, nil
	}
	for status.Phase != until {
		next, over, err := flow(s, round, status)
		if err != nil || !over {
			return status, err
		}
		status = next
	}
	return status, nil
}

// flow returns the status after a phase in which everybody has spoken: what Advance would have made of it at the moment of the
// last word. over is false where the phase is not over so, or leads to an end: that is an Advance's to record.
func flow(s ledger.Reader, round Round, status Status) (next Status, over bool, err error) {
	if !flows(status.Phase) {
		return status, false, nil
	}
	said, err := readArrivals(s, round, status)
	if err != nil || said.waits {
		return status, false, err
	}
	change := &advance{round: round, status: status, facts: factsOf(s, round, status, said.lastMS)} // without a state: it cannot write
	change.env.TimeMS = said.lastMS
	transition, found, err := change.facts.first(Transitions())
	if err != nil || !found || transition.To == Void {
		return status, false, err
	}
	change.status.Phase = transition.To
	return change.status, true, transition.do(change)
}

// flows says of a phase that it may be over without an Advance.
func flows(phase Phase) bool {
	return phase == PhaseKeys || phase == PhaseShares || phase == PhaseUnmask
}

// inPhase loads a round that must be in this phase. Reading the phase is what kills a transaction that commits late.
func inPhase(s ledger.State, ref Ref, phase Phase) (Round, Status, error) {
	round, status, err := flowing(s, ref, phase)
	if err == nil && status.Phase != phase {
		err = wrongPhase(ref, status.Phase, phase)
	}
	return round, status, err
}

func wrongPhase(ref Ref, is, wanted Phase) error {
	return errcode.New(errcode.WrongPhase, "round %d, attempt %d is in phase %s, not %s", ref.Round, ref.Attempt, is, wanted)
}

// checkStill refuses a member that nobody waits for in Unmask once all survivors have revealed. A survivor that has not revealed
// need not be asked: it is waited for. So only dropouts, who reveal too, read what others say at the same time.
func checkStill(s ledger.State, round Round, status Status, id string) error {
	if !differ(round.Rules).flows || slices.Contains(status.Survivors, id) {
		return nil
	}
	next, over, err := flow(s, round, status)
	if err == nil && over {
		err = wrongPhase(round.Ref, next.Phase, status.Phase)
	}
	return err
}

// word is what is kept of when somebody spoke in the present phase; version 1 keeps nothing.
func word(env ledger.Env, round Round, status Status) Word {
	if !differ(round.Rules).flows {
		return Word{}
	}
	return Word{max(env.TimeMS, began(round, status))}
}
