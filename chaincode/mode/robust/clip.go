package robust

import "math/big"

// weight is how many bits after the point the weights of centred clipping have.
const weight = 32

// clipped are the weights of centred clipping: of the coordinates' median v, and of each bucket's mean x. From v on, steps times,
// v goes to v + Σ s·(x - v)/n, where s = min(1, r/|x - v|) and r is the median distance of the first v.
//
// Each v is Σ c·x over the points, with weights c of 32 bits whose sum is one exactly. So a squared distance from it follows from
// those between the points, |x - v|² = Σ c_k·|x - x_k|² - ½·Σ c_k·c_l·|x_k - x_l|², in integers and without another look at the vectors.
func (c *combination) clipped() []uint64 {
	const one = uint64(1) << weight
	n := len(c.buckets)
	weights := make([]uint64, n+1)
	weights[0] = one
	radius := root(new(big.Int).Lsh(c.medianDistance().big(), 2*fraction))
	for range steps {
		moved, total := make([]uint64, n+1), uint64(0)
		for bucket, distance := range c.fromCentre(weights) {
			share := one
			if distance.Cmp(radius) > 0 {
				share = new(big.Int).Div(new(big.Int).Lsh(radius, weight), distance).Uint64()
			}
			moved[1+bucket] = share / uint64(n)
			total += moved[1+bucket]
		}
		left := one
		for i := 1; i <= n; i++ {
			weights[i] = (double{0, weights[i]}).times(one-total).right(weight).low + moved[i]
			left -= weights[i]
		}
		weights[0] = left
	}
	return weights
}

// fromCentre are the distances of the buckets' means from the point that the weights make, in 2^-16.
func (c *combination) fromCentre(weights []uint64) []*big.Int {
	toEach := make([]*big.Int, len(weights)) // Σ c_k·|x - x_k|², in 2^-32
	among := new(big.Int)                    // Σ c_k·c_l·|x_k - x_l|², in 2^-64
	for i := range weights {
		toEach[i] = new(big.Int)
		for k, share := range weights {
			product := c.apart(i, k).big()
			toEach[i].Add(toEach[i], product.Mul(product, new(big.Int).SetUint64(share)))
		}
		among.Add(among, new(big.Int).Mul(toEach[i], new(big.Int).SetUint64(weights[i])))
	}
	distances := make([]*big.Int, len(weights)-1)
	for bucket := range distances {
		twice := new(big.Int).Lsh(toEach[1+bucket], weight+1)
		distances[bucket] = root(twice.Rsh(twice.Sub(twice, among), weight+1))
	}
	return distances
}

// root is the floor of the square root.
func root(square *big.Int) *big.Int { return new(big.Int).Sqrt(square) }
