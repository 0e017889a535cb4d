package secagg

import "fmt"

// Share is a revealed share of one dealer's secret: the receiver's place in the cohort (from 0) and the value.
type Share struct {
	Receiver int
	Value    [ShareBytes]byte
}

// Rebuilder rebuilds secrets and remembers the basis of each set of receivers. The zero value is ready; it is not safe
// for concurrent use.
type Rebuilder struct {
	bases map[string]Basis
}

// Seed rebuilds a survivor's seed b from the first threshold shares, in order of receivers, and checks its commitment.
// A failure with ErrSecret is the dealer's fault: every share was checked against its root when it was revealed.
func (r *Rebuilder) Seed(session Digest, id string, commitment Digest, threshold int, shares []Share) ([32]byte, error) {
	seed, err := r.secret(threshold, shares)
	if err != nil {
		return [32]byte{}, err
	}
	if SeedCommitment(session, id, seed) != commitment {
		return [32]byte{}, fmt.Errorf("%w: seed differs from its commitment", ErrSecret)
	}
	return seed, nil
}

// MaskKey rebuilds a dropout's secret mask key likewise and checks that it belongs to the public one.
func (r *Rebuilder) MaskKey(public [32]byte, threshold int, shares []Share) ([32]byte, error) {
	key, err := r.secret(threshold, shares)
	if err != nil {
		return [32]byte{}, err
	}
	if PublicKey(key) != public {
		return [32]byte{}, fmt.Errorf("%w: mask key differs from the public key", ErrSecret)
	}
	return key, nil
}

func (r *Rebuilder) secret(threshold int, shares []Share) ([32]byte, error) {
	if len(shares) < threshold || threshold < 1 {
		return [32]byte{}, fmt.Errorf("%w: %d of %d", ErrTooFew, len(shares), threshold)
	}
	points, values := make([]int, threshold), make([][ShareBytes]byte, threshold)
	for i, share := range shares[:threshold] {
		if share.Receiver < 0 || (i > 0 && share.Receiver <= shares[i-1].Receiver) {
			return [32]byte{}, fmt.Errorf("%w: receivers out of order", ErrShare)
		}
		points[i], values[i] = share.Receiver+1, share.Value
	}
	key := fmt.Sprint(points)
	if r.bases == nil {
		r.bases = map[string]Basis{}
	}
	if r.bases[key] == nil {
		r.bases[key] = NewBasis(points)
	}
	return r.bases[key].Rebuild(values)
}
