package secagg

import (
	"errors"
	"fmt"
	"math/big"
)

// ShareBytes is the length of a share's value: 521 bits, big-endian.
const ShareBytes = 66

// ErrSecret says that shares rebuild no 32-byte secret: the dealer's fault where each share fits the dealer's root.
var ErrSecret = errors.New("bad-secret")

// ErrShare says that a share's value is no element of the field.
var ErrShare = errors.New("bad-share")

// ErrTooFew says that fewer shares than the threshold were revealed so far: nobody's fault yet.
var ErrTooFew = errors.New("too-few-shares")

// prime is 2^521 − 1.
var prime = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 521), big.NewInt(1))

// Basis holds the Lagrange coefficients at zero of a set of points. Secrets shared to the same receivers use one Basis.
type Basis []*big.Int

// NewBasis computes the coefficients for distinct x > 0, in the order given: λᵢ = Π_{j≠i} xⱼ / (xⱼ − xᵢ).
func NewBasis(points []int) Basis {
	product := big.NewInt(1)
	for _, x := range points {
		product.Mul(product, big.NewInt(int64(x))).Mod(product, prime)
	}
	basis := make(Basis, len(points))
	factor := new(big.Int)
	for i, x := range points {
		divisor := big.NewInt(int64(x)) // xᵢ itself turns Π xⱼ into Π_{j≠i} xⱼ
		for j, other := range points {
			if i != j {
				divisor.Mul(divisor, factor.SetInt64(int64(other-x))).Mod(divisor, prime)
			}
		}
		basis[i] = divisor.ModInverse(divisor, prime)
		basis[i].Mul(basis[i], product).Mod(basis[i], prime)
	}
	return basis
}

// Rebuild is the secret behind one value per point of the basis (Shamir 1979). It fails with ErrShare for a value outside
// the field and with ErrSecret where the result is 2^256 or more.
func (b Basis) Rebuild(values [][ShareBytes]byte) ([32]byte, error) {
	sum, term := new(big.Int), new(big.Int)
	for i, value := range values {
		if err := CheckShare(value); err != nil {
			return [32]byte{}, err
		}
		sum.Add(sum, term.Mul(term.SetBytes(value[:]), b[i]))
	}
	if sum.Mod(sum, prime); sum.BitLen() > 256 {
		return [32]byte{}, fmt.Errorf("%w: not 32 bytes", ErrSecret)
	}
	var secret [32]byte
	sum.FillBytes(secret[:])
	return secret, nil
}

// CheckShare refuses values of 2^521−1 or more.
func CheckShare(value [ShareBytes]byte) error {
	if new(big.Int).SetBytes(value[:]).Cmp(prime) >= 0 {
		return fmt.Errorf("%w: outside the field", ErrShare)
	}
	return nil
}
