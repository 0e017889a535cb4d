package aggregate

import (
	"encoding/json"
	"fmt"
	"math"
	"math/bits"

	"fedledger/chaincode/codec"
)

const (
	// MaxSegments bounds the segments of a layout.
	MaxSegments = 4096
	// MaxBytes bounds the vector: no update is longer.
	MaxBytes = 1 << 30
	// headroom is how many bits of a 32-bit ring stay free, so that garbage fails the range check (docs/threat-model.md, T18).
	headroom = 8
	// align is the block of AES: vectors are padded to it with zeros.
	align = 16
)

// Segment is a run of slots of one kind. Name, Path, Shape and Dtype are the plan's and mean nothing here.
type Segment struct {
	Name  string          `json:"name"`
	Kind  string          `json:"kind"`
	Word  uint64          `json:"word"`
	Ring  uint64          `json:"ring"`
	Max   uint64          `json:"max"`
	Slots uint64          `json:"slots"`
	Path  json.RawMessage `json:"path"`
	Shape json.RawMessage `json:"shape"`
	Dtype string          `json:"dtype"`
}

// Modular says that the slots are sums modulo 2^Ring by nature: no range holds.
func (s Segment) Modular() bool { return s.Ring < s.Word }

// Count maps a slot to example rows: rows = slot · Numerator / Denominator.
type Count struct {
	Segment     string `json:"segment"`
	Numerator   uint64 `json:"numerator"`
	Denominator uint64 `json:"denominator"`
}

// Layout says how the slots of an update lie in its bytes: segments of 64-bit words in the order listed, then those of
// 32-bit words, little-endian, zero-padded to 16 bytes.
type Layout struct {
	Version  uint64    `json:"version"`
	Segments []Segment `json:"segments"`
	Count    *Count    `json:"count"`
	// Digest is H(layout, canonical JSON).
	Digest Digest `json:"-"`
}

// ParseLayout reads a layout and checks all that does not depend on the cohort. Its errors wrap ErrLayout.
func ParseLayout(raw []byte) (Layout, error) {
	var layout Layout
	if err := codec.DecodeStrict(raw, &layout); err != nil {
		return Layout{}, fmt.Errorf("%w: %w", ErrLayout, err)
	}
	canonical, err := codec.Canonical(json.RawMessage(raw))
	if err != nil {
		return Layout{}, fmt.Errorf("%w: %w", ErrLayout, err)
	}
	layout.Digest = codec.Hash(codec.LabelLayout, canonical)
	return layout, layout.check()
}

func (l Layout) check() error {
	if l.Version != 1 || len(l.Segments) == 0 || len(l.Segments) > MaxSegments {
		return fmt.Errorf("%w: version %d with %d segments", ErrLayout, l.Version, len(l.Segments))
	}
	names, total := map[string]bool{}, uint64(0)
	for _, segment := range l.Segments {
		if err := segment.check(); err != nil {
			return err
		}
		if names[segment.Name] {
			return fmt.Errorf("%w: two segments %q", ErrLayout, segment.Name)
		}
		names[segment.Name] = true
		if total += segment.Slots * segment.Word / 8; total > MaxBytes {
			return fmt.Errorf("%w: longer than %d bytes", ErrLayout, MaxBytes)
		}
	}
	return l.checkCount()
}

func (s Segment) check() error {
	ring := uint64(math.MaxUint64) >> (64 - min(s.Ring, 64))
	switch {
	case s.Word != 32 && s.Word != 64:
		return fmt.Errorf("%w: %q has words of %d bits", ErrLayout, s.Name, s.Word)
	case s.Ring < 1 || s.Ring > s.Word:
		return fmt.Errorf("%w: %q has a ring of %d bits", ErrLayout, s.Name, s.Ring)
	case s.Slots < 1 || s.Slots > MaxBytes/4:
		return fmt.Errorf("%w: %q has %d slots", ErrLayout, s.Name, s.Slots)
	case s.Max < 1 || s.Max > ring:
		return fmt.Errorf("%w: %q has the maximum %d", ErrLayout, s.Name, s.Max)
	case s.Kind == "one" && (s.Max != 1 || s.Modular()):
		return fmt.Errorf("%w: %q counts participants and must hold 1 in a plain ring", ErrLayout, s.Name)
	}
	switch s.Kind {
	case "value", "weight", "metric", "count", "one":
		return nil
	default:
		return fmt.Errorf("%w: %q has the kind %q", ErrLayout, s.Name, s.Kind)
	}
}

func (l Layout) checkCount() error {
	if l.Count == nil {
		return nil
	}
	for _, segment := range l.Segments {
		if segment.Name == l.Count.Segment {
			if segment.Slots != 1 || segment.Modular() || l.Count.Numerator < 1 || l.Count.Denominator < 1 {
				return fmt.Errorf("%w: count needs one plain slot and a positive map", ErrLayout)
			}
			return nil
		}
	}
	return fmt.Errorf("%w: no segment %q to count", ErrLayout, l.Count.Segment)
}

// CheckCohort refuses a layout whose sums of n participants could leave their ring or, in 32-bit words, their headroom.
func (l Layout) CheckCohort(n int) error {
	for _, segment := range l.Segments {
		if segment.Modular() {
			continue
		}
		spare := uint64(0)
		if segment.Word == 32 {
			spare = headroom
		}
		high, sum := bits.Mul64(segment.Max, uint64(n))
		if high != 0 || bits.Len64(sum) > int(segment.Word-spare) {
			return fmt.Errorf("%w: %q overflows with %d participants", ErrLayout, segment.Name, n)
		}
	}
	return nil
}

// Bytes is the length of every update and aggregate.
func (l Layout) Bytes() int {
	return (l.dataBytes() + align - 1) / align * align
}

func (l Layout) dataBytes() int {
	return l.wordBytes(64) + l.wordBytes(32)
}

// wordBytes is the length of the part that holds words of one size.
func (l Layout) wordBytes(word uint64) int {
	total := uint64(0)
	for _, segment := range l.Segments {
		if segment.Word == word {
			total += segment.Slots * word / 8
		}
	}
	return int(total)
}

// span is a segment with its place in the vector, in bytes.
type span struct {
	Segment
	start, end int
}

// spans are the segments in the order of their bytes.
func (l Layout) spans() []span {
	spans, at := make([]span, 0, len(l.Segments)), 0
	for _, word := range []uint64{64, 32} {
		for _, segment := range l.Segments {
			if segment.Word == word {
				end := at + int(segment.Slots*word/8)
				spans = append(spans, span{segment, at, end})
				at = end
			}
		}
	}
	return spans
}
