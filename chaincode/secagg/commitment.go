package secagg

import (
	"errors"
	"fmt"
	"slices"

	"fedledger/chaincode/codec"
)

// Kind says which secret of the dealer a share belongs to.
type Kind string

const (
	// KindSeed marks shares of the self-mask seed b: revealed for survivors only.
	KindSeed Kind = "seed"
	// KindMask marks shares of the secret mask key: revealed for dropouts only.
	KindMask Kind = "mask"
)

// ErrMember says that a dealer or receiver has no keys in this attempt.
var ErrMember = errors.New("not-a-member")

// ErrKind says that a kind is neither seed nor mask.
var ErrKind = errors.New("bad-kind")

// Reveal is one share as its receiver opens it.
type Reveal struct {
	Dealer, Receiver string
	Kind             Kind
	Value            [ShareBytes]byte
	Proof            []Digest
}

// SeedCommitment binds a participant to its seed b before it sees anyone else's.
func SeedCommitment(session Digest, id string, seed [32]byte) Digest {
	return codec.Hash(codec.LabelSeedCommitment, session[:], []byte(id), seed[:])
}

// ShareLeaf is the value of a share's leaf. The value has 521 bits of entropy, so that a leaf hides it.
func ShareLeaf(session Digest, dealer, receiver string, kind Kind, value [ShareBytes]byte) Digest {
	return codec.Hash(codec.LabelShareLeaf, session[:], []byte(dealer), []byte(receiver), []byte(kind), value[:])
}

// CheckDealt checks both shares that a dealer dealt to a receiver against its root: the reveal is of the mask key, its proof
// the path above the pair of leaves, which is the seed's too.
func CheckDealt(session, root Digest, members []string, mask Reveal, seed [ShareBytes]byte) error {
	if err := CheckShare(seed); err != nil {
		return err
	}
	leaf := ShareLeaf(session, mask.Dealer, mask.Receiver, KindSeed, seed)
	mask.Kind, mask.Proof = KindMask, append([]Digest{leafHash(leaf[:])}, mask.Proof...)
	return CheckReveal(session, root, members, mask)
}

// CheckReveal checks a revealed share against the root that its dealer committed to. members are the ids of U1, those
// with keys, in cohort order. A failure is the revealer's fault: ErrShare, ErrProof, ErrMember or ErrKind.
func CheckReveal(session, root Digest, members []string, reveal Reveal) error {
	position := slices.Index(members, reveal.Receiver)
	if position < 0 || !slices.Contains(members, reveal.Dealer) {
		return fmt.Errorf("%w: dealer %s, receiver %s", ErrMember, reveal.Dealer, reveal.Receiver)
	}
	index := 2 * position
	switch reveal.Kind {
	case KindMask:
	case KindSeed:
		index++
	default:
		return fmt.Errorf("%w: %q", ErrKind, reveal.Kind)
	}
	if err := CheckShare(reveal.Value); err != nil {
		return err
	}
	leaf := ShareLeaf(session, reveal.Dealer, reveal.Receiver, reveal.Kind, reveal.Value)
	return VerifyPath(root, index, 2*len(members), leaf[:], reveal.Proof)
}
