package round

import (
	"fmt"
	"strings"

	"fedledger/chaincode/errcode"
)

// Phase is where an attempt of a round stands.
type Phase string

// The phases. Open is the drawing of the cohort inside OpenRound; a round is Keys as soon as it exists.
const (
	PhaseOpen    Phase = "Open"
	PhaseKeys    Phase = "Keys"    // members publish two fresh public keys
	PhaseShares  Phase = "Shares"  // U1, those with keys, deal shares of their secrets
	PhaseUpdates Phase = "Updates" // U2, those with shares, train and commit masked updates
	PhaseUnmask  Phase = "Unmask"  // the survivors are frozen; U2 reveals what removes the masks
	PhaseAttest  Phase = "Attest"  // a survivor proposes the result, organisations attest to it
	Final        Phase = "Final"   // the result stands
	Void         Phase = "Void"    // the attempt is over without a result
)

// Transition is one line of the state machine. Of the lines of a phase the first whose condition holds is taken.
type Transition struct {
	From    Phase
	Command string
	When    string
	To      Phase
	Code    errcode.Code              // the reason that a void attempt records
	holds   func(facts) (bool, error) // a predicate: facts hold no way to write
	do      func(*advance) error      // what changes; nil where To is Void: (*advance).void
}

// Transitions is the whole machine; docs/life-of-a-round.md is drawn from it. A deadline only allows moving on: it never
// shuts out a transaction that reaches its phase. In version 2 of the rules a phase that flows (flow.go) leads on without the
// command where all are there. Who has dropped out (dropout.go) is not waited for.
func Transitions() []Transition {
	const command = "Advance"
	return []Transition{
		{PhaseOpen, "OpenRound", "a cohort can be drawn", PhaseKeys, "", nil, nil},
		{PhaseKeys, command, "nobody is waited for or deadline, keys of fewer than max(t, survivor_min)", Void, errcode.VoidTooFewKeys, facts.tooFew, nil},
		{PhaseKeys, command, "all keys are there, or deadline", PhaseShares, "", facts.complete, (*advance).startShares},
		{PhaseShares, command, "nobody is waited for or deadline, shares of fewer than max(t, survivor_min)", Void, errcode.VoidTooFewShares, facts.tooFew, nil},
		{PhaseShares, command, "all shares are there, or deadline", PhaseUpdates, "", facts.complete, (*advance).startUpdates},
		{PhaseUpdates, command, "too many complain of one dealer, or one too long without its answer", Void, errcode.VoidBadSeals, facts.badSeals, nil},
		{PhaseUpdates, command, "nobody is waited for or deadline, fewer than max(t, survivor_min) survivors", Void, errcode.VoidTooFewSurvivors, facts.tooFew, nil},
		{PhaseUpdates, command, "survivors of too few organisations, or too few without one", Void, errcode.VoidDominance, facts.dominated, nil},
		{PhaseUpdates, command, "too few groups with enough survivors for the faulty ones", Void, errcode.VoidTooFewGroups, facts.tooFewGroups, nil},
		{PhaseUpdates, command, "one survivor holds too large a share of the examples", Void, errcode.VoidShareLimit, facts.overShareLimit, nil},
		{PhaseUpdates, command, "too small a difference on one base state", Void, errcode.VoidDifferencing, facts.differencing, nil},
		{PhaseUpdates, command, "strict, too small a difference in the epoch", Void, errcode.VoidExposure, facts.exposing, nil},
		{PhaseUpdates, command, "more distinct sums of an organisation's than the epoch's budget", Void, errcode.VoidOverBudget, facts.overBudget, nil},
		{PhaseUpdates, command, "all updates are there, or deadline", PhaseUnmask, "", facts.complete, (*advance).freeze},
		{PhaseUnmask, command, "shares rebuild no secret that fits", Void, errcode.VoidBadDealer, facts.badDealer, nil},
		{PhaseUnmask, command, "deadline, a secret lacks shares", Void, errcode.VoidNotUnmaskable, facts.notUnmaskable, nil},
		{PhaseUnmask, command, "all survivors revealed, or deadline", PhaseAttest, "", facts.unmaskable, (*advance).startAttest},
		{PhaseAttest, command, "a majority of organisations agrees", Final, "", facts.agreed, (*advance).finish},
		{PhaseAttest, command, "a majority of organisations finds no state after the sum", Void, errcode.VoidNoState, facts.barren, nil},
		{PhaseAttest, command, "a majority disagrees, all attested without a majority, or late", PhaseAttest, "", facts.passedOver, (*advance).passOn},
		{PhaseAttest, "ReportFault", "the sum or an update is proven garbage", Void, errcode.VoidGarbage, nil, nil},
	}
}

// Diagram draws the machine in Mermaid. A vote to stop or roll back voids from every phase before Final.
func Diagram() string {
	var out strings.Builder
	out.WriteString("stateDiagram-v2\n    [*] --> Open\n")
	for _, t := range Transitions() {
		label := t.Command + ", if " + t.When // Mermaid ends a label at a second colon
		if flows(t.From) && t.To != Void {
			label += " (version 2 – none where all are there)"
		}
		if t.Code != "" {
			label += " (" + string(t.Code) + ")"
		}
		_, _ = fmt.Fprintf(&out, "    %s --> %s : %s\n", t.From, t.To, label)
	}
	out.WriteString("    Final --> [*]\n    Void --> [*]\n")
	return out.String()
}
