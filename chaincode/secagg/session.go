package secagg

import "fedledger/chaincode/codec"

// Digest is a SHA-256.
type Digest = [32]byte

// Context names one attempt of one round: what every key and share of it is bound to.
type Context struct {
	Channel, Training string
	Round, Attempt    uint64
	Plan, BaseState   Digest
	LayoutDigest      Digest
}

// group is the only group there is in the mode secure_sum.
const group = 0

// Session is the session digest S of an attempt.
func Session(c Context) Digest {
	return codec.Hash(codec.LabelSession, []byte(c.Channel), []byte(c.Training), codec.U64(c.Round), codec.U64(c.Attempt),
		codec.U64(group), c.Plan[:], c.BaseState[:], c.LayoutDigest[:])
}

// Threshold is how many participants of a drawn cohort of n must reveal: ⌊2n/3⌋+1, so that two different answers of an
// untrusted server cannot both gather enough shares. It is never below ⌊n/2⌋+1.
func Threshold(n int) int {
	return 2*n/3 + 1
}
