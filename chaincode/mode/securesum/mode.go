// Package securesum is the mode in which the whole cohort has one sum, and only that is ever revealed.
package securesum

import "fedledger/chaincode/aggregate"

// Mode is one sum of all survivors.
type Mode struct{}

// CheckPlan accepts every layout.
func (Mode) CheckPlan(aggregate.Layout) error { return nil }

// Groups is 0: the cohort is not split.
func (Mode) Groups(int) int { return 0 }

// Shows is false.
func (Mode) Shows() bool { return false }

// Opens leaves to the round whether its survivors are enough.
func (Mode) Opens(map[string]int) bool { return true }

// Enough is true: there is one sum.
func (Mode) Enough(int) bool { return true }

// Rule is none: the sum is the aggregate.
func (Mode) Rule() aggregate.Rule { return nil }
