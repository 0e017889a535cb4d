package round

import (
	"slices"
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

// GetLineage follows a training's state back to the plan's initial one.
func GetLineage(s ledger.State, id string) (Lineage, error) {
	training, err := GetTraining(s, id)
	if err != nil {
		return Lineage{}, err
	}
	plan, err := LoadPlan(s, training.Plan)
	if err != nil {
		return Lineage{}, err
	}
	lineage := Lineage{id, plan.Plan, plan.InitialState, training.Head.State, []Step{}}
	for at := training.Head.Round; at != 0; {
		round, status, err := finalAttempt(s, id, at)
		if err != nil {
			return lineage, err
		}
		proposed, _, err := ledger.Load[Proposed](s, round.key("proposed", ledger.Number(status.Number)))
		if err != nil {
			return lineage, err
		}
		lineage.Steps = append(lineage.Steps, Step{
			round.Ref, round.BaseState, status.State, status.Survivors, proposed.Metrics, proposed.Examples,
		})
		at = round.Parent
	}
	slices.Reverse(lineage.Steps)
	return lineage, nil
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
