package aggregatetest

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"math"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/secagg"
)

// word is a slot with its place in the bytes. This file works word by word, slowly and plainly: it is the twin against
// which the streaming code is tested.
type word struct {
	segment aggregate.Segment
	slot    uint64
	at      int
}

func words(layout aggregate.Layout) []word {
	var words []word
	at := 0
	for _, size := range []uint64{64, 32} {
		for _, segment := range layout.Segments {
			for slot := uint64(0); segment.Word == size && slot < segment.Slots; slot++ {
				words = append(words, word{segment, slot, at})
				at += int(size / 8)
			}
		}
	}
	return words
}

func (w word) get(vector []byte) uint64 {
	if w.segment.Word == 64 {
		return binary.LittleEndian.Uint64(vector[w.at:])
	}
	return uint64(binary.LittleEndian.Uint32(vector[w.at:]))
}

func (w word) put(vector []byte, value uint64) {
	value &= math.MaxUint64 >> (64 - w.segment.Ring)
	if w.segment.Word == 64 {
		binary.LittleEndian.PutUint64(vector[w.at:], value)
	} else {
		binary.LittleEndian.PutUint32(vector[w.at:], uint32(value))
	}
}

// Pack writes the values of one participant, place 0, into a plain vector.
func Pack(layout aggregate.Layout, values func(place int, segment aggregate.Segment, slot uint64) uint64) []byte {
	vector := make([]byte, layout.Bytes())
	for _, w := range words(layout) {
		w.put(vector, values(0, w.segment, w.slot))
	}
	return vector
}

// upload masks and stores the update of every survivor and sums their plain values.
func (r *Round) upload() {
	words := words(r.Inputs.Layout)
	sums := newSums()
	for place, p := range r.Inputs.Cohort {
		if !p.Survivor {
			continue
		}
		update := make([]byte, r.Inputs.Layout.Bytes())
		for _, w := range words {
			w.put(update, r.value(place, w))
		}
		if r.opens(place) {
			sums.add(r.group(place), update, words)
		}
		r.mask(place, update, words)
		r.SetUpdate(place, update)
	}
	r.combine(sums, words)
}

// SetUpdate commits other bytes as a survivor's update.
func (r *Round) SetUpdate(place int, update []byte) {
	r.Updates[place] = update
	r.Inputs.Cohort[place].Update = r.Blobs.Put(update)
}

func (r *Round) value(place int, w word) uint64 {
	switch {
	case r.options.Values != nil:
		return r.options.Values(place, w.segment, w.slot)
	case w.segment.Kind == "one":
		return 1
	case w.segment.Max == math.MaxUint64:
		return r.random.Uint64()
	default:
		return r.random.Uint64N(w.segment.Max + 1)
	}
}

func (r *Round) mask(place int, update []byte, words []word) {
	m := r.Members[place]
	private := secagg.Private(m.MaskSecret)
	apply(update, words, secagg.SelfKey(r.Inputs.Session, m.ID, m.Seed, m.MaskKey), true)
	for other, peer := range r.Members {
		if other == place || !r.Inputs.Cohort[other].Shared || r.group(other) != r.group(place) {
			continue
		}
		low, high := r.Members[min(place, other)], r.Members[max(place, other)]
		key, err := secagg.PairKey(r.Inputs.Session, secagg.Peer{ID: low.ID, Key: low.MaskKey},
			secagg.Peer{ID: high.ID, Key: high.MaskKey}, private, peer.MaskKey)
		if err != nil {
			panic(err)
		}
		apply(update, words, key, other > place)
	}
}

func apply(update []byte, words []word, key [32]byte, add bool) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err)
	}
	stream := make([]byte, len(update))
	cipher.NewCTR(block, make([]byte, 16)).XORKeyStream(stream, stream)
	for _, w := range words {
		if add {
			w.put(update, w.get(update)+w.get(stream))
		} else {
			w.put(update, w.get(update)-w.get(stream))
		}
	}
}
