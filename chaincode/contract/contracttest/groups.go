package contracttest

import (
	"slices"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/codec"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/mode"
	"fedledger/chaincode/round"
)

// grouped are the group of each place, and the groups of which fewer than three commit an update, or none where updates are shown.
// Every member of these rounds is of an organisation of its own.
func grouped(view round.View, options Options) (groups, closed []int) {
	least := 3
	if view.Plain != nil {
		least = 1
	}
	for number, members := range view.Groups {
		left := 0
		for place, id := range view.Cohort {
			if slices.Contains(members, id) && !slices.Contains(options.Dropouts, place) && !slices.Contains(options.Silent, place) {
				left++
			}
		}
		if left < least {
			closed = append(closed, number)
		}
	}
	for _, id := range view.Cohort {
		for number, members := range view.Groups {
			if slices.Contains(members, id) {
				groups = append(groups, number)
			}
		}
	}
	return groups, closed
}

// rule is the one that a round's parameters name.
func (f *Federation) rule(ref round.Ref) aggregate.Rule {
	opened, _, err := ledger.Load[round.Round](f.State.Begin(), ledger.Key("round", ref.Training, ledger.Number(ref.Round), ledger.Number(ref.Attempt)))
	if err != nil {
		panic(err)
	}
	return mode.Of(opened.Parameters).Rule()
}

// groupsDigest is H(groups, each the concatenation of its members' ids, each after its length).
func groupsDigest(groups [][]string) []byte {
	if len(groups) == 0 {
		return nil
	}
	parts := [][]byte{}
	for _, members := range groups {
		list := []byte{}
		for _, id := range members {
			list = append(append(list, 0, 0, 0, byte(len(id))), id...)
		}
		parts = append(parts, list)
	}
	digest := codec.Hash("fedledger/v1/groups", parts...)
	return digest[:]
}
