package round

import (
	"slices"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
)

// AdvanceResponse tells where the round is and whether this transaction moved it.
type AdvanceResponse struct {
	Phase Phase `json:"phase"`
	Moved bool  `json:"moved"`
}

// AdvanceRequest is the argument of Advance.
type AdvanceRequest struct {
	Ref
	// From is the phase that the sender wants to end; version 1 of the rules knows none.
	//
	// Scenario: orderers stood still, and the last keys come after the phase's deadline. The sender's peer has not seen them, so it
	// ends Keys. Its endorsers have: by the keys' own times Shares is over too, and without From they would end that.
	From Phase `json:"from,omitempty"`
}

// recorded is the phase whose end is written down though everybody has spoken in it: that of Unmask, since whoever looks at a
// round that is over unrecorded rebuilds all secrets to see that it is. Of Keys and Shares it takes no more than their records, and
// a write of the phase would conflict with all who speak in the next.
func (r AdvanceRequest) recorded() Phase {
	if r.From == PhaseUnmask {
		return PhaseUnmask
	}
	return ""
}

// Advance moves a round on where its phase is over. Anyone of the consortium may send it; a round that has moved already
// is no error. It reads the phase's records as a range, so that one which arrives at the same time is not lost unseen.
//
// Scenario: a deadline allows, it does not forbid. Keys ends at 8 s; a, b and c have published. At 9 s d publishes: nothing
// has moved the round yet, so d's keys count. An Advance at 10 s finds all four. Had one at 8 s been committed first, d would
// be refused (FL0408). Had both been endorsed before either was committed, the second in the block would conflict: a late
// Advance because the range that it read has grown, a late record because the phase that it read has changed.
func Advance(s ledger.State, env ledger.Env, req AdvanceRequest) (AdvanceResponse, ledger.Event, error) {
	return advanceBy(Transitions(), s, env, req)
}

func advanceBy(table []Transition, s ledger.State, env ledger.Env, req AdvanceRequest) (AdvanceResponse, ledger.Event, error) {
	none := ledger.Event{}
	if err := governance.CheckMember(s, env); err != nil {
		return AdvanceResponse{}, none, err
	}
	round, status, err := flowing(s, req.Ref, req.recorded())
	if err != nil {
		return AdvanceResponse{}, none, err
	}
	if req.From != "" && !differ(round.Rules).flows {
		return AdvanceResponse{}, none, errcode.New(errcode.BadArgument, "the round follows version %d of the rules, which knows no from", round.Rules)
	}
	if req.From != "" && req.From != status.Phase {
		return AdvanceResponse{status.Phase, false}, happened("NotMoved", round.Ref, status.Phase), nil
	}
	env.TimeMS = max(env.TimeMS, began(round, status))
	return newAdvance(s, env, round, status).walk(table)
}

// began is when the present phase, or the open proposal, began. No transition counts from an earlier time: within a round
// time does not run back, and a sender whose clock is behind takes nothing from anybody's phase.
func began(round Round, status Status) int64 {
	switch parameters := round.Parameters; {
	case status.Phase == PhaseKeys:
		return status.DeadlineMS - parameters.KeysMS
	case status.Phase == PhaseShares:
		return status.DeadlineMS - parameters.SharesMS
	case status.Phase == PhaseUpdates:
		return status.DeadlineMS - parameters.UpdatesMS
	case status.Phase == PhaseUnmask:
		return status.DeadlineMS - parameters.UnmaskMS
	case status.Open:
		return status.DeadlineMS - parameters.AttestMS
	default:
		return status.Turn.FromMS
	}
}

// advance is a change of a round: what the ledger says of it, and where the change is written to.
type advance struct {
	state  ledger.State
	env    ledger.Env
	round  Round
	status Status // as it will be stored; facts hold it as it was
	facts  facts
}

func newAdvance(s ledger.State, env ledger.Env, round Round, status Status) *advance {
	return &advance{s, env, round, status, factsOf(ledger.ReadOnly(s), round, status, env.TimeMS)}
}

// walk takes the first line of the table whose condition holds.
func (a *advance) walk(table []Transition) (AdvanceResponse, ledger.Event, error) {
	transition, found, err := a.facts.first(table)
	if err != nil {
		return AdvanceResponse{}, ledger.Event{}, err
	}
	if !found {
		return AdvanceResponse{a.status.Phase, false}, happened("NotMoved", a.round.Ref, a.status.Phase), nil
	}
	event, err := a.take(transition)
	return AdvanceResponse{transition.To, true}, event, err
}

// first returns the first line of the present phase whose condition holds.
func (f facts) first(table []Transition) (line Transition, found bool, err error) {
	for _, transition := range table {
		if transition.From != f.status.Phase || transition.holds == nil {
			continue
		}
		if holds, err := transition.holds(f); err != nil || holds {
			return transition, holds, err
		}
	}
	return Transition{}, false, nil
}

func (a *advance) take(transition Transition) (ledger.Event, error) {
	if transition.To == Void {
		found, err := a.facts.culprits(transition.Code)
		if err != nil {
			return ledger.Event{}, err
		}
		return happened("RoundVoid", a.round.Ref, Void), a.void(transition.Code, found)
	}
	a.status.Phase = transition.To
	if err := transition.do(a); err != nil {
		return ledger.Event{}, err
	}
	name := "PhaseMoved"
	if transition.To == Final {
		name = "RoundFinal"
	}
	return happened(name, a.round.Ref, transition.To), putStatus(a.state, a.round.Ref, a.status)
}

func (a *advance) startShares() error {
	found, err := a.facts.arrivals()
	a.status.U1, a.status.DeadlineMS = found.names, a.env.TimeMS+a.round.Parameters.SharesMS
	return err
}

func (a *advance) startUpdates() error {
	found, err := a.facts.arrivals()
	a.status.U2, a.status.DeadlineMS = found.names, a.env.TimeMS+a.round.Parameters.UpdatesMS
	return err
}

// passOn closes the proposal; the next in the drawn order may propose at once. The proposer is at fault only where a majority
// computed something else: there is an honest organisation in it.
//
// Scenario: the order is a, b, c, d, the lease 10 s. a lets its lease pass, so b may propose too, and does. The proposal is
// passed over at 20 s: the turn is c's at once, d's too from 30 s on, a's too from 40 s on. b has had its proposal and
// comes again after them, from 50 s on.
func (a *advance) passOn() error {
	proposed, _, err := ledger.Load[Proposed](a.state, a.round.key("proposed", ledger.Number(a.status.Number)))
	if err != nil {
		return err
	}
	order := aggregators(a.round, a.status)
	a.status.Open = false
	a.status.Turn = Turn{(slices.Index(order, proposed.Proposer) + 1) % len(order), a.env.TimeMS}
	a.status.DeadlineMS = a.env.TimeMS + a.round.Parameters.AggregatorLeaseMS
	found, err := a.facts.verdicts()
	if err != nil || !found.refuted() {
		return err
	}
	return a.flag(proposed.Proposer, FlagRefuted, describe("proposal %d: %d of %d organisations computed another state",
		proposed.Number, found.disagree, found.voters))
}
