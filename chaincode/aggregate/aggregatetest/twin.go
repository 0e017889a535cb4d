package aggregatetest

import (
	"bytes"
	"math/big"
	"math/bits"
	"slices"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/codec"
	"fedledger/chaincode/mode/robust"
)

var hash = codec.Hash

// twin is what the rules of package robust are said to be, over whole vectors, in integers without bounds. It shares no line with
// that package, and measures distances from the vectors themselves wherever that takes the one between points.
type twin struct {
	rule    robust.Rule
	buckets [][]int
	means   [][]*big.Int // by slot, then by bucket
	lows    []uint       // by slot, how many low bits do not count in distances: 99, all, where the slot does not
}

func newTwin(rule robust.Rule, keys [][32]byte) *twin {
	t, order := &twin{rule: rule}, []int{}
	for place := range keys {
		order = append(order, place)
	}
	size := max(1, rule.Bucket)
	if size > 1 {
		slices.SortFunc(order, func(a, b int) int { return bytes.Compare(keys[a][:], keys[b][:]) })
	}
	for len(order) > 0 {
		n := min(size, len(order))
		t.buckets, order = append(t.buckets, order[:n]), order[n:]
	}
	return t
}

// see takes a slot of every group's sum.
func (t *twin) see(segment aggregate.Segment, slots []uint64, order []int, sizes map[int]int) {
	low := uint(max(0, bits.Len64(segment.Max)-16))
	if segment.Kind != "value" {
		low = 99
	}
	t.lows = append(t.lows, low)
	means := []*big.Int{}
	for _, bucket := range t.buckets {
		sum, size := new(big.Int), int64(0)
		for _, place := range bucket {
			sum.Add(sum, new(big.Int).SetUint64(slots[place]))
			size += int64(sizes[order[place]])
		}
		sum.Add(sum.Lsh(sum, 16), big.NewInt(size/2))
		means = append(means, sum.Div(sum, big.NewInt(size)))
	}
	t.means = append(t.means, means)
}

// result is which groups count, and the slots.
func (t *twin) result(total int64) (kept []bool, slots []*big.Int) {
	n := len(t.buckets)
	chosen, weights := t.choose()
	for _, means := range t.means {
		robust := new(big.Int)
		if weights == nil {
			left := []*big.Int{}
			for bucket := range n {
				if slices.Contains(chosen, bucket) {
					left = append(left, means[bucket])
				}
			}
			robust = t.middle(left)
		} else {
			for i, point := range append([]*big.Int{median(means)}, means...) {
				robust.Add(robust, new(big.Int).Mul(weights[i], point))
			}
			robust.Rsh(robust, 32)
		}
		robust.Mul(robust, big.NewInt(total))
		slots = append(slots, robust.Rsh(robust.Add(robust, big.NewInt(1<<15)), 16))
	}
	groups := 0
	for _, bucket := range t.buckets {
		groups += len(bucket)
	}
	kept = make([]bool, groups)
	for _, bucket := range chosen {
		for _, place := range t.buckets[bucket] {
			kept[place] = true
		}
	}
	return kept, slots
}

func (t *twin) middle(means []*big.Int) *big.Int {
	slices.SortFunc(means, (*big.Int).Cmp)
	ends := 0
	switch t.rule.Kind {
	case "median":
		return median(means)
	case "trimmed_mean":
		ends = min(t.rule.Faulty, (len(means)-1)/2)
	}
	return average(means[ends : len(means)-ends])
}

func median(means []*big.Int) *big.Int {
	sorted := slices.SortedFunc(slices.Values(means), (*big.Int).Cmp)
	return average(sorted[(len(sorted)-1)/2 : len(sorted)/2+1])
}

func average(numbers []*big.Int) *big.Int {
	sum := new(big.Int)
	for _, number := range numbers {
		sum.Add(sum, number)
	}
	return sum.Div(sum, big.NewInt(int64(len(numbers))))
}

