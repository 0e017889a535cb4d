package robust

import (
	"math/big"
	"math/bits"
)

// double is an integer of 128 bits.
type double struct{ high, low uint64 }

func (d double) compare(other double) int {
	switch {
	case d == other:
		return 0
	case d.high < other.high || d.high == other.high && d.low < other.low:
		return -1
	}
	return 1
}

func (d double) plus(other double) double {
	low, carry := bits.Add64(d.low, other.low, 0)
	return double{d.high + other.high + carry, low}
}

func (d double) over(divisor uint64) double {
	high, rest := d.high/divisor, d.high%divisor
	low, _ := bits.Div64(rest, d.low, divisor)
	return double{high, low}
}

func (d double) times(factor uint64) double {
	high, low := bits.Mul64(d.low, factor)
	return double{d.high*factor + high, low}
}

// right shifts by 0 to 63 bits.
func (d double) right(by uint) double { return double{d.high >> by, d.high<<(64-by) | d.low>>by} }

func (d double) big() *big.Int {
	high := new(big.Int).Lsh(new(big.Int).SetUint64(d.high), 64)
	return high.Or(high, new(big.Int).SetUint64(d.low))
}
