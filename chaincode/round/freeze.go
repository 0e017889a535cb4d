package round

import (
	"math/bits"
	"slices"

	"fedledger/chaincode/ledger"
)

// Frozen is a set of survivors whose sum counts as published from its freeze on.
type Frozen struct {
	Ref
	Epoch     uint64     `json:"epoch"`
	BaseState string     `json:"base_state"`
	Survivors []string   `json:"survivors"`
	Exposure  []Exposure `json:"exposure"`
}

// Exposure is the size of the smallest difference between this set and an earlier one of the epoch that holds the
// participant: the sum of so many updates can be told apart approximately.
type Exposure struct {
	Participant string `json:"participant"`
	Difference  int    `json:"difference"`
}

// dominated holds where an organisation has several survivors and too few remain without them, or where the survivors
// belong to fewer than three organisations.
func (t *turn) dominated() (bool, error) {
	over, err := t.complete()
	if err != nil || !over {
		return false, err
	}
	own := map[string]int{}
	for _, id := range t.arrived {
		own[t.round.member(id).MSPID]++
	}
	for _, msp := range sortedNames(own) {
		if own[msp] >= t.round.Threshold || own[msp] > 1 && len(t.arrived)-own[msp] < int(t.round.Parameters.SurvivorMin) {
			return true, nil
		}
	}
	return false, nil
}

// overShareLimit holds where the rest would lie open beside one survivor (T28).
func (t *turn) overShareLimit() (bool, error) {
	over, err := t.complete()
	if err != nil || !over {
		return false, err
	}
	total, largest := uint64(0), uint64(0)
	for _, id := range t.arrived {
		total, largest = total+t.updates[id].Examples, max(largest, t.updates[id].Examples)
	}
	return exceeds(largest, total, t.round.Parameters.ShareLimitPPM), nil
}

// exceeds says whether part is more than so many ppm of whole. Counts of rows may be so large that the products need 128 bits.
func exceeds(part, whole, ppm uint64) bool {
	high, low := bits.Mul64(part, 1_000_000)
	limitHigh, limitLow := bits.Mul64(whole, ppm)
	return high > limitHigh || high == limitHigh && low > limitLow
}

// differencing holds where the survivors differ from a set frozen on the same base state by more than none and fewer than
// survivor_difference_min, participants blamed with proof aside (T12, T13).
func (t *turn) differencing() (bool, error) {
	over, err := t.complete()
	if err != nil || !over || t.round.Lifted {
		return false, err
	}
	sets, err := ledger.List[Frozen](t.state, "base", t.round.BaseState)
	if err != nil {
		return false, err
	}
	for _, item := range sets {
		blamed, err := t.proven(item.Record)
		if err != nil {
			return false, err
		}
		difference := len(without(symmetric(t.arrived, item.Record.Survivors), blamed))
		if difference > 0 && difference < int(t.round.Parameters.SurvivorDifferenceMin) {
			return true, nil
		}
	}
	return false, nil
}

// proven lists who was blamed with proof in the attempt that froze the set.
func (t *turn) proven(set Frozen) ([]string, error) {
	blames, err := ledger.List[Blame](t.state, "blame", set.Training, ledger.Number(set.Epoch))
	blamed := []string{}
	for _, item := range blames {
		if item.Record.Proven && item.Record.Ref == set.Ref {
			blamed = append(blamed, item.Parts[2])
		}
	}
	return blamed, err
}

func symmetric(a, b []string) []string {
	return append(without(a, b), without(b, a)...)
}

// exposures compares the survivors with every set frozen in the epoch (T27).
func (t *turn) exposures() ([]Exposure, error) {
	sets, err := ledger.List[Frozen](t.state, "frozen", t.round.Training, ledger.Number(t.round.Epoch))
	if err != nil {
		return nil, err
	}
	smallest := map[string]int{}
	for _, item := range sets {
		difference := symmetric(t.arrived, item.Record.Survivors)
		for _, id := range difference {
			if least, seen := smallest[id]; !seen || len(difference) < least {
				smallest[id] = len(difference)
			}
		}
	}
	exposures := []Exposure{}
	for _, id := range sortedNames(smallest) {
		exposures = append(exposures, Exposure{id, smallest[id]})
	}
	return exposures, nil
}

func (t *turn) exposed() ([]Exposure, error) {
	exposures, err := t.exposures()
	return slices.DeleteFunc(exposures, func(exposure Exposure) bool {
		return exposure.Difference >= int(t.round.Parameters.SurvivorDifferenceMin)
	}), err
}

func (t *turn) exposing() (bool, error) {
	over, err := t.complete()
	if err != nil || !over || t.round.Parameters.StrictDifferencing == 0 || t.round.Lifted {
		return false, err
	}
	exposed, err := t.exposed()
	return len(exposed) > 0, err
}

// freeze fixes the survivors for good: every committed update, no more and no fewer (T14).
func (t *turn) freeze() error {
	t.status.Survivors, t.status.DeadlineMS = t.arrived, t.env.TimeMS+t.round.Parameters.UnmaskMS
	exposures, err := t.exposures()
	if err != nil {
		return err
	}
	frozen := Frozen{t.round.Ref, t.round.Epoch, t.round.BaseState, t.status.Survivors, exposures}
	epoch := []string{t.round.Training, ledger.Number(t.round.Epoch), ledger.Number(t.round.Round), ledger.Number(t.round.Attempt)}
	if err := ledger.Store(t.state, ledger.Key("frozen", epoch...), frozen); err != nil {
		return err
	}
	return ledger.Store(t.state, ledger.Key("base", append([]string{t.round.BaseState}, t.round.parts()...)...), frozen)
}