// points are the vectors of the coordinates' median and of the buckets, as distances see them.
func (t *twin) points() [][]*big.Int {
	points := make([][]*big.Int, len(t.buckets)+1)
	for slot, means := range t.means {
		here := []*big.Int{}
		for _, mean := range means {
			here = append(here, new(big.Int).Rsh(mean, t.lows[slot]))
		}
		for i, coordinate := range append([]*big.Int{median(here)}, here...) {
			points[i] = append(points[i], coordinate)
		}
	}
	return points
}

func apart(one, other []*big.Int) *big.Int {
	sum := new(big.Int)
	for i := range one {
		difference := new(big.Int).Sub(one[i], other[i])
		sum.Add(sum, difference.Mul(difference, difference))
	}
	return sum
}

// choose gives the buckets that count, and for centred clipping what each point weighs.
func (t *twin) choose() (chosen []int, weights []*big.Int) {
	points, distances := t.points(), []*big.Int{}
	for bucket, point := range points[1:] {
		chosen, distances = append(chosen, bucket), append(distances, apart(points[0], point))
	}
	half := slices.SortedFunc(slices.Values(distances), (*big.Int).Cmp)[(len(distances)-1)/2]
	if t.rule.Bound {
		limit := new(big.Int).Mul(half, big.NewInt(9))
		chosen = slices.DeleteFunc(chosen, func(bucket int) bool { return distances[bucket].Cmp(limit) > 0 })
	}
	switch t.rule.Kind {
	case "multi_krum":
		return t.krum(points[1:]), nil
	case "centred_clipping":
		return chosen, clip(points, new(big.Int).Sqrt(new(big.Int).Lsh(half, 32)))
	}
	return chosen, nil
}

func (t *twin) krum(points [][]*big.Int) []int {
	scores, order := []*big.Int{}, []int{}
	for bucket, point := range points {
		others := []*big.Int{}
		for _, other := range points {
			others = append(others, apart(point, other))
		}
		slices.SortFunc(others, (*big.Int).Cmp) // its own distance, 0, comes first
		score := new(big.Int)
		for _, distance := range others[:len(points)-t.rule.Faulty] {
			score.Add(score, distance)
		}
		scores, order = append(scores, score), append(order, bucket)
	}
	slices.SortStableFunc(order, func(a, b int) int { return scores[a].Cmp(scores[b]) })
	return order[:len(points)-t.rule.Faulty]
}

// clip moves the centre three times, as a vector in 2^-32.
func clip(points [][]*big.Int, radius *big.Int) []*big.Int {
	one, n := big.NewInt(1<<32), int64(len(points)-1)
	weights := []*big.Int{new(big.Int).Set(one)}
	for range n {
		weights = append(weights, new(big.Int))
	}
	for range 3 {
		centre := make([]*big.Int, len(points[0]))
		for slot := range centre {
			centre[slot] = new(big.Int)
			for i, point := range points {
				centre[slot].Add(centre[slot], new(big.Int).Mul(weights[i], point[slot]))
			}
		}
		moved, total := []*big.Int{}, new(big.Int)
		for _, point := range points[1:] {
			scaled := []*big.Int{}
			for _, coordinate := range point {
				scaled = append(scaled, new(big.Int).Lsh(coordinate, 32))
			}
			distance, share := apart(scaled, centre), new(big.Int).Set(one)
			if distance.Sqrt(distance.Rsh(distance, 32)).Cmp(radius) > 0 {
				share.Div(new(big.Int).Lsh(radius, 32), distance)
			}
			moved = append(moved, share.Div(share, big.NewInt(n)))
			total.Add(total, share)
		}
		weights[0].Set(one)
		for i, share := range moved {
			left := new(big.Int).Sub(one, total)
			weights[i+1].Add(left.Rsh(left.Mul(left, weights[i+1]), 32), share)
			weights[0].Sub(weights[0], weights[i+1])
		}
	}
	return weights
}
