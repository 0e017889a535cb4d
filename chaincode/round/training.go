package round

import (
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/selection"
)

// Training is a series of rounds on one plan. Only OpenRound and votes write it: how a round ended stands with the round,
// and the next OpenRound takes it over.
type Training struct {
	Training string `json:"training"`
	Plan     string `json:"plan"`
	// Rounds is how many steps the training was voted. Invariant: Head.Depth <= Rounds.
	Rounds uint64 `json:"rounds"`
	// Cohort is the wanted size; fewer are drawn where there are fewer.
	Cohort    uint64 `json:"cohort"`
	Stopped   bool   `json:"stopped"`
	StartedMS int64  `json:"started_ms"`
	Head      Head   `json:"head"`
	// Beacon is what the last attempt that was taken over left; before the first, the founders'.
	Beacon string `json:"beacon"`
	// Round and Attempt name the last attempt that was opened. Invariant: both 0 before the first.
	Round   uint64 `json:"round"`
	Attempt uint64 `json:"attempt"`
	// Pending says that the end of that attempt has not been taken over yet.
	Pending bool `json:"pending"`
	// Retry says that the last attempt that was taken over was void, so that the one after it is of the same round. A vote to
	// stop or roll back clears it.
	Retry bool `json:"retry"`
	// Epoch is the present one, 0 before the first round; EpochEnd its last round. A roll back begins a new one earlier.
	Epoch    uint64 `json:"epoch"`
	EpochEnd uint64 `json:"epoch_end"`
	// Snapshots is the newest epoch whose candidates are fixed: the next one that begins. Invariant: Epoch <= Snapshots.
	Snapshots uint64 `json:"snapshots"`
	// AwaitsBeacon says that the next epoch's candidates were fixed by a vote, when everybody knew Beacon: its seed also takes
	// a beacon that the members have made since.
	AwaitsBeacon bool `json:"awaits_beacon"`
	// EpochRounds is the length of an epoch, as voted when the training was started.
	EpochRounds uint64 `json:"epoch_rounds"`
	// NewEpoch says that the next round begins an epoch.
	NewEpoch bool `json:"new_epoch"`
}

// Head is the state that the next round trains from, the round that made it (0: the plan's initial state) and how many
// rounds lie behind it. Invariant: Round is Final, or 0 with Depth 0.
type Head struct {
	Round uint64 `json:"round"`
	State string `json:"state"`
	Depth uint64 `json:"depth"`
}

func trainingKey(id string) string { return ledger.Key("training", id) }

func putTraining(s ledger.State, training Training) error {
	return ledger.Store(s, trainingKey(training.Training), training)
}

// LoadTraining reads a training.
func LoadTraining(s ledger.State, id string) (Training, error) {
	if err := ledger.CheckID("training", id); err != nil {
		return Training{}, err
	}
	training, found, err := ledger.Load[Training](s, trainingKey(id))
	if err == nil && !found {
		err = errcode.New(errcode.UnknownTraining, "%s", id)
	}
	return training, err
}

func (t Training) ref() Ref { return Ref{t.Training, t.Round, t.Attempt} }

type startBody struct {
	Training string `json:"training"`
	Plan     string `json:"plan"`
	Rounds   uint64 `json:"rounds"`
	Cohort   uint64 `json:"cohort"`
}

// Check implements governance.Body.
func (b startBody) Check(parameters governance.Parameters) error {
	if err := ledger.CheckID("training", b.Training); err != nil {
		return err
	}
	if b.Rounds < 1 || b.Rounds > maxRounds {
		return errcode.New(errcode.LimitExceeded, "rounds must be 1 to %d", maxRounds)
	}
	if b.Cohort < parameters.CohortMin || b.Cohort > parameters.MaxCohort {
		return errcode.New(errcode.LimitExceeded, "a cohort has %d to %d participants", parameters.CohortMin, parameters.MaxCohort)
	}
	return ledger.CheckDigest("plan", b.Plan)
}

// StartTraining executes start_training. The candidates of the first epoch are fixed here.
func StartTraining(s ledger.State, env ledger.Env, req startBody) error {
	if _, exists, err := ledger.Load[Training](s, trainingKey(req.Training)); err != nil || exists {
		return either(err, errcode.New(errcode.TrainingExists, "%s", req.Training))
	}
	plan, parameters, err := checkStart(s, req)
	if err != nil {
		return err
	}
	beacon, err := governance.CurrentBeacon(s, env)
	if err != nil {
		return err
	}
	if err := selection.TakeSnapshot(s, env, req.Training, 1, plan.Schema); err != nil {
		return err
	}
	return putTraining(s, Training{
		Snapshots: 1,
		Training:  req.Training, Plan: req.Plan, Rounds: req.Rounds, Cohort: req.Cohort, StartedMS: env.TimeMS,
		Head: Head{State: plan.InitialState}, Beacon: beacon, EpochRounds: parameters.EpochRounds, NewEpoch: true,
	})
}

