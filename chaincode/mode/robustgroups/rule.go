package robustgroups

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

	"fedledger/chaincode/aggregate"
)

// Rule combines the sums of groups, slot by slot. With S the sum and m the survivors of a group, and a group's mean
// M = ⌊(2^16·S + ⌊m/2⌋)/m⌋, a value slot is ⌊(R·Σm + 2^15)/2^16⌋, where R is the floor of the mean of those M that are left after
// as many of the largest as of the smallest are left out: Trim of each, or all but the middle one or two. So a slot is what the
// sum of all would be if every participant had sent the robust mean. Counts and metrics are plain sums; what is 1 of every
// participant is the number of survivors.
type Rule struct {
	Median bool
	// Trim is how many means are left out at either end.
	Trim int
}

// Contribution names the slots in which each participant says what every group contributed. Their aggregate is the rule's over the
// groups that say it, as a value's, so that no group's word alone counts.
const Contribution = "metric/contribution"

const fraction = 16 // bits after the point of a mean

// Name implements aggregate.Rule.
func (r Rule) Name() string {
	if r.Median {
		return "median of groups"
	}
	return fmt.Sprintf("mean of groups without %d at either end", r.Trim)
}

// Bears implements aggregate.Rule.
func (r Rule) Bears(groups int) bool {
	_, kept := r.kept(groups)
	return groups > 0 && kept > 0
}

// Effort implements aggregate.Rule; benchmarks/aggregate.py measures it.
func (r Rule) Effort() int { return 24 }

// Wide implements aggregate.Rule.
func (r Rule) Wide(segment aggregate.Segment, sums [][]uint64, sizes []int) {
	apply(r, segment, sums, sizes)
}

// Narrow implements aggregate.Rule.
func (r Rule) Narrow(segment aggregate.Segment, sums [][]uint32, sizes []int) {
	apply(r, segment, sums, sizes)
}

func apply[W uint32 | uint64](rule Rule, segment aggregate.Segment, sums [][]W, sizes []int) {
	total := 0
	for _, size := range sizes {
		total += size
	}
	switch {
	case segment.Kind == "value", segment.Name == Contribution:
		if bits.Len64(segment.Max)+bits.Len(uint(total)) <= 63-2*fraction {
			narrow(rule, sums, sizes, uint64(total))
		} else {
			wide(rule, sums, sizes, uint64(total))
		}
	case segment.Kind == "one", segment.Kind == "weight":
		for slot := range sums[0] {
			sums[0][slot] = W(total)
		}
	default:
		for _, sum := range sums[1:] {
			for slot, word := range sum {
				sums[0][slot] += word
			}
		}
	}
}

// kept is how many means lie between those that are left out, and how many are left out at either end.
func (r Rule) kept(groups int) (trim, kept int) {
	trim = r.Trim
	if r.Median {
		trim = (groups - 1) / 2
	}
	return trim, groups - 2*trim
}

// narrow computes in 64 bits: a slot's bound with the survivors leaves 32 bits, so that no number here reaches 2^48.
func narrow[W uint32 | uint64](rule Rule, sums [][]W, sizes []int, total uint64) {
	trim, kept := rule.kept(len(sums))
	means, bySize, byKept := make([]uint64, len(sums)), make([]quotient, len(sums)), by(uint64(kept))
	for group, size := range sizes {
		bySize[group] = by(uint64(size))
	}
	for slot := range sums[0] {
		for group, sum := range sums {
			insert(means[:group], means, bySize[group].of(uint64(sum[slot])<<fraction+uint64(sizes[group])/2))
		}
		robust := uint64(0)
		for _, mean := range means[trim : trim+kept] {
			robust += mean
		}
		sums[0][slot] = W((byKept.of(robust)*total + 1<<(fraction-1)) >> fraction)
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

// insert puts a mean into its place after those that are sorted; all is the array that they are the beginning of. It goes through
// all of them, without a branch that a processor would have to guess.
func insert(sorted, all []uint64, mean uint64) {
	for i, other := range sorted {
		sorted[i], mean = min(other, mean), max(other, mean)
	}
	all[len(sorted)] = mean
}

// double is an integer of 128 bits.
type double struct{ high, low uint64 }

func (d double) compare(other double) int {
	switch {
	case d.high != other.high && d.high < other.high || d.high == other.high && d.low < other.low:
		return -1
	case d == other:
		return 0
	}
	return 1
}

func (d double) plus(other double) double {
	low, carry := bits.Add64(d.low, other.low, 0)
	return double{d.high + other.high + carry, low}
}

func (d double) over(divisor uint64) double {
	high, rest := d.high/divisor, d.high%divisor
	low, _ := bits.Div64(rest, d.low, divisor)
	return double{high, low}
}

func (d double) times(factor uint64) double {
	high, low := bits.Mul64(d.low, factor)
	return double{d.high*factor + high, low}
}

// wide computes in 128 bits: a sum has less than 64, and what is made of it at most 16 + 7 more.
func wide[W uint32 | uint64](rule Rule, sums [][]W, sizes []int, total uint64) {
	trim, kept := rule.kept(len(sums))
	means := make([]double, len(sums))
	for slot := range sums[0] {
		for group, sum := range sums {
			word, size := uint64(sum[slot]), uint64(sizes[group])
			means[group] = double{word >> (64 - fraction), word << fraction}.plus(double{0, size / 2}).over(size)
		}
		slices.SortFunc(means, double.compare)
		robust := double{}
		for _, mean := range means[trim : trim+kept] {
			robust = robust.plus(mean)
		}
		result := robust.over(uint64(kept)).times(total).plus(double{0, 1 << (fraction - 1)})
		sums[0][slot] = W(result.high<<(64-fraction) | result.low>>fraction)
	}
}
