package round

import (
	"slices"
	"strconv"

	"fedledger/chaincode/ledger"
)

// Contributed is what the groups of an epoch have contributed until a round, in units of 2^-16 of the loss, by the evaluations of
// all groups. It is written by Advance where the members voted terms for it, and never changed.
type Contributed struct {
	Epoch uint64 `json:"epoch"`
	// Groups is the sum over the epoch's rounds, by group. Invariant: one for each group of the epoch.
	Groups []int64 `json:"groups"`
}

// contributionMetric is how a plan calls what a group contributed in the round before; organisations attest to it as to all metrics.
const contributionMetric = "contribution/"

// most is what one round adds at most, of either sign: a model cannot be better or worse by more than this loss.
const most = 1 << 22

// contributed adds what this round's metrics say to what the epoch's earlier rounds left; nil where no terms were voted.
func (a *advance) contributed(proposed Proposed) ([]int64, error) {
	if a.round.Parameters.Contribution == nil || len(a.round.Groups) == 0 {
		return nil, nil
	}
	groups := make([]int64, len(a.round.Groups))
	before, err := contributedBefore(a.state, a.round)
	if err != nil {
		return nil, err
	}
	copy(groups, before)
	for group := range groups {
		groups[group] += contribution(proposed.Metrics, group)
	}
	return groups, ledger.Store(a.state, a.round.key("contribution"), Contributed{a.round.Epoch, groups})
}

// contributedBefore is what the round before left; nothing where it was of another epoch, whose groups were others.
func contributedBefore(s ledger.Reader, round Round) ([]int64, error) {
	if round.Depth < 2 {
		return nil, nil
	}
	parent, found, err := ledger.Load[Ref](s, stepKey(round.Training, round.Depth-1))
	if err != nil || !found {
		return nil, err
	}
	before, found, err := ledger.Load[Contributed](s, parent.key("contribution"))
	if err != nil || !found || before.Epoch != round.Epoch {
		return nil, err
	}
	return before.Groups, nil
}

// contribution is a whole number of units; what is none is nothing.
func contribution(metrics map[string]string, group int) int64 {
	units, err := strconv.ParseInt(metrics[contributionMetric+strconv.Itoa(group)], 10, 64)
	if err != nil {
		return 0
	}
	return min(max(units, -most), most)
}

// valued is the quality of a group's member after what the group contributed: all of it for the group that contributed most, down
// to the voted floor for one that contributed nothing or harmed. It is a factor of the member's rows: whoever splits in two has the
// same rows in two groups, and no second share.
//
// Scenario: three groups contributed 800, 400 and -100, and the floor is 500. Qualities of 1000 become 1000, 750 and 500.
func (r Round) valued(quality uint64, groups []int64, id string) uint64 {
	if groups == nil {
		return quality
	}
	best := slices.Max(groups)
	if best <= 0 { // nothing is known, or nobody helped
		return quality
	}
	floor, own := r.Parameters.Contribution.Floor, max(groups[r.groupOf(id)], 0)
	return max(1, quality*(floor+(1000-floor)*uint64(own)/uint64(best))/1000)
}

// overBudget holds where a set would be summed that takes an organisation beyond the distinct sums that the members agreed to.
// Sums of one set in several rounds count once.
//
// Scenario: the budget is 2. The epoch summed {a, b, c, d} and, when d was gone, {a, b, c}. Were c gone now, {a, b, d} would be the
// third sum with a in it: the attempt is void before anything is revealed, and waits for all four or for a new epoch.
func (f facts) overBudget() (bool, error) {
	if over, err := f.complete(); err != nil || !over || f.round.Parameters.Contribution == nil || f.round.Lifted {
		return false, err
	}
	sums, err := f.sums()
	return sums > f.round.Parameters.Contribution.Sums, err
}

// readSums counts the distinct sets of the epoch, those that would now be summed among them, by organisation of the cohort, and
// returns the largest count.
func readSums(s ledger.Reader, round Round, committed []string) (uint64, error) {
	frozen, err := ledger.List[Frozen](s, "frozen", round.Training, ledger.Number(round.Epoch))
	if err != nil {
		return 0, err
	}
	sums := slices.Clone(round.opening(committed).sums())
	for _, set := range frozen {
		sums = append(sums, set.Record.sums()...)
	}
	slices.SortFunc(sums, slices.Compare)
	counts, largest := map[string]uint64{}, uint64(0)
	for _, set := range slices.CompactFunc(sums, slices.Equal) {
		for msp := range round.organisations(set) { // any order: into counts
			counts[msp]++
			largest = max(largest, counts[msp])
		}
	}
	return largest, nil
}
