package robust

// block is how many slots are worked on at a time, row by row: so many means of a few groups stay in a core's own cache, and a
// loop over a row waits neither for a branch nor for the number before.
const block = 512

// rows are the means of up to block slots, one row a bucket.
type rows struct{ all, cut [][]uint64 }

func newRows(n int) rows {
	r := rows{make([][]uint64, n), make([][]uint64, n)}
	for i := range r.all {
		r.all[i] = make([]uint64, block)
	}
	return r
}

// of are the rows, cut to so many slots.
func (r rows) of(slots int) [][]uint64 {
	for i, row := range r.all {
		r.cut[i] = row[:slots]
	}
	return r.cut
}

// sort sorts every slot's means by Batcher's merge exchange (Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M): which
// rows are compared depends on nothing but their number.
func sort(rows [][]uint64) {
	n := len(rows)
	for p := 1; p < n; p *= 2 {
		for k := p; k > 0; k /= 2 {
			for from := k % p; from+k < n; from += 2 * k {
				for low := from; low < min(from+k, n-k); low++ {
					if low/(2*p) == (low+k)/(2*p) {
						exchange(rows[low], rows[low+k])
					}
				}
			}
		}
	}
}

// exchange puts the smaller of two into the first row, slot by slot.
func exchange(first, second []uint64) {
	second = second[:len(first)]
	for slot, one := range first {
		other := second[slot]
		first[slot], second[slot] = min(one, other), max(one, other)
	}
}

// fill writes the means of sums into a row: 2^16·S over the bucket's size, in 64 bits.
func fill[W uint32 | uint64](row []uint64, sums []W, size int, shift uint) {
	sums, half, divide := sums[:len(row)], uint64(size)/2, by(uint64(size))
	if divide.divisor == 1 {
		for slot, sum := range sums {
			row[slot] = uint64(sum) << fraction >> shift
		}
		return
	}
	for slot, sum := range sums {
		row[slot] = divide.of(uint64(sum)<<fraction+half) >> shift
	}
}
