// Package mode is the one place where the ways to aggregate are told apart. Each is a pure package; a round asks the mode that
// its parameters name, and knows none by name.
package mode

import (
	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/mode/plain"
	"fedledger/chaincode/mode/robustgroups"
	"fedledger/chaincode/mode/securesum"
)

// Mode is a way to make one vector of a cohort's updates.
type Mode interface {
	// CheckPlan refuses a plan's layout that the mode cannot aggregate. Its errors wrap aggregate.ErrLayout.
	CheckPlan(layout aggregate.Layout) error
	// Groups is into how many groups a cohort of n is split, each with a sum of its own. Invariant: 0 where the whole cohort has
	// one sum, and masks are shared by all; the same for ever within an epoch, whose first round asks.
	Groups(n int) int
	// Shows says that members see each update. Then every participant is a group of its own, in each round anew, and sums that
	// differ by few tell nothing that is not shown anyway.
	Shows() bool
	// Opens says whether the sum of a group with so many survivors of each organisation may be revealed.
	Opens(own map[string]int) bool
	// Enough says whether the result of so many opened groups bears the faulty participants that the members reckon with.
	Enough(open int) bool
	// Rule combines the groups' sums; nil where Groups is 0.
	Rule() aggregate.Rule
}

// Of is the mode that parameters name. Invariant: they were checked.
func Of(parameters governance.Parameters) Mode {
	switch parameters.Mode {
	case governance.ModeRobustGroups:
		settings := parameters.GroupSettings()
		return robustgroups.Mode{Size: int(settings.Size), Faulty: int(settings.Faulty), Median: settings.Rule == governance.RuleMedian}
	case governance.ModePlain:
		settings := parameters.PlainSettings()
		return plain.Mode{Faulty: int(settings.Faulty), Rules: settings.Rule, Bucket: int(settings.Bucket)}
	}
	return securesum.Mode{}
}
