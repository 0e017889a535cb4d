package robust

import (
	"math"
	"math/bits"
	"slices"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/governance"
)

// combination is one use of a rule.
type combination struct {
	rule Rule
	// buckets are the places of the groups in each, sizes their survivors, total those of all.
	buckets [][]int
	sizes   []int
	total   uint64
	// low and high are the halves of squared distances, from each point to those after it: the coordinates' median, 0, and the
	// buckets' means from 1 on. Invariant: below 2^92; between two buckets only where the rule needs it.
	low, high [][]uint64
	// kept are the buckets that the rule is over; nil until the survey is settled.
	kept []int
	// weights are those of the median and of each bucket, in 2^-32; nil but for centred clipping.
	weights []uint64
	// foreseen is what becomes of the parts that were surveyed if the bound leaves nobody out: the survey has their means sorted
	// already. Invariant: in the order in which they come to be combined, nil for a part of which it is not kept; ahead is how
	// many slots that are, combined how many parts were combined.
	foreseen        [][]uint64
	ahead, combined int
}

// Wide implements aggregate.Combination.
func (c *combination) Wide(segment aggregate.Segment, sums [][]uint64) { combine(c, segment, sums) }

// Narrow implements aggregate.Combination.
func (c *combination) Narrow(segment aggregate.Segment, sums [][]uint32) { combine(c, segment, sums) }

// Outlying implements aggregate.Combination.
func (c *combination) Outlying() []int {
	var places []int
	c.settle()
	for bucket, groups := range c.buckets {
		if !slices.Contains(c.kept, bucket) {
			places = append(places, groups...)
		}
	}
	slices.Sort(places)
	return places
}

func combine[W uint32 | uint64](c *combination, segment aggregate.Segment, sums [][]W) {
	switch {
	case segment.Kind == "value", segment.Name == Contribution:
		c.settle()
		switch known := c.known(segment); {
		case known != nil:
			for slot, word := range known {
				sums[0][slot] = W(word)
			}
		case c.small(segment) && c.weights == nil:
			narrow(c, bucketed(c, sums), sums[0])
		default:
			wide(c, bucketed(c, sums), sums[0])
		}
	case segment.Kind == "one", segment.Kind == "weight":
		for slot := range sums[0] {
			sums[0][slot] = W(c.total)
		}
	default:
		for _, sum := range sums[1:] {
			add(sums[0], sum)
		}
	}
}

// known is what the survey foresaw of a part, where that came true; nil where it did not.
func (c *combination) known(segment aggregate.Segment) []uint64 {
	if segment.Kind != "value" || c.combined >= len(c.foreseen) {
		return nil
	}
	known := c.foreseen[c.combined]
	c.combined++
	if len(c.kept) < len(c.buckets) {
		return nil
	}
	return known
}

func add[W uint32 | uint64](sum, other []W) {
	for slot, word := range other {
		sum[slot] += word
	}
}

// small says that a slot's bound with the survivors leaves 32 bits, so that no number of a mean reaches 2^48.
func (c *combination) small(segment aggregate.Segment) bool {
	return bits.Len64(segment.Max)+bits.Len64(c.total) <= 63-2*fraction
}

// bucketed are the sums of the buckets; those of one group are the group's own.
func bucketed[W uint32 | uint64](c *combination, sums [][]W) [][]W {
	if c.rule.bucket() == 1 {
		return sums
	}
	merged := make([][]W, len(c.buckets))
	for i, bucket := range c.buckets {
		merged[i] = slices.Clone(sums[bucket[0]])
		for _, place := range bucket[1:] {
			add(merged[i], sums[place])
		}
	}
	return merged
}

// ends is how many means of so many are left out at either end.
func (r Rule) ends(means int) int {
	switch r.Kind {
	case governance.RuleMedian:
		return (means - 1) / 2
	case governance.RuleTrimmedMean:
		return min(r.Faulty, (means-1)/2)
	}
	return 0
}

// narrow computes in 64 bits.
func narrow[W uint32 | uint64](c *combination, sums [][]W, out []W) {
	all, result := newRows(len(c.kept)), make([]uint64, block)
	for start := 0; start < len(out); start += block {
		end := min(start+block, len(out))
		means := all.of(end - start)
		for i, bucket := range c.kept {
			fill(means[i], sums[bucket][start:end], c.sizes[bucket], 0)
		}
		sort(means)
		c.resolve(means, result[:end-start])
		for slot, word := range result[:end-start] {
			out[start+slot] = W(word)
		}
	}
}

// resolve writes what becomes of slots whose means are sorted.
func (c *combination) resolve(sorted [][]uint64, out []uint64) {
	ends := c.rule.ends(len(sorted))
	copy(out, sorted[ends])
	for _, row := range sorted[ends+1 : len(sorted)-ends] {
		add(out, row)
	}
	left := by(uint64(len(sorted) - 2*ends))
	for slot, total := range out {
		out[slot] = (left.of(total)*c.total + 1<<(fraction-1)) >> fraction
	}
}

// quotient divides by a small number with a multiplication, which is several times as fast: the upper half of x·⌈2^64/d⌉ is ⌊x/d⌋
// exactly while x·d < 2^64 (Granlund and Montgomery 1994).
type quotient struct{ divisor, inverse uint64 }

func by(divisor uint64) quotient { return quotient{divisor, math.MaxUint64/divisor + 1} }

func (q quotient) of(x uint64) uint64 {
	if q.divisor == 1 { // its inverse has 65 bits
		return x
	}
	high, _ := bits.Mul64(x, q.inverse)
	return high
}

// wide computes in 128 bits: a sum has less than 64, and what is made of it at most 16 + 7 more, or 16 + 32.
func wide[W uint32 | uint64](c *combination, sums [][]W, out []W) {
	means, sorted := make([]double, len(c.kept)), make([]double, len(c.kept))
	for slot := range out {
		for i, bucket := range c.kept {
			means[i] = mean(uint64(sums[bucket][slot]), uint64(c.sizes[bucket]))
		}
		copy(sorted, means)
		slices.SortFunc(sorted, double.compare)
		robust := middle(sorted, c.rule.ends(len(sorted)))
		if c.weights != nil {
			robust = middle(sorted, (len(sorted)-1)/2).times(c.weights[0])
			for i, bucket := range c.kept {
				robust = robust.plus(means[i].times(c.weights[1+bucket]))
			}
			robust = robust.right(weight)
		}
		result := robust.times(c.total).plus(double{0, 1 << (fraction - 1)}).right(fraction)
		out[slot] = W(result.low)
	}
}

// mean is M of a sum.
func mean(sum, size uint64) double {
	return double{sum >> (64 - fraction), sum << fraction}.plus(double{0, size / 2}).over(size)
}

// middle is the floor of the mean of what lies between so many at either end.
func middle(sorted []double, ends int) double {
	total := double{}
	for _, mean := range sorted[ends : len(sorted)-ends] {
		total = total.plus(mean)
	}
	return total.over(uint64(len(sorted) - 2*ends))
}
