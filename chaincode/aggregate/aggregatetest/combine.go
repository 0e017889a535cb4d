package aggregatetest

import (
	"crypto/sha256"
	"maps"
	"slices"

	"fedledger/chaincode/mode/robust"
)

// sums are the plain sums of groups, in bytes, with how many updates each holds.
type sums struct {
	bytes map[int][]byte
	sizes map[int]int
}

func newSums() sums { return sums{map[int][]byte{}, map[int]int{}} }

func (s sums) add(group int, update []byte, words []word) {
	if s.bytes[group] == nil {
		s.bytes[group] = make([]byte, len(update))
	}
	sum := s.bytes[group]
	for _, w := range words {
		w.put(sum, w.get(sum)+w.get(update))
	}
	s.sizes[group]++
}

// combine makes the aggregate and the digests: of one group its sum, of several what the rule is said to make of them.
func (r *Round) combine(sums sums, words []word) {
	order := slices.Sorted(maps.Keys(sums.bytes))
	r.Aggregate = make([]byte, r.Inputs.Layout.Bytes())
	if r.Inputs.Rule == nil {
		for _, group := range order {
			copy(r.Aggregate, sums.bytes[group])
		}
	} else {
		r.robust(sums, order, words)
	}
	r.Inputs.Aggregate = sha256.Sum256(r.Aggregate)
}

func (r *Round) robust(sums sums, order []int, words []word) {
	total := 0
	for _, group := range order {
		digest := sha256.Sum256(sums.bytes[group])
		r.Inputs.Sums, total = append(r.Inputs.Sums, digest), total+sums.sizes[group]
	}
	twin := newTwin(r.Inputs.Rule.(robust.Rule), r.lot(len(order)))
	values := []word{}
	for _, w := range words {
		switch {
		case w.segment.Kind == "one", w.segment.Kind == "weight":
			w.put(r.Aggregate, uint64(total))
		case w.segment.Kind == "value", w.segment.Name == "metric/contribution":
			values = append(values, w)
			slots := []uint64{}
			for _, group := range order {
				slots = append(slots, w.get(sums.bytes[group]))
			}
			twin.see(w.segment, slots, order, sums.sizes)
		default:
			for _, group := range order {
				w.put(r.Aggregate, w.get(r.Aggregate)+w.get(sums.bytes[group]))
			}
		}
	}
	kept, result := twin.result(int64(total))
	for i, w := range values {
		w.put(r.Aggregate, result[i].Uint64())
	}
	r.Inputs.Outlying = nil
	for place, group := range order {
		if !kept[place] {
			r.Inputs.Outlying = append(r.Inputs.Outlying, group)
		}
	}
}

// lot are the keys by which groups are dealt into buckets: H(buckets, H(buckets, session, seeds), place).
func (r *Round) lot(groups int) [][32]byte {
	parts := [][]byte{r.Inputs.Session[:]}
	for place, p := range r.Inputs.Cohort {
		if p.Survivor && r.opens(place) {
			parts = append(parts, r.Members[place].Seed[:])
		}
	}
	draw := hash("fedledger/v1/buckets", parts...)
	keys := make([][32]byte, groups)
	for place := range keys {
		keys[place] = hash("fedledger/v1/buckets", draw[:], []byte{0, 0, 0, 0, 0, 0, 0, byte(place)})
	}
	return keys
}
