package aggregate

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
)

// mask is a keystream that lies in the sum of a group's updates: added says with which sign.
type mask struct {
	key   [32]byte
	added bool
	group int
}

var zeros [chunkBytes]byte

// Keystream writes the bytes of AES-256-CTR (NIST SP 800-38A) from a byte offset, a multiple of 16, into out,
// at most a chunk. The counter block starts at zero and counts as one 128-bit big-endian integer.
func Keystream(out []byte, key [32]byte, offset int) {
	keystream(key, offset).XORKeyStream(out, zeros[:len(out)])
}

func keystream(key [32]byte, offset int) cipher.Stream {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("aggregate: internal error: AES-256 takes 32 bytes")
	}
	var counter [aes.BlockSize]byte
	binary.BigEndian.PutUint64(counter[8:], uint64(offset/aes.BlockSize))
	return cipher.NewCTR(block, counter[:])
}
