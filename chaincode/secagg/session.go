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
	// Groups is the digest of the groups that masks are shared within; empty where the cohort is not split.
	Groups []byte
}

// group numbers the session of an attempt: the groups of a cohort, where there are some, have one in common.
const group = 0

// Session is the session digest S of an attempt.
func Session(c Context) Digest {
	parts := [][]byte{
		[]byte(c.Channel), []byte(c.Training), codec.U64(c.Round), codec.U64(c.Attempt), codec.U64(group),
		c.Plan[:], c.BaseState[:], c.LayoutDigest[:],
	}
	if len(c.Groups) > 0 {
		parts = append(parts, c.Groups)
	}
	return codec.Hash(codec.LabelSession, parts...)
}

// Threshold is how many participants of a drawn cohort of n must reveal: ⌊2n/3⌋+1, so that two different answers of an
// untrusted server cannot both gather enough shares. It is never below ⌊n/2⌋+1.
func Threshold(n int) int {
	return 2*n/3 + 1
}
