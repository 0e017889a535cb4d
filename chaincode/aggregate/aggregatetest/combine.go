package aggregatetest

import (
	"crypto/sha256"
	"maps"
	"math/big"
	"slices"
	"strings"
)

// sums are the plain sums of groups, in bytes, with how many updates each holds.
type sums struct {
	bytes map[int][]byte
	sizes map[int]int
}

func newSums() sums { return sums{map[int][]byte{}, map[int]int{}} }

func (s sums) add(group int, update []byte, words []word) {
	if s.bytes[group] == nil {
		s.bytes[group] = make([]byte, len(update))
	}
	sum := s.bytes[group]
	for _, w := range words {
		w.put(sum, w.get(sum)+w.get(update))
	}
	s.sizes[group]++
}

// combine makes the aggregate and the digests: of one group its sum, of several what robust groups are said to make of them, in
// integers without bounds. It is the twin of package robustgroups and shares no line with it.
func (r *Round) combine(sums sums, words []word) {
	order := slices.Sorted(maps.Keys(sums.bytes))
	r.Aggregate = make([]byte, r.Inputs.Layout.Bytes())
	if r.Inputs.Rule == nil {
		for _, group := range order {
			copy(r.Aggregate, sums.bytes[group])
		}
	} else {
		total := 0
		for _, group := range order {
			digest := sha256.Sum256(sums.bytes[group])
			r.Inputs.Sums, total = append(r.Inputs.Sums, digest), total+sums.sizes[group]
		}
		for _, w := range words {
			w.put(r.Aggregate, r.combined(sums, order, w, total))
		}
	}
	r.Inputs.Aggregate = sha256.Sum256(r.Aggregate)
}

func (r *Round) combined(sums sums, order []int, w word, total int) uint64 {
	switch w.segment.Kind {
	case "one", "weight":
		return uint64(total)
	case "value":
	default:
		plain := uint64(0)
		for _, group := range order {
			plain += w.get(sums.bytes[group])
		}
		return plain
	}
	means := []*big.Int{}
	for _, group := range order {
		size := big.NewInt(int64(sums.sizes[group]))
		mean := new(big.Int).Lsh(new(big.Int).SetUint64(w.get(sums.bytes[group])), 16)
		mean.Add(mean, new(big.Int).Rsh(size, 1)).Div(mean, size)
		means = append(means, mean)
	}
	slices.SortFunc(means, (*big.Int).Cmp)
	trim := r.trim(len(means))
	if 2*trim >= len(means) {
		return 0 // no round gets there
	}
	kept, robust := means[trim:len(means)-trim], new(big.Int)
	for _, mean := range kept {
		robust.Add(robust, mean)
	}
	robust.Div(robust, big.NewInt(int64(len(kept)))).Mul(robust, big.NewInt(int64(total)))
	return robust.Add(robust, big.NewInt(1<<15)).Rsh(robust, 16).Uint64()
}

// trim reads from the rule's name how many means it leaves out at either end.
func (r *Round) trim(groups int) int {
	name := r.Inputs.Rule.Name()
	if strings.HasPrefix(name, "median") {
		return (groups - 1) / 2
	}
	for trim := range groups {
		if strings.Contains(name, " "+big.NewInt(int64(trim)).String()+" ") {
			return trim
		}
	}
	panic("aggregatetest: unknown rule " + name)
}
