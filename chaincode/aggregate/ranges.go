package aggregate

import (
	"fmt"
	"math"
	"math/bits"
)

// ranges checks the unmasked sum chunk by chunk, brings modular words into their ring and clears the padding.
type ranges struct {
	layout    Layout
	spans     []span
	survivors uint64
	garbage   *Fault
	count     uint64
}

func newRanges(layout Layout, survivors int) *ranges {
	return &ranges{layout: layout, spans: layout.spans(), survivors: uint64(survivors)}
}

// take checks the chunk that starts at the given byte, in place.
func (r *ranges) take(chunk words, start int) {
	wide := 8 * len(chunk.wide)
	end := start + wide + 4*len(chunk.narrow)
	for _, span := range r.spans {
		from, to := max(span.start, start)-start, min(span.end, end)-start
		if from >= to {
			continue
		}
		var bad bool
		if span.Word == 64 {
			bad = check(chunk.wide[from/8:to/8], span, r.survivors)
		} else {
			bad = check(chunk.narrow[(from-wide)/4:(to-wide)/4], span, r.survivors)
		}
		if bad && r.garbage == nil {
			r.garbage = &Fault{Kind: FaultGarbage, Reason: fmt.Sprintf("the sum of %q leaves its range", span.Name)}
		}
		r.countSlot(chunk, span, from, wide)
	}
	// What lies behind the last 64-bit word counts as 32-bit words, and so does all padding.
	clear(chunk.narrow[min(max(r.layout.dataBytes()-start-wide, 0)/4, len(chunk.narrow)):])
}

// check reports words outside 0 … survivors·max, words other than the survivors' number where each put one, and reduces
// modular words.
func check[W uint32 | uint64](data []W, span span, survivors uint64) bool {
	if span.Modular() {
		ring := W(uint64(math.MaxUint64) >> (64 - span.Ring))
		for i := range data {
			data[i] &= ring
		}
		return false
	}
	most := W(span.Max * survivors) // no overflow: CheckCohort
	least := W(0)
	if span.Kind == "one" {
		least = most
	}
	low, high := most, least
	for _, word := range data {
		low, high = min(low, word), max(high, word)
	}
	return low < least || high > most
}

func (r *ranges) countSlot(chunk words, span span, from, wide int) {
	if r.layout.Count == nil || r.layout.Count.Segment != span.Name {
		return
	}
	if span.Word == 64 {
		r.count = chunk.wide[from/8]
	} else {
		r.count = uint64(chunk.narrow[(from-wide)/4])
	}
}

// rows maps the count slot to example rows, rounded down.
func (r *ranges) rows() (uint64, bool) {
	if r.layout.Count == nil {
		return 0, false
	}
	high, low := bits.Mul64(r.count, r.layout.Count.Numerator)
	if high >= r.layout.Count.Denominator {
		return math.MaxUint64, true
	}
	rows, _ := bits.Div64(high, low, r.layout.Count.Denominator)
	return rows, true
}
