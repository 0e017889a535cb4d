package aggregatetest

import (
	"encoding/binary"
	"math/bits"
	"runtime"
	"sync"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/secagg"
)

// uploadFast does what upload does for benchmarks: every mask between two survivors is drawn once and added to one and
// taken from the other. All slots must be 32-bit words in a plain ring.
func (r *Round) uploadFast() {
	length := r.Inputs.Layout.Bytes()
	updates := make([][]byte, len(r.Members))
	sums, words := newSums(), words(r.Inputs.Layout)
	for place, p := range r.Inputs.Cohort {
		if !p.Survivor {
			continue
		}
		updates[place] = make([]byte, length)
		for _, w := range words {
			w.put(updates[place], r.random.Uint64N(w.segment.Max+1))
		}
		sums.add(r.group(place), updates[place], words)
	}
	r.maskFast(updates)
	for place, update := range updates {
		if update != nil {
			r.SetUpdate(place, update)
		}
	}
	r.combine(sums, words)
}

// maskFast works on stripes of the vectors, so that goroutines share nothing.
func (r *Round) maskFast(updates [][]byte) {
	data, stripe := r.dataBytes(), 64<<10
	keys := r.pairKeys(updates)
	var group sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			stream := make([]byte, stripe)
			for start := range next {
				r.maskStripe(updates, keys, stream[:min(stripe, data-start)], start)
			}
		})
	}
	for start := 0; start < data; start += stripe {
		next <- start
	}
	close(next)
	group.Wait()
}

func (r *Round) dataBytes() int {
	total := 0
	for _, segment := range r.Inputs.Layout.Segments {
		if segment.Word != 32 || segment.Modular() {
			panic("aggregatetest: fast rounds have 32-bit words in plain rings")
		}
		total += int(segment.Slots * 4)
	}
	return total
}

type pair struct {
	low, high int
	key       [32]byte
}

// pairKeys are the keys of all pairs of which at least one uploads; a pair of one with itself stands for its own mask.
func (r *Round) pairKeys(updates [][]byte) []pair {
	var keys []pair
	for low, m := range r.Members {
		private := secagg.Private(m.MaskSecret)
		for high := low; high < len(r.Members); high++ {
			n := r.Members[high]
			both := r.Inputs.Cohort[low].Shared && r.Inputs.Cohort[high].Shared && r.group(low) == r.group(high)
			switch {
			case !both || (updates[low] == nil && updates[high] == nil):
			case low == high:
				keys = append(keys, pair{low, low, secagg.SelfKey(r.Inputs.Session, m.ID, m.Seed, m.MaskKey)})
			default:
				key, err := secagg.PairKey(r.Inputs.Session, secagg.Peer{ID: m.ID, Key: m.MaskKey},
					secagg.Peer{ID: n.ID, Key: n.MaskKey}, private, n.MaskKey)
				if err != nil {
					panic(err)
				}
				keys = append(keys, pair{low, high, key})
			}
		}
	}
	return keys
}

func (r *Round) maskStripe(updates [][]byte, keys []pair, stream []byte, start int) {
	for _, pair := range keys {
		aggregate.Keystream(stream, pair.key, start)
		if update := updates[pair.low]; update != nil {
			combine(update[start:start+len(stream)], stream, 0)
		}
		if update := updates[pair.high]; update != nil && pair.high != pair.low {
			combine(update[start:start+len(stream)], stream, ^uint32(0))
		}
	}
}

// combine adds the words of stream, or takes them away where sign is all ones: −x = ^x + 1.
func combine(words, stream []byte, sign uint32) {
	carry := uint32(bits.OnesCount32(sign) / 32)
	for i := 0; i+4 <= len(words); i += 4 {
		value := binary.LittleEndian.Uint32(stream[i:]) ^ sign
		binary.LittleEndian.PutUint32(words[i:], binary.LittleEndian.Uint32(words[i:])+value+carry)
	}
}
