package round

import (
	"math/bits"
	"slices"

	"fedledger/chaincode/ledger"
	"fedledger/chaincode/selection"
)

// Frozen is a set of survivors whose sum counts as published from its freeze on, however the attempt ends: shares that were
// revealed, or are later, may unmask it. It is stored twice, by base state and by epoch, and never changed.
type Frozen struct {
	Ref
	Epoch     uint64 `json:"epoch"`
	BaseState string `json:"base_state"`
	// Survivors are in cohort order. Invariant: the attempt's Status.Survivors.
	Survivors []string `json:"survivors"`
	// Exposure is against the sets that the epoch had frozen before. Invariant: at most one entry for a participant, sorted by
	// participant.
	Exposure []Exposure `json:"exposure"`
	// Groups are the survivors of each group, empty where it stays closed. Invariant: absent where the cohort has one sum.
	Groups [][]string `json:"groups,omitempty"`
}

// Exposure says of a participant that is in one of two sets and not in the other, by how many participants the two differ:
// the sum of so many updates can be told apart, approximately where the base states differ.
type Exposure struct {
	Participant string `json:"participant"`
	// Difference is the smallest among the epoch's earlier sets. Invariant: at least 1, the participant itself.
	Difference int `json:"difference"`
}

// dominated holds where an organisation has several survivors and too few remain without them, or where the survivors
// belong to fewer than three organisations.
func (f facts) dominated() (bool, error) {
	found, over, err := f.over()
	if err != nil || !over {
		return false, err
	}
	own := f.round.organisations(found.names)
	for _, msp := range sortedNames(own) {
		if own[msp] >= f.round.Threshold || own[msp] > 1 && len(found.names)-own[msp] < int(f.round.Parameters.SurvivorMin) {
			return true, nil
		}
	}
	return len(own) < selection.MinOrganisations, nil
}

// overShareLimit holds where the rest would lie open beside one survivor (T28).
func (f facts) overShareLimit() (bool, error) {
	found, over, err := f.over()
	if err != nil || !over {
		return false, err
	}
	total, largest := uint64(0), uint64(0)
	for _, id := range found.names {
		total, largest = total+found.updates[id].Examples, max(largest, found.updates[id].Examples)
	}
	return exceeds(largest, total, f.round.Parameters.ShareLimitPPM), nil
}

// exceeds says whether part is more than so many ppm of whole. Counts of rows may be so large that the products need 128 bits.
func exceeds(part, whole, ppm uint64) bool {
	high, low := bits.Mul64(part, 1_000_000)
	limitHigh, limitLow := bits.Mul64(whole, ppm)
	return high > limitHigh || high == limitHigh && low > limitLow
}

// differencing holds where the survivors differ from a set frozen on the same base state by more than none and fewer than
// survivor_difference_min, participants blamed with proof on that base state aside (T12, T13).
//
// Scenario: a, b, c and d are frozen, and the attempt is void because too few reveal. In the next one d drops out. Both would
// train from the same base state, so the two sums would differ by d's update alone: void before anything is revealed. Three
// ways lead on: d comes back, for the same survivors may be summed again; so many leave that the sets differ by
// survivor_difference_min, which the smallest cohort has not to spare; or a vote lifts the rule for one attempt. Had d been
// proven at fault in the first attempt, d would not count, and a, b and c could be summed at once.
func (f facts) differencing() (bool, error) {
	if over, err := f.complete(); err != nil || !over || f.round.Lifted {
		return false, err
	}
	differences, err := f.differences()
	return slices.ContainsFunc(differences, func(difference int) bool {
		return difference > 0 && difference < int(f.round.Parameters.SurvivorDifferenceMin)
	}), err
}

// readDifferences compares what is summed with every set frozen on the same base state: by how many participants, those
// excused aside.
func readDifferences(s ledger.Reader, round Round, committed []string) ([]int, error) {
	sets, excused, err := frozenOn(s, round.BaseState)
	differences, opened := []int{}, round.opening(committed)
	for _, set := range sets {
		differences = append(differences, round.apart(opened, set, excused))
	}
	return differences, err
}

