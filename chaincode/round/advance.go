package round

import (
	"slices"

	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
)

// AdvanceResponse tells where the round is and whether this transaction moved it.
type AdvanceResponse struct {
	Phase Phase `json:"phase"`
	Moved bool  `json:"moved"`
}

// Advance moves a round on where its phase is over. Anyone of the consortium may send it; a round that has moved already
// is no error. It reads the phase's records as a range, so that one which arrives at the same time is not lost unseen.
func Advance(s ledger.State, env ledger.Env, req Ref) (AdvanceResponse, ledger.Event, error) {
	none := ledger.Event{}
	if err := governance.CheckMember(s, env); err != nil {
		return AdvanceResponse{}, none, err
	}
	round, status, err := load(s, req)
	if err != nil {
		return AdvanceResponse{}, none, err
	}
	env.TimeMS = max(env.TimeMS, began(round, status))
	turn := &turn{state: s, env: env, round: round, status: status}
	for _, transition := range Transitions() {
		if transition.From != status.Phase || transition.holds == nil {
			continue
		}
		holds, err := transition.holds(turn)
		if err != nil {
			return AdvanceResponse{}, none, err
		}
		if holds {
			event, err := turn.take(transition)
			return AdvanceResponse{transition.To, true}, event, err
		}
	}
	return AdvanceResponse{status.Phase, false}, happened("NotMoved", req, status.Phase), nil
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

// turn is one Advance: the round as it stands and what its members have put on the ledger in the present phase.
type turn struct {
	state    ledger.State
	env      ledger.Env
	round    Round
	status   Status
	arrived  []string
	read     bool
	updates  map[string]Update
	reveals  map[string]Reveal
	seeds    [][]byte
	lacking  bool
	badNames []string
	silent   []string

	answersDue bool // a dealer may still answer a complaint that matters
}

func (t *turn) take(transition Transition) (ledger.Event, error) {
	if transition.To == Void {
		return happened("RoundVoid", t.round.Ref, Void), t.void(string(transition.Code))
	}
	t.status.Phase = transition.To
	if err := transition.do(t); err != nil {
		return ledger.Event{}, err
	}
	name := "PhaseMoved"
	if transition.To == Final {
		name = "RoundFinal"
	}
	return happened(name, t.round.Ref, transition.To), putStatus(t.state, t.round.Ref, t.status)
}

// expected are those whose records end the present phase when all are there.
func (t *turn) expected() []string {
	switch t.status.Phase {
	case PhaseKeys:
		return t.round.Names()
	case PhaseShares:
		return t.status.U1
	case PhaseUpdates:
		return t.status.U2
	default:
		return t.status.Survivors
	}
}

func (t *turn) late() bool { return t.env.TimeMS >= t.status.DeadlineMS }

// gather reads who of those expected has arrived in the present phase.
func (t *turn) gather() error {
	if t.read {
		return nil
	}
	var err error
	switch t.status.Phase {
	case PhaseKeys:
		err = arrive[Keys](t, "keys", nil)
	case PhaseShares:
		err = arrive[Shares](t, "shares", nil)
	case PhaseUpdates:
		err = arrive(t, "update", &t.updates)
	default:
		err = arrive(t, "reveal", &t.reveals)
	}
	t.read = err == nil
	return err
}

func arrive[T any](t *turn, kind string, keep *map[string]T) error {
	records, err := byMember[T](t.state, t.round.Ref, kind)
	t.arrived = present(t.expected(), records)
	if keep != nil {
		*keep = records
	}
	return err
}

// complete holds where a phase is over: no survivors are frozen while a dealer's answer is awaited.
func (t *turn) complete() (bool, error) {
	err := t.gather()
	return (t.late() || len(t.arrived) == len(t.expected())) && !t.answersDue, err
}

// tooFew holds where the phase is over below the floor max(t, survivor_min).
func (t *turn) tooFew() (bool, error) {
	over, err := t.complete()
	return over && len(t.arrived) < t.round.floor(), err
}

func (t *turn) startShares() error {
	t.status.U1, t.status.DeadlineMS = t.arrived, t.env.TimeMS+t.round.Parameters.SharesMS
	return nil
}

func (t *turn) startUpdates() error {
	t.status.U2, t.status.DeadlineMS = t.arrived, t.env.TimeMS+t.round.Parameters.UpdatesMS
	return nil
}

// agreed holds where a majority of the active organisations attests to the proposed state.
func (t *turn) agreed() (bool, error) {
	if !t.status.Open {
		return false, nil
	}
	found, err := verdicts(t.state, t.round.Ref, t.status.Number)
	t.status.DeviationE9 = found.deviation
	return err == nil && found.carried(), err
}

// refuted holds where a majority can no longer agree, or has not in time.
func (t *turn) refuted() (bool, error) {
	if !t.status.Open {
		return false, nil
	}
	found, err := verdicts(t.state, t.round.Ref, t.status.Number)
	return t.late() || found.lost(), err
}

// passOn closes the proposal; the next in the drawn order may propose at once.
func (t *turn) passOn() error {
	proposed, _, err := ledger.Load[Proposed](t.state, t.round.key("proposed", ledger.Number(t.status.Number)))
	if err != nil {
		return err
	}
	order := aggregators(t.round, t.status)
	t.status.Open, t.status.DeviationE9 = false, 0
	t.status.Turn = Turn{(slices.Index(order, proposed.Proposer) + 1) % len(order), t.env.TimeMS}
	t.status.DeadlineMS = t.env.TimeMS + t.round.Parameters.AggregatorLeaseMS
	found, err := verdicts(t.state, t.round.Ref, proposed.Number)
	if err != nil || !found.lost() {
		return err
	}
	return t.flag(proposed.Proposer, FlagRefuted, describe("proposal %d: %d of %d organisations computed another state",
		proposed.Number, found.disagree, found.voters))
}
