// Package plain is the mode in which members see each update, and a robust rule over the updates is the aggregate. It is for
// consortia that may show updates to one another: nothing of an update stays hidden.
//
// Each participant masks its update for itself alone, and the seeds are revealed once the survivors are frozen: nobody can copy
// another's update, or answer it, since it sees none before its own is fixed. docs/decisions/0028-plain.md says more.
package plain

import (
	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/mode/robust"
	"fedledger/chaincode/mode/robustgroups"
)

// Mode is a robust rule over updates that members see.
type Mode struct {
	// Faulty is f: how many participants may send anything. Invariant: at least 1.
	Faulty int
	// Rules is the name of the rule. Invariant: one of governance.PlainRules.
	Rules string
	// Bucket is of how many updates means are made first. Invariant: at least 1.
	Bucket int
}

// CheckPlan refuses what has no robust mean, as robust groups do.
func (m Mode) CheckPlan(layout aggregate.Layout) error { return robustgroups.Mode{}.CheckPlan(layout) }

// Groups is one for each participant.
func (m Mode) Groups(n int) int { return n }

// Shows is true.
func (m Mode) Shows() bool { return true }

// Opens holds wherever there is an update.
func (m Mode) Opens(own map[string]int) bool { return len(own) > 0 }

// Enough holds while most of what the rule is over is without a faulty participant.
func (m Mode) Enough(open int) bool { return m.rule().Bears(open) }

// Rule is the rule of that name.
func (m Mode) Rule() aggregate.Rule { return m.rule() }

func (m Mode) rule() robust.Rule {
	return robust.Rule{Kind: m.Rules, Faulty: m.Faulty, Bucket: m.Bucket}
}
