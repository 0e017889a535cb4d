// Package robust is the rules over vectors of which some may be anything: what the modes make of groups' means, and of single
// updates. All is in integers, and equal on every machine (docs/decisions/0028-plain.md).
//
// With S a group's sum and m its survivors, its mean is M = ⌊(2^16·S + ⌊m/2⌋)/m⌋. A value slot of the result is ⌊(R·Σm + 2^15)/2^16⌋,
// where R is what the rule makes of the M: what the sum of all would be if every participant had sent R. Counts and metrics are
// plain sums; what is 1 of every participant is the number of survivors.
//
// Sources: median and trimmed mean are Yin, Chen, Ramchandran and Bartlett 2018 (arXiv 1803.01498); multi-Krum is Blanchard, El
// Mhamdi, Guerraoui and Stainer 2017 (arXiv 1703.02757), with the n - f - 1 nearest, as ByzFL has it; bucketing is Karimireddy, He
// and Jaggi 2022 (arXiv 2006.09365); centred clipping is Karimireddy, He and Jaggi 2021 (arXiv 2012.10333).
package robust

import (
	"bytes"
	"fmt"
	"slices"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/codec"
	"fedledger/chaincode/governance"
)

const (
	fraction = 16 // bits after the point of a mean
	// coordinate is how many bits of a mean count in distances, so that no square leaves 64.
	coordinate = 32
	// steps is how often centred clipping moves.
	steps = 3
)

// Contribution names the slots in which each participant says what every group contributed. Their aggregate is the rule's over the
// groups that say it, as a value's, so that no group's word alone counts; they do not count in distances.
const Contribution = "metric/contribution"

// Rule says what is made of the means.
type Rule struct {
	// Kind is the rule's name. Invariant: one of governance.PlainRules.
	Kind string
	// Faulty is f: how many of the groups may hold anything.
	Faulty int
	// Bucket is of how many groups, drawn by lot, sums are made first; 0 and 1 for none.
	Bucket int
	// Bound leaves out beforehand what lies further than three times the median distance from the coordinates' median. Invariant:
	// only with the median and the trimmed mean.
	Bound bool
}

var _ aggregate.Rule = Rule{}

// Name implements aggregate.Rule.
func (r Rule) Name() string {
	return fmt.Sprintf("%s of buckets of %d, %d faulty, bound %t", r.Kind, r.bucket(), r.Faulty, r.Bound)
}

func (r Rule) bucket() int { return max(1, r.Bucket) }

// Bears implements aggregate.Rule: most of what the rule is over must be without a faulty participant.
func (r Rule) Bears(groups int) bool { return 2*r.Faulty < r.buckets(groups) }

func (r Rule) buckets(groups int) int { return (groups + r.bucket() - 1) / r.bucket() }

// pairs says that the rule needs every distance between two, and not only those from the median.
func (r Rule) pairs() bool {
	return r.Kind == governance.RuleMultiKrum || r.Kind == governance.RuleCentredClipping
}

// Surveys implements aggregate.Rule.
func (r Rule) Surveys() bool { return r.Bound || r.pairs() }

// Effort implements aggregate.Rule; benchmarks/aggregate.py measures it.
func (r Rule) Effort(groups int) int {
	effort := 24 + groups
	if r.Surveys() {
		effort += 24 + groups
	}
	if r.pairs() {
		effort += 3 * groups
	}
	return effort
}

// Begin implements aggregate.Rule.
func (r Rule) Begin(sizes []int, draw aggregate.Digest) aggregate.Combination {
	c := &combination{rule: r, buckets: r.lots(len(sizes), draw)}
	for _, bucket := range c.buckets {
		size := 0
		for _, place := range bucket {
			size += sizes[place]
		}
		c.sizes, c.total = append(c.sizes, size), c.total+uint64(size)
	}
	for point := range len(c.buckets) + 1 {
		c.low, c.high = append(c.low, make([]uint64, len(c.buckets)-point)), append(c.high, make([]uint64, len(c.buckets)-point))
	}
	if !r.Surveys() {
		c.kept = all(len(c.buckets))
	}
	return c
}

func all(n int) []int {
	places := make([]int, n)
	for i := range places {
		places[i] = i
	}
	return places
}

// lots deals the groups into buckets: those that follow one another when sorted by H(buckets, draw, place).
func (r Rule) lots(groups int, draw aggregate.Digest) [][]int {
	order, keys := all(groups), make([]aggregate.Digest, groups)
	if r.bucket() > 1 {
		for place := range keys {
			keys[place] = codec.Hash(codec.LabelBuckets, draw[:], codec.U64(uint64(place)))
		}
		slices.SortFunc(order, func(a, b int) int { return bytes.Compare(keys[a][:], keys[b][:]) })
	}
	return slices.Collect(slices.Chunk(order, r.bucket()))
}