func checkStart(s ledger.State, req startBody) (Plan, governance.Parameters, error) {
	parameters, err := governance.CurrentParameters(s)
	if err != nil {
		return Plan{}, parameters, err
	}
	plan, err := LoadPlan(s, req.Plan)
	if err != nil {
		return plan, parameters, err
	}
	if plan.Retired {
		return plan, parameters, errcode.New(errcode.PlanRetired, "%s", plan.Plan)
	}
	if plan.Parent != nil && plan.Parent.WithdrawnMS > 0 {
		return plan, parameters, errcode.New(errcode.PassportWithdrawn, "%s took back the model that the plan begins from", plan.Parent.Channel)
	}
	layout, err := parseLayout(plan.Layout)
	if err == nil && layout.CheckCohort(int(req.Cohort)) != nil {
		err = errcode.New(errcode.BadLayout, "%v", layout.CheckCohort(int(req.Cohort)))
	}
	if err == nil {
		err = checkCost(plan, int(req.Cohort), parameters)
	}
	if err == nil {
		err = checkMode(plan, parameters)
	}
	return plan, parameters, err
}

type trainingBody struct {
	Training string `json:"training"`
}

// Check implements governance.Body.
func (b trainingBody) Check(governance.Parameters) error {
	return ledger.CheckID("training", b.Training)
}

// StopTraining executes stop_training: the round in flight is void and none follows.
func StopTraining(s ledger.State, env ledger.Env, req trainingBody) error {
	training, err := LoadTraining(s, req.Training)
	if err != nil {
		return err
	}
	if training.Stopped {
		return errcode.New(errcode.TrainingEnded, "%s has been stopped", training.Training)
	}
	if training, err = interrupt(s, env, training); err != nil {
		return err
	}
	training.Stopped, training.Retry = true, false
	return putTraining(s, training)
}

type rollBackBody struct {
	Training string `json:"training"`
	Round    uint64 `json:"round"`
}

// Check implements governance.Body.
func (b rollBackBody) Check(governance.Parameters) error {
	return ledger.CheckID("training", b.Training)
}

// RollBackTraining executes roll_back_training: the next round trains from the state that an earlier round made (0: the
// initial one), in a new epoch. What came after stays on record but not in the lineage.
//
// Scenario: epoch 2 is to begin with round 6, and its candidates were fixed when round 5 was opened. A member leaves and four
// are too few; a fifth is admitted, and a vote rolls back to the head. The candidates of epoch 3, not 2, are fixed by that
// vote, the fifth among them. Everybody knows the training's beacon by then, and could have staked accordingly: so members
// make a new one by commit and reveal before the next round is opened (FL0114 until then; nodes do it by themselves).
func RollBackTraining(s ledger.State, env ledger.Env, req rollBackBody) error {
	training, err := LoadTraining(s, req.Training)
	if err != nil {
		return err
	}
	if training, err = interrupt(s, env, training); err != nil {
		return err
	}
	plan, err := LoadPlan(s, training.Plan)
	if err != nil {
		return err
	}
	left := training.Head
	if training.Head, err = headAt(s, training, plan, req.Round); err != nil {
		return err
	}
	if err := relink(s, training.Training, left, training.Head); err != nil {
		return err
	}
	training.Retry, training.NewEpoch, training.Stopped = false, true, false
	training.Snapshots, training.AwaitsBeacon = training.Snapshots+1, true
	if err := selection.TakeSnapshot(s, env, training.Training, training.Snapshots, plan.Schema); err != nil {
		return err
	}
	if err := governance.AskForBeacon(s, env); err != nil {
		return err
	}
	return putTraining(s, training)
}

// interrupt takes over how the last round ended, making it void where it has not.
func interrupt(s ledger.State, env ledger.Env, training Training) (Training, error) {
	if !training.Pending {
		return training, nil
	}
	round, status, err := standing(s, training.ref())
	if err != nil {
		return training, err
	}
	if status.Phase != Final && status.Phase != Void {
		change := newAdvance(s, env, round, status)
		if err := change.void(errcode.VoidByVote, culprits{}); err != nil {
			return training, err
		}
		status = change.status
	}
	return training.takeOver(round, status), nil
}

// takeOver moves the head on after a Final and the beacon on after either end.
func (t Training) takeOver(round Round, status Status) Training {
	t.Pending, t.Beacon, t.Retry = false, status.Beacon, status.Phase == Void
	if status.Phase == Final {
		t.Head = Head{round.Round, status.State, round.Depth}
	}
	return t
}
