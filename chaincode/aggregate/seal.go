package aggregate

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
)

// seal recognises the bytes of an update that was checked: a GMAC (NIST SP 800-38D) of each chunk, a seventh of the work of
// SHA-256. Its key is its own and stays in this process. So whoever can write to the disk guesses bytes that fit with a chance
// below 2^-114 a chunk, and whether a seal or the hash is asked never changes an outcome.
type seal struct {
	mac  cipher.AEAD
	tags []tag // by the chunk's number
}

type tag [16]byte

func newSeal() *seal {
	var key [32]byte
	_, _ = rand.Read(key[:]) // it never fails
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("aggregate: internal error: AES-256 takes 32 bytes")
	}
	mac, err := cipher.NewGCM(block)
	if err != nil {
		panic("aggregate: internal error: AES has blocks of 16 bytes")
	}
	return &seal{mac: mac}
}

// add takes in the next chunk.
func (s *seal) add(chunk []byte) { s.tags = append(s.tags, s.tag(chunk, len(s.tags))) }

// fits says whether this is the chunk of that number. Safe for concurrent use, once all are added.
func (s *seal) fits(chunk []byte, number int) bool {
	return number < len(s.tags) && s.tag(chunk, number) == s.tags[number]
}

// tag shows nobody what it returns: that is why other bytes may be tried under the same nonce.
func (s *seal) tag(chunk []byte, number int) tag {
	var nonce [12]byte
	binary.BigEndian.PutUint64(nonce[4:], uint64(number))
	return tag(s.mac.Seal(nil, nonce[:], nil, chunk))
}

// sealing are blobs of which some were checked.
type sealing interface {
	// seal is nil where an update was not checked for this layout, or its file has changed since.
	seal(digest Digest, layout Layout) *seal
}

// seen are a verifier's blobs, with the seals that its checks left behind.
type seen struct {
	Blobs
	by *Verifier
}

func (s seen) seal(digest Digest, layout Layout) *seal {
	version, err := s.Version(digest)
	if err != nil {
		return nil
	}
	found, done := s.by.checks.result(checked{digest, updateOf(layout), version})
	if !done || found.err != nil {
		return nil
	}
	return found.seal
}
