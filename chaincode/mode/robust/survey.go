package robust

import (
	"math/bits"
	"slices"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/governance"
)

// far is how many times the median squared distance from the coordinates' median a mean may have.
const far = 9

// mostAhead is how many slots are combined during the survey, before it is known whether all groups count: 32 MiB.
const mostAhead = 4 << 20

// SurveyWide implements aggregate.Combination.
func (c *combination) SurveyWide(segment aggregate.Segment, sums [][]uint64) {
	survey(c, segment, sums)
}

// SurveyNarrow implements aggregate.Combination.
func (c *combination) SurveyNarrow(segment aggregate.Segment, sums [][]uint32) {
	survey(c, segment, sums)
}

// survey adds the squared distances of some slots. A coordinate is a mean without as many low bits as its segment's range has too
// many, so that it has 32 bits and a square 64; so no segment drowns the others by its resolution alone.
func survey[W uint32 | uint64](c *combination, segment aggregate.Segment, sums [][]W) {
	if segment.Kind != "value" {
		return
	}
	sums = bucketed(c, sums)
	n, slots, small := len(sums), len(sums[0]), c.small(segment)
	shift := uint(max(0, bits.Len64(segment.Max)+fraction-coordinate))
	here, ordered := newRows(n), newRows(n)
	foreseen := c.foresee(slots, small && shift == 0)
	for start := 0; start < slots; start += block {
		end := min(start+block, slots)
		at, sorted := here.of(end-start), ordered.of(end-start)
		for bucket, sum := range sums {
			if part := sum[start:end]; small {
				fill(at[bucket], part, c.sizes[bucket], shift)
			} else {
				for slot, word := range part {
					at[bucket][slot] = mean(uint64(word), uint64(c.sizes[bucket])).right(shift).low
				}
			}
			copy(sorted[bucket], at[bucket])
		}
		sort(sorted)
		if foreseen != nil {
			c.resolve(sorted, foreseen[start:end])
		}
		c.measure(0, middleRow(sorted), at)
		for bucket := 0; c.rule.pairs() && bucket < n; bucket++ {
			c.measure(bucket+1, at[bucket], at[bucket+1:])
		}
	}
}

// foresee makes room for what becomes of a part if the bound leaves nobody out; nil where that is not kept.
func (c *combination) foresee(slots int, possible bool) []uint64 {
	var room []uint64
	if possible && c.rule.Bound && c.ahead+slots <= mostAhead {
		room, c.ahead = make([]uint64, slots), c.ahead+slots
	}
	c.foreseen = append(c.foreseen, room)
	return room
}

// middleRow is the coordinates' median, written into a row that it no longer needs.
func middleRow(sorted [][]uint64) []uint64 {
	low, high := sorted[(len(sorted)-1)/2], sorted[len(sorted)/2]
	for slot, one := range low {
		low[slot] = (one + high[slot]) / 2
	}
	return low
}

// measure adds the squared differences between a point and those after it.
func (c *combination) measure(point int, here []uint64, others [][]uint64) {
	for i, there := range others {
		low, high := apart(c.low[point][i], c.high[point][i], here, there)
		c.low[point][i], c.high[point][i] = low, high
	}
}

// apart adds the squared differences of two rows. A difference below zero wraps, and its square is right again.
func apart(low, high uint64, here, there []uint64) (uint64, uint64) {
	there = there[:len(here)]
	for slot, one := range here {
		difference, carry := there[slot]-one, uint64(0)
		low, carry = bits.Add64(low, difference*difference, 0)
		high += carry
	}
	return low, high
}

// settle decides by the distances, once, which buckets the rule is over and what they weigh.
func (c *combination) settle() {
	if c.kept != nil {
		return
	}
	c.kept = all(len(c.buckets))
	if c.rule.Bound {
		c.kept = c.near()
	}
	switch c.rule.Kind {
	case governance.RuleMultiKrum:
		c.kept = c.central()
	case governance.RuleCentredClipping:
		c.weights = c.clipped()
	}
}

// near are the buckets that lie within three times the median distance from the coordinates' median: at least half.
func (c *combination) near() []int {
	limit := c.medianDistance().times(far)
	return slices.DeleteFunc(all(len(c.buckets)), func(bucket int) bool { return c.apart(0, bucket+1).compare(limit) > 0 })
}

// medianDistance is the lower median of the squared distances from the coordinates' median.
func (c *combination) medianDistance() double {
	away := []double{}
	for bucket := range c.buckets {
		away = append(away, c.apart(0, bucket+1))
	}
	slices.SortFunc(away, double.compare)
	return away[(len(away)-1)/2]
}

// apart is the squared distance between two points.
func (c *combination) apart(one, other int) double {
	if one == other {
		return double{}
	}
	first, after := min(one, other), max(one, other)-min(one, other)-1
	return double{c.high[first][after], c.low[first][after]}
}

// central are the n - f buckets whose n - f - 1 nearest others are nearest, the first where some are alike: multi-Krum.
func (c *combination) central() []int {
	n := len(c.buckets)
	scores := make([]double, n)
	for bucket := range scores {
		others := []double{}
		for other := range n {
			if other != bucket {
				others = append(others, c.apart(bucket+1, other+1))
			}
		}
		slices.SortFunc(others, double.compare)
		for _, distance := range others[:n-c.rule.Faulty-1] {
			scores[bucket] = scores[bucket].plus(distance)
		}
	}
	order := all(n)
	slices.SortStableFunc(order, func(a, b int) int { return scores[a].compare(scores[b]) })
	order = order[:n-c.rule.Faulty]
	slices.Sort(order)
	return order
}
