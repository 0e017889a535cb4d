package secagg

import (
	"bytes"
	"crypto/ecdh"
	"errors"
	"fmt"
	"slices"
)

// ErrPublicKey says that 32 bytes are no X25519 public key that a participant may publish.
var ErrPublicKey = errors.New("bad-public-key")

// fieldPrime is 2^255−19, little-endian as X25519 writes coordinates.
var fieldPrime = append(append([]byte{0xed}, bytes.Repeat([]byte{0xff}, 30)...), 0x7f)

// probe is any scalar: clamping makes it a multiple of the cofactor, which sends exactly the low-order points to zero.
var probe = mustPrivate(bytes.Repeat([]byte{0x55}, 32))

// CheckPublicKey refuses keys of another length, coordinates of 2^255−19 or more (a second spelling of the same key
// would pass a test of uniqueness) and points of low order, whose shared secret anyone knows.
func CheckPublicKey(key []byte) error {
	if len(key) != 32 {
		return fmt.Errorf("%w: %d bytes, not 32", ErrPublicKey, len(key))
	}
	if !littleEndianLess(key, fieldPrime) {
		return fmt.Errorf("%w: coordinate not reduced", ErrPublicKey)
	}
	public, err := ecdh.X25519().NewPublicKey(key)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrPublicKey, err)
	}
	if _, err := probe.ECDH(public); err != nil {
		return fmt.Errorf("%w: point of low order", ErrPublicKey)
	}
	return nil
}

func littleEndianLess(a, b []byte) bool {
	bigA, bigB := slices.Clone(a), slices.Clone(b)
	slices.Reverse(bigA)
	slices.Reverse(bigB)
	return bytes.Compare(bigA, bigB) < 0
}

// PublicKey is the X25519 public key of 32 secret bytes.
func PublicKey(secret [32]byte) [32]byte {
	return [32]byte(mustPrivate(secret[:]).PublicKey().Bytes())
}

// Private is the X25519 private key of 32 secret bytes. Making it costs a scalar multiplication: make it once.
func Private(secret [32]byte) *ecdh.PrivateKey {
	return mustPrivate(secret[:])
}

// Agree is the X25519 shared secret. It fails on points of low order.
func Agree(private *ecdh.PrivateKey, public [32]byte) ([]byte, error) {
	key, err := ecdh.X25519().NewPublicKey(public[:])
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrPublicKey, err)
	}
	shared, err := private.ECDH(key)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrPublicKey, err)
	}
	return shared, nil
}

func mustPrivate(secret []byte) *ecdh.PrivateKey {
	private, err := ecdh.X25519().NewPrivateKey(secret)
	if err != nil {
		panic("secagg: internal error: X25519 takes any 32 bytes")
	}
	return private
}
