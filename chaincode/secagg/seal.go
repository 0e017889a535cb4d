package secagg

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"math/bits"

	"fedledger/chaincode/codec"
)

const tagBytes = 16

// ErrSealed says that a sealed message does not open.
var ErrSealed = errors.New("bad-seal")

// SealedBytes is the length of a sealed message among so many members of U1: both shares, an audit path above the pair of
// leaves, padded with zeros to the tree's depth, and the tag.
func SealedBytes(members int) int {
	return 2*ShareBytes + 32*bits.Len(uint(members-1)) + tagBytes
}

// BundleBytes is the length of a dealer's sealed bundle: its sealed messages for all other members of U1, in cohort order.
func BundleBytes(members int) int { return (members - 1) * SealedBytes(members) }

// Dealt is the content of a sealed message: both shares and the part of their audit paths above the pair of leaves.
type Dealt struct {
	Mask, Seed [ShareBytes]byte
	Path       []Digest
}

// OpenShares opens the sealed message from one participant to another, who has this place among so many members of U1,
// with AES-256-GCM. The nonce is zero because the key serves one message: it is bound to the session, the direction and
// both fresh public keys.
func OpenShares(session Digest, from, to string, key [32]byte, sealed []byte, place, members int) (Dealt, error) {
	plain, err := gcm(key).Open(nil, make([]byte, 12), sealed, shareAAD(session, from, to))
	if err != nil {
		return Dealt{}, fmt.Errorf("%w: from %s to %s", ErrSealed, from, to)
	}
	if len(sealed) != SealedBytes(members) {
		return Dealt{}, fmt.Errorf("%w: %d bytes", ErrSealed, len(sealed))
	}
	dealt := Dealt{Mask: [ShareBytes]byte(plain[:ShareBytes]), Seed: [ShareBytes]byte(plain[ShareBytes : 2*ShareBytes])}
	rest := plain[2*ShareBytes:]
	for range pathLength(place, members) {
		dealt.Path, rest = append(dealt.Path, Digest(rest[:32])), rest[32:]
	}
	if !bytes.Equal(rest, make([]byte, len(rest))) {
		return Dealt{}, fmt.Errorf("%w: padded with other than zeros", ErrSealed)
	}
	return dealt, nil
}

func shareAAD(session Digest, from, to string) []byte {
	aad := codec.Hash(codec.LabelShareAAD, session[:], []byte(from), []byte(to))
	return aad[:]
}

func gcm(key [32]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("secagg: internal error: AES-256 takes 32 bytes")
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("secagg: internal error: GCM takes AES")
	}
	return aead
}
