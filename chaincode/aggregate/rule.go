package aggregate

// Rule makes one vector of the sums of groups of survivors: what a mode of aggregation adds to sums under masks. It is a pure
// function of the sums, slot by slot, in integers.
type Rule interface {
	// Name tells apart rules that may give different results.
	Name() string
	// Bears says whether so many groups have a result.
	Bears(groups int) bool
	// Wide combines slots of one segment with words of 64 bits, Narrow those with words of 32: sums[i] holds the slots of the
	// i-th group, sizes[i] its survivors, at least one. The result is written into sums[0]. Invariant: where every sum lies in
	// its range, so does the result, in that of all survivors together.
	Wide(segment Segment, sums [][]uint64, sizes []int)
	Narrow(segment Segment, sums [][]uint32, sizes []int)
	// Effort is about how many sums of a word combining costs, for each group.
	Effort() int
}

// combine makes one chunk of the result of the groups' chunks, in place of the first.
func combine(rule Rule, spans []span, chunks []words, sizes []int, start int) {
	wide, end := 8*len(chunks[0].wide), start+8*len(chunks[0].wide)+4*len(chunks[0].narrow)
	for _, span := range spans {
		from, to := max(span.start, start)-start, min(span.end, end)-start
		switch {
		case from >= to:
		case span.Word == 64:
			rule.Wide(span.Segment, cut(chunks, func(w words) []uint64 { return w.wide[from/8 : to/8] }), sizes)
		default:
			rule.Narrow(span.Segment, cut(chunks, func(w words) []uint32 { return w.narrow[(from-wide)/4 : (to-wide)/4] }), sizes)
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