// frozenOn reads every set frozen on a base state, and who is excused: everybody that was blamed with proof in any of those
// attempts. What the sums of two sets tell apart is then of proven culprits, whose own doing it is, and of at least
// survivor_difference_min others or none.
//
// Scenario: of seven, f deals badly: {a…g} is frozen and void, f is blamed. In the next attempt g deals badly: {a…e, g} is
// frozen and void, g is blamed. The third attempt is of a…e. It differs from the first set by f and g, from the second by g:
// if each set excused only its own culprit, g would count in the first and f never could.
func frozenOn(s ledger.Reader, baseState string) (sets []Frozen, excused []string, err error) {
	items, err := ledger.List[Frozen](s, "base", baseState)
	for _, item := range items {
		if err != nil {
			break
		}
		var blamed []string
		blamed, err = blamedWithProof(s, item.Record)
		sets, excused = append(sets, item.Record), append(excused, without(blamed, excused)...)
	}
	slices.Sort(excused)
	return sets, excused, err
}

// blamedWithProof lists who was blamed with proof in the attempt that froze the set.
func blamedWithProof(s ledger.Reader, set Frozen) ([]string, error) {
	blames, err := ledger.List[Blame](s, "blame", set.Training, ledger.Number(set.Epoch))
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

// readExposures compares what is summed with every set frozen in the epoch (T27), group by group where both are split.
func readExposures(s ledger.Reader, round Round, committed []string) ([]Exposure, error) {
	sets, err := ledger.List[Frozen](s, "frozen", round.Training, ledger.Number(round.Epoch))
	if err != nil {
		return nil, err
	}
	smallest, opened := map[string]int{}, round.opening(committed)
	for _, item := range sets {
		before, after := item.Record.sums(), opened.sums()
		if shown(before) && shown(after) {
			continue
		}
		if len(before) != len(after) || shown(before) != shown(after) {
			before, after = [][]string{item.Record.Survivors}, [][]string{opened.survivors}
		}
		for i := range before {
			if len(before[i]) > 0 && len(after[i]) > 0 {
				expose(smallest, symmetric(after[i], before[i]))
			}
		}
	}
	exposures := []Exposure{}
	for _, id := range sortedNames(smallest) {
		exposures = append(exposures, Exposure{id, smallest[id]})
	}
	return exposures, nil
}

// expose keeps the smallest difference of each participant.
func expose(smallest map[string]int, difference []string) {
	for _, id := range difference {
		if least, seen := smallest[id]; !seen || len(difference) < least {
			smallest[id] = len(difference)
		}
	}
}

func (f facts) exposing() (bool, error) {
	if over, err := f.complete(); err != nil || !over || f.round.Parameters.StrictDifferencing == 0 || f.round.Lifted {
		return false, err
	}
	exposures, err := f.exposures()
	return slices.ContainsFunc(exposures, func(exposure Exposure) bool {
		return exposure.Difference < int(f.round.Parameters.SurvivorDifferenceMin)
	}), err
}

// freeze fixes the survivors for good: every committed update of a group that is opened, no more and no fewer (T14).
func (a *advance) freeze() error {
	found, err := a.facts.arrivals()
	if err != nil {
		return err
	}
	exposures, err := a.facts.exposures()
	if err != nil {
		return err
	}
	opened := a.round.opening(found.names)
	a.status.Survivors, a.status.LeftOut = opened.survivors, opened.leftOut
	a.status.DeadlineMS = a.env.TimeMS + a.round.Parameters.UnmaskMS
	if err := a.spend(); err != nil {
		return err
	}
	frozen := Frozen{a.round.Ref, a.round.Epoch, a.round.BaseState, a.status.Survivors, exposures, opened.sets}
	epoch := []string{a.round.Training, ledger.Number(a.round.Epoch), ledger.Number(a.round.Round), ledger.Number(a.round.Attempt)}
	if err := ledger.Store(a.state, ledger.Key("frozen", epoch...), frozen); err != nil {
		return err
	}
	return ledger.Store(a.state, ledger.Key("base", append([]string{a.round.BaseState}, a.round.parts()...)...), frozen)
}

// LiftDifferencing executes lift_differencing{training}: its next attempt may freeze survivors that differ by too few from
// a set frozen on the same base state. The round says so, and each node decides by its own policy whether to take part.
func LiftDifferencing(s ledger.State, env ledger.Env, req trainingBody) error {
	training, err := LoadTraining(s, req.Training)
	if err != nil {
		return err
	}
	return ledger.Store(s, ledger.Key("lift", training.Training), map[string]int64{"time_ms": env.TimeMS})
}
