package aggregate

import (
	"fmt"
	"math"
)

// form checks, chunk by chunk, that a masked update is written as its layout says: modular words reduced to their ring,
// padding zero. Anything else would be a second spelling of the same sum.
type form struct {
	layout  Layout
	spans   []span
	broken  string
	padding int // where it starts
}

func newForm(layout Layout) *form {
	f := &form{layout: layout, padding: layout.dataBytes()}
	for _, span := range layout.spans() {
		if span.Modular() {
			f.spans = append(f.spans, span)
		}
	}
	return f
}

// check looks at the chunk that starts at the given byte and keeps the first thing that is wrong.
func (f *form) check(chunk []byte, start int) {
	end := start + len(chunk)
	for _, span := range f.spans {
		if from, to := max(span.start, start), min(span.end, end); from < to && f.broken == "" {
			f.checkReduced(chunk[from-start:to-start], span)
		}
	}
	for _, b := range chunk[min(max(f.padding-start, 0), len(chunk)):] {
		if b != 0 && f.broken == "" {
			f.broken = "padding is not zero"
		}
	}
}

func (f *form) checkReduced(data []byte, span span) {
	above := uint64(math.MaxUint64) << span.Ring
	for len(data) > 0 {
		word := uint64(0)
		if span.Word == 64 {
			word = little.Uint64(data)
		} else {
			word = uint64(little.Uint32(data))
		}
		if word&above != 0 {
			f.broken = fmt.Sprintf("a word of %q is not reduced to %d bits", span.Name, span.Ring)
			return
		}
		data = data[span.Word/8:]
	}
}
