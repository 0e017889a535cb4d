package aggregate

import "io"

// SumKeeping is Sum with another limit of what is kept between two passes.
var SumKeeping = sum

// Sealed says whether a check of the update left a seal that holds.
func (v *Verifier) Sealed(digest Digest, layout Layout) bool {
	return seen{v.blobs, v}.seal(digest, layout) != nil
}

// SumWith is Sum of other blobs, with the seals of a verifier and without its memory of outcomes.
func SumWith(v *Verifier, in Inputs, blobs Blobs) (Result, error) {
	return Sum(in, seen{blobs, v}, io.Discard)
}
