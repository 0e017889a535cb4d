package secagg

import (
	"crypto/sha256"
	"errors"
	"fmt"
)

// ErrProof says that a leaf is not under the root at its place.
var ErrProof = errors.New("bad-proof")

// VerifyPath checks an audit path, leaf to root, for the leaf at index of a tree of size leaves (RFC 9162 §2.1.3.2; the
// tree is that of RFC 6962).
func VerifyPath(root Digest, index, size int, leaf []byte, path []Digest) error {
	if index < 0 || index >= size {
		return fmt.Errorf("%w: leaf %d of %d", ErrProof, index, size)
	}
	node, last, hash := index, size-1, leafHash(leaf)
	for _, sibling := range path {
		if last == 0 {
			return fmt.Errorf("%w: path too long", ErrProof)
		}
		if node&1 == 1 || node == last {
			hash = parent(sibling, hash)
			for node&1 == 0 && node != 0 {
				node, last = node>>1, last>>1
			}
		} else {
			hash = parent(hash, sibling)
		}
		node, last = node>>1, last>>1
	}
	if last != 0 || hash != root {
		return fmt.Errorf("%w: another root", ErrProof)
	}
	return nil
}

// pathLength is how many hashes the audit path of a leaf has.
func pathLength(index, size int) int {
	length := 0
	for last := size - 1; last > 0; index, last = index>>1, last>>1 {
		if index&1 == 1 || index != last {
			length++
		}
	}
	return length
}

func leafHash(leaf []byte) Digest { return sha256.Sum256(append([]byte{0}, leaf...)) }

func parent(left, right Digest) Digest {
	buffer := make([]byte, 0, 65)
	buffer = append(append(append(buffer, 1), left[:]...), right[:]...)
	return sha256.Sum256(buffer)
}
