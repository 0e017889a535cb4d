package release

import (
	"crypto/sha256"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

type lineage struct {
	InitialState string `json:"initial_state"`
	// Root is the Merkle root (RFC 6962) over the steps, each as canonical JSON without its digest.
	Root  string `json:"root"`
	Steps []step `json:"steps"`
}

type step struct {
	Round     uint64 `json:"round"`
	Attempt   uint64 `json:"attempt"`
	BaseState string `json:"base_state"`
	State     string `json:"state"`
	Cohort    int    `json:"cohort"`
	Survivors int    `json:"survivors"`
	Examples  uint64 `json:"examples"`
}

func lineageOf(s ledger.State, view round.View, initial string) (lineage, error) {
	led := lineage{InitialState: initial, Steps: []step{}}
	if view.Depth > maxSteps {
		return led, errcode.New(errcode.LimitExceeded, "the lineage has %d steps, at most %d", view.Depth, maxSteps)
	}
	leaves := [][]byte{}
	for depth := uint64(1); depth <= view.Depth; depth++ {
		at, err := round.StepAt(s, view.Training, depth)
		if err != nil {
			return led, err
		}
		opened, _, err := ledger.Load[round.Round](s, ledger.Key("round", at.Training, ledger.Number(at.Round), ledger.Number(at.Attempt)))
		if err != nil {
			return led, err
		}
		next := step{at.Round, at.Attempt, at.BaseState, at.State, len(opened.Cohort), len(at.Survivors), at.Examples}
		leaf, err := canonical(next)
		if err != nil {
			return led, err
		}
		led.Steps, leaves = append(led.Steps, next), append(leaves, leaf)
	}
	root := treeHash(leaves)
	led.Root = ledger.Hex(root[:])
	return led, nil
}

// treeHash is the Merkle tree hash of RFC 6962, section 2.1, of at least one leaf.
func treeHash(leaves [][]byte) [32]byte {
	if len(leaves) == 1 {
		return sha256.Sum256(append([]byte{0}, leaves[0]...))
	}
	half := 1
	for half*2 < len(leaves) {
		half *= 2
	}
	left, right := treeHash(leaves[:half]), treeHash(leaves[half:])
	return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
}
