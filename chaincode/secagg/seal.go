package secagg

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"

	"fedledger/chaincode/codec"
)

// ErrSealed says that a sealed message does not open.
var ErrSealed = errors.New("bad-seal")

// Dealt is the content of a sealed message: both shares and the part of their audit paths above the pair of leaves.
type Dealt struct {
	Mask, Seed [ShareBytes]byte
	Path       []Digest
}

// OpenShares opens the sealed message from one participant to another with AES-256-GCM. The nonce is zero because the
// key serves one message: it is bound to the session, the direction and both fresh public keys.
func OpenShares(session Digest, from, to string, key [32]byte, sealed []byte) (Dealt, error) {
	plain, err := gcm(key).Open(nil, make([]byte, 12), sealed, shareAAD(session, from, to))
	if err != nil {
		return Dealt{}, fmt.Errorf("%w: from %s to %s", ErrSealed, from, to)
	}
	if len(plain) < 2*ShareBytes || (len(plain)-2*ShareBytes)%32 != 0 {
		return Dealt{}, fmt.Errorf("%w: %d bytes inside", ErrSealed, len(plain))
	}
	dealt := Dealt{Mask: [ShareBytes]byte(plain[:ShareBytes]), Seed: [ShareBytes]byte(plain[ShareBytes : 2*ShareBytes])}
	for rest := plain[2*ShareBytes:]; len(rest) > 0; rest = rest[32:] {
		dealt.Path = append(dealt.Path, Digest(rest[:32]))
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
