package robust

import (
	"math/bits"
	"slices"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/governance"
)

// far is how many times the median squared distance from the coordinates' median a mean may have.
const far = 9

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
	at, sorted := make([]uint64, len(sums)), make([]uint64, len(sums))
	divide, small := c.quotients(), c.small(segment)
	shift := uint(max(0, bits.Len64(segment.Max)+fraction-coordinate))
	for slot := range sums[0] {
		for bucket, sum := range sums {
			if word, size := uint64(sum[slot]), uint64(c.sizes[bucket]); small {
				at[bucket] = divide[bucket].of(word<<fraction+size/2) >> shift
			} else {
				at[bucket] = mean(word, size).right(shift).low
			}
			insert(sorted[:bucket], sorted, at[bucket])
		}
		measure(c.low[0], c.high[0], (sorted[(len(sorted)-1)/2]+sorted[len(sorted)/2])/2, at)
		if !c.rule.pairs() {
			continue
		}
		for bucket, here := range at {
			measure(c.low[bucket+1], c.high[bucket+1], here, at[bucket+1:])
		}
	}
}

// measure adds a slot's squared differences between a point and others. A difference below zero wraps, and its square is right again.
func measure(low, high []uint64, here uint64, others []uint64) {
	low, high = low[:len(others)], high[:len(others)]
	for i, there := range others {
		sum, carry := bits.Add64(low[i], (there-here)*(there-here), 0)
		low[i], high[i] = sum, high[i]+carry
	}
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
