package rewards

import (
	"math/big"
	"slices"
)

// Share is one participant's claim on a budget. Volume is in rows, quality and reliability in thousandths.
type Share struct {
	Participant string
	Volume      uint64
	Quality     uint64
	Reliability uint64
}

func (s Share) weight() *big.Int {
	weight := new(big.Int).SetUint64(s.Volume)
	weight.Mul(weight, new(big.Int).SetUint64(s.Quality))
	return weight.Mul(weight, new(big.Int).SetUint64(s.Reliability))
}

// Split divides the budget by volume × quality × reliability. Each gets the whole part of its quota, and the units that
// are left go to the largest remainders (Hamilton's method), equal ones in the order given. The parts sum to the budget,
// unless no claim weighs anything: then all are 0.
func Split(budget uint64, shares []Share) []uint64 {
	parts, total := make([]uint64, len(shares)), new(big.Int)
	for _, share := range shares {
		total.Add(total, share.weight())
	}
	if total.Sign() == 0 {
		return parts
	}
	remainders, left := make([]*big.Int, len(shares)), budget
	for i, share := range shares {
		quota, remainder := new(big.Int).DivMod(
			new(big.Int).Mul(share.weight(), new(big.Int).SetUint64(budget)), total, new(big.Int))
		parts[i], remainders[i] = quota.Uint64(), remainder
		left -= parts[i]
	}
	order := make([]int, len(shares))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return remainders[b].Cmp(remainders[a]) })
	for _, i := range order[:left] {
		parts[i]++
	}
	return parts
}
