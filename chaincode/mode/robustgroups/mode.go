// Package robustgroups is the mode in which small groups have sums of their own, under masks, and the median or the trimmed mean
// over the groups' means is the aggregate: a few participants that send anything at all spoil a few groups, and not the model.
//
// Sources: median and trimmed mean are Yin, Chen, Ramchandran and Bartlett 2018 (arXiv 1803.01498); sums of groups under masks
// with a robust rule over them are So, Güler and Avestimehr 2020 and He, Karimireddy and Jaggi 2020. Here everything is integers,
// and equal on every machine; docs/decisions/0024-robust-groups.md says why.
package robustgroups

import (
	"fmt"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/mode/robust"
)

// Least is how many survivors, of as many organisations, a group has at least that is opened: of two, each would know the
// other's update.
const Least = 3

// Mode is sums of groups and a robust rule over them.
type Mode struct {
	// Size is how many participants a group has; the rest of a cohort makes some groups larger by one. Invariant: at least Least.
	Size int
	// Faulty is f: how many participants may send anything. Invariant: at least 1.
	Faulty int
	// Median takes the median; otherwise the f largest and the f smallest means are left out of each slot.
	Median bool
}

// CheckPlan refuses what has no mean over groups: weights beside 1, sums that are modular by nature, sums that steer the plan
// (adaptive clipping), and a layout without values.
func (m Mode) CheckPlan(layout aggregate.Layout) error {
	values, weights := 0, 0
	for _, segment := range layout.Segments {
		switch {
		case segment.Modular():
			return refused("%q is a modular sum, which has no mean", segment.Name)
		case segment.Kind == "value":
			values++
		case segment.Kind != "weight":
		case segment.Name != "weight" || segment.Slots != 1 || segment.Max != 1:
			return refused("%q weighs participants or steers the plan: build the plan unweighted, and with fixed clipping", segment.Name)
		default:
			weights++
		}
	}
	if values == 0 || weights > 1 {
		return refused("it has no values, or several weights")
	}
	return nil
}

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: not for robust groups: %s", aggregate.ErrLayout, fmt.Sprintf(format, args...))
}

// Groups is how many full groups a cohort of n makes.
func (m Mode) Groups(n int) int { return max(1, n/m.Size) }

// Shows is false: of an update only a sum of three or more is seen.
func (m Mode) Shows() bool { return false }

// Opens holds for at least three survivors of at least three organisations, and as many without any organisation that has
// several: whoever knows its own members' updates still sees a sum of three.
//
// Scenario: a group is a, b, c and d, and a drops out. The sum of b, c and d is revealed. Had b dropped out as well, the sum of
// c and d would tell each of them the other's update: the group stays closed, and neither its seeds nor its mask keys are shown.
func (m Mode) Opens(own map[string]int) bool {
	survivors, most := 0, 1
	for _, members := range own { // any order: into a sum and a maximum
		survivors, most = survivors+members, max(most, members)
	}
	return survivors >= Least && len(own) >= Least && (most == 1 || survivors-most >= Least)
}

// Enough holds while a majority of the opened groups is without a faulty participant, even if each is in another: 2f < g.
func (m Mode) Enough(open int) bool { return 2*m.Faulty < open }

// Rule is the median or the trimmed mean of what lies within the bound.
func (m Mode) Rule() aggregate.Rule {
	kind := governance.RuleTrimmedMean
	if m.Median {
		kind = governance.RuleMedian
	}
	return robust.Rule{Kind: kind, Faulty: m.Faulty, Bound: true}
}
