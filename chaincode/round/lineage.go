package round

import (
	"strconv"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/rewards"
)

// Step is one round in a model's lineage.
type Step struct {
	Ref
	BaseState string            `json:"base_state"`
	State     string            `json:"state"`
	Survivors []string          `json:"survivors"`
	Metrics   map[string]string `json:"metrics"`
	Examples  uint64            `json:"examples"`
}

// Lineage is how a training's present state came about, oldest step first.
type Lineage struct {
	Training     string `json:"training"`
	Plan         string `json:"plan"`
	InitialState string `json:"initial_state"`
	State        string `json:"state"`
	Steps        []Step `json:"steps"`
}

// TrainingView is a training with the state that its next round will train from.
type TrainingView struct {
	Training
	Finished bool `json:"finished"`
}

// GetTraining returns a training as the next OpenRound would find it.
func GetTraining(s ledger.State, id string) (TrainingView, error) {
	training, err := LoadTraining(s, id)
	if err != nil {
		return TrainingView{}, err
	}
	if training, err = current(s, training); err != nil {
		return TrainingView{}, err
	}
	return TrainingView{training, training.Head.Depth >= training.Rounds}, nil
}

// current takes over how the last round ended, if it has.
func current(s ledger.State, training Training) (Training, error) {
	if !training.Pending {
		return training, nil
	}
	round, status, err := load(s, training.ref())
	if err != nil || status.Phase != Final && status.Phase != Void {
		return training, err
	}
	return training.takeOver(round, status), nil
}

// GetLineage returns a training's lineage without its steps, and how many there are.
func GetLineage(s ledger.State, id string) (Lineage, uint64, error) {
	training, err := GetTraining(s, id)
	if err != nil {
		return Lineage{}, 0, err
	}
	plan, err := LoadPlan(s, training.Plan)
	return Lineage{id, plan.Plan, plan.InitialState, training.Head.State, []Step{}}, training.Head.Depth, err
}

func stepKey(training string, depth uint64) string {
	return ledger.Key("step", training, ledger.Number(depth))
}

// StepAt returns the step of a depth, from 1 to the number of steps.
func StepAt(s ledger.State, training string, depth uint64) (Step, error) {
	ref, _, err := ledger.Load[Ref](s, stepKey(training, depth))
	if err != nil {
		return Step{}, err
	}
	round, status, err := load(s, ref)
	if err != nil {
		return Step{}, err
	}
	proposed, _, err := ledger.Load[Proposed](s, round.key("proposed", ledger.Number(status.Number)))
	return Step{round.Ref, round.BaseState, status.State, status.Survivors, proposed.Metrics, proposed.Examples}, err
}

// relink makes the steps lead to another head.
//
// Invariant: the steps of depth 1 to the head's are those that lead to it; what lies deeper is of a lineage that was left. So from
// the old head's depth on down, where a step is right all before it are.
func relink(s ledger.State, training string, old, head Head) error {
	for at, depth := head.Round, head.Depth; at != 0; depth-- {
		round, _, err := finalAttempt(s, training, at)
		if err != nil {
			return err
		}
		known, _, err := ledger.Load[Ref](s, stepKey(training, depth))
		if err != nil || depth <= old.Depth && known == round.Ref {
			return err
		}
		if err := ledger.Store(s, stepKey(training, depth), round.Ref); err != nil {
			return err
		}
		at = round.Parent
	}
	return nil
}

func headAt(s ledger.State, training Training, plan Plan, number uint64) (Head, error) {
	if number == 0 {
		return Head{State: plan.InitialState}, nil
	}
	round, status, err := finalAttempt(s, training.Training, number)
	if err != nil {
		return Head{}, err
	}
	return Head{number, status.State, round.Depth}, nil
}

// finalAttempt loads the attempt of a round that ended Final.
func finalAttempt(s ledger.State, training string, number uint64) (Round, Status, error) {
	statuses, err := ledger.List[Status](s, "phase", training, ledger.Number(number))
	if err != nil {
		return Round{}, Status{}, err
	}
	if last := len(statuses) - 1; last >= 0 && statuses[last].Record.Phase == Final {
		return load(s, Ref{training, number, uint64(last + 1)})
	}
	return Round{}, Status{}, errcode.New(errcode.UnknownRound, "round %d of %s is not Final", number, training)
}

// CheckEnded refuses a round that has not ended for good: Final, or void with nothing to follow.
func CheckEnded(s ledger.State, id string, round uint64) error {
	ref, err := Resolve(s, Ref{id, max(1, round), 0})
	if err != nil {
		return err
	}
	_, status, err := load(s, ref)
	if err != nil {
		return err
	}
	training, err := LoadTraining(s, id)
	if err != nil {
		return err
	}
	abandoned := status.Phase == Void && (training.Round > ref.Round || !training.Pending && !training.Retry)
	if status.Phase != Final && !abandoned {
		return errcode.New(errcode.NotSettleable, "round %d of %s is in phase %s", round, id, status.Phase)
	}
	return nil
}

// Release ends what ties the members of a settled round's attempts, and their stakes, to it.
func Release(s ledger.State, training string, number uint64) error {
	attempts, err := ledger.List[Round](s, "round", training, ledger.Number(number))
	if err != nil {
		return err
	}
	for _, item := range attempts {
		for _, id := range item.Record.Names() {
			if err := rewards.Release(s, training, number, item.Record.Attempt, id); err != nil {
				return err
			}
		}
	}
	return nil
}

func number(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		panic("round: internal error: key without number")
	}
	return n
}
