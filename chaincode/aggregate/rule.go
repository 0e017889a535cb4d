package aggregate

import "fedledger/chaincode/codec"

// Rule makes one vector of the sums of groups of survivors: what a mode of aggregation adds to sums under masks. It is a pure
// function of the sums, in integers.
type Rule interface {
	// Name tells apart rules that may give different results.
	Name() string
	// Bears says whether so many groups have a result.
	Bears(groups int) bool
	// Surveys says that whole vectors must be seen before any slot is combined.
	Surveys() bool
	// Effort is about how many sums of a word the rule costs, for each of so many groups.
	Effort(groups int) int
	// Begin starts to combine the sums of groups, sizes[i] of them survivors of the i-th, at least one. Nobody could know draw
	// before the updates were fixed.
	Begin(sizes []int, draw Digest) Combination
}

// Combination is one use of a rule, chunk by chunk. sums[i] holds slots of one segment of the i-th group's sum.
type Combination interface {
	// SurveyWide takes a part of the sums in, with words of 64 bits, SurveyNarrow with words of 32. Where the rule surveys, all parts are
	// surveyed before the first is combined, and combined in the same order.
	SurveyWide(segment Segment, sums [][]uint64)
	SurveyNarrow(segment Segment, sums [][]uint32)
	// Wide and Narrow write the result into sums[0]. Invariant: where every sum lies in its range, so does the result, in that of
	// all survivors together.
	Wide(segment Segment, sums [][]uint64)
	Narrow(segment Segment, sums [][]uint32)
	// Outlying are the places of the groups that the rule left out altogether, ascending; known after the survey.
	Outlying() []int
}

// visit gives each segment's part of a chunk of the groups' sums to one of two functions.
func visit(spans []span, chunks []words, start int, wide func(Segment, [][]uint64), narrow func(Segment, [][]uint32)) {
	middle, end := 8*len(chunks[0].wide), start+8*len(chunks[0].wide)+4*len(chunks[0].narrow)
	for _, span := range spans {
		from, to := max(span.start, start)-start, min(span.end, end)-start
		switch {
		case from >= to:
		case span.Word == 64:
			wide(span.Segment, cut(chunks, func(w words) []uint64 { return w.wide[from/8 : to/8] }))
		default:
			narrow(span.Segment, cut(chunks, func(w words) []uint32 { return w.narrow[(from-middle)/4 : (to-middle)/4] }))
		}
	}
}

func cut[W uint32 | uint64](chunks []words, part func(words) []W) [][]W {
	sums := make([][]W, len(chunks))
	for i, chunk := range chunks {
		sums[i] = part(chunk)
	}
	return sums
}

// draw is H(buckets, session, b of every survivor in cohort order): everyone committed to b before any update was fixed, and
// shares of it are revealed after.
func (in Inputs) draw(known secrets) Digest {
	parts := [][]byte{in.Session[:]}
	for _, i := range in.survivors() {
		seed := known.seeds[i]
		parts = append(parts, seed[:])
	}
	return codec.Hash(codec.LabelBuckets, parts...)
}
