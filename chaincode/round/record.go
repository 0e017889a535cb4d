package round

// Word says when a member said something. Invariant: 0 in version 1 of the rules; later the transaction's time, and no earlier
// than its phase began.
type Word struct {
	TimeMS int64 `json:"time_ms,omitempty"`
}

func (w Word) at() int64 { return w.TimeMS }

// Keys are a member's two fresh public keys of an attempt.
type Keys struct {
	KeyPair
	Word
}

// KeyPair are two public keys (X25519). Invariant: no other member, attempt or training ever published either.
type KeyPair struct {
	SealKey string `json:"seal_key"` // others seal shares to it
	MaskKey string `json:"mask_key"` // pairwise masks come from it
}

// Shares are what a member dealt.
type Shares struct {
	Dealt
	Word
}

// Dealt are a member's commitments to its seed and to all shares that it dealt, and the digest of its sealed bundle.
type Dealt struct {
	SeedCommitment string `json:"seed_commitment"`
	// SharesRoot is the Merkle root over both shares of every member of U1. Invariant: what is revealed stands under it.
	SharesRoot string `json:"shares_root"`
	// Sealed is the bundle's digest. Invariant: each endorser of the commitment held the bundle.
	Sealed string `json:"sealed"`
}

// Update is a member's masked update.
type Update struct {
	// Digest is the masked vector's. Invariant: each endorser of the commitment held the vector.
	Digest string `json:"digest"`
	// Length is in bytes. Invariant: Length is the round's UpdateBytes.
	Length uint64 `json:"length"`
	// Examples is the declared count. Invariant: a multiple of count_bucket, from 1 to the member's rows rounded up to it.
	Examples uint64 `json:"examples"`
}

// Reveal is what one member of U2 revealed. Invariant: at least one share, one of each dealer at most, in cohort order of
// the dealers.
type Reveal struct {
	Shares []RevealedShare `json:"shares"`
	Word
}

// Revealed says that a member has revealed its shares, and when: its Reveal grows with the cohort, and most readers ask no more
// than this.
type Revealed struct{ Word }

// RevealedShare is one share that was checked against its dealer's root.
type RevealedShare struct {
	Dealer string `json:"dealer"` // Invariant: in U2
	// Kind is "seed" or "mask". Invariant: the seed's of a survivor, the mask key's of any other dealer, so that of one member
	// the two secrets are never both on the ledger.
	Kind  string `json:"kind"`
	Value string `json:"value"` // 66 bytes in hex
}

// Proposed is an aggregator's claim about the round's result.
type Proposed struct {
	// Number counts the attempt's proposals from 1.
	Number uint64 `json:"number"`
	// Proposer is a survivor.
	Proposer string `json:"proposer"`
	// Aggregate is the sum's digest. Invariant: each endorser of the proposal recomputed it.
	Aggregate string `json:"aggregate"`
	// State is the digest of what the plan's update makes of the sum, Metrics the numbers beside it, decimal text by name. No
	// endorser computes them: nodes do, and attest.
	State string `json:"state"`
	// Invariant: at most 64 metrics.
	Metrics map[string]string `json:"metrics"`
	// Examples is the count inside the sum. Invariant: 0 where the plan's layout counts none.
	Examples uint64 `json:"examples"`
	// Sums are the digests of the opened groups' sums, in the order of the groups. Invariant: each endorser of the proposal
	// recomputed them; absent where the cohort has one sum.
	Sums []string `json:"sums,omitempty"`
	// Outlying are the groups, by their place in the round's, whose sums the rule left out: those beyond the bound, or that
	// multi-Krum did not choose. Invariant: each endorser of the proposal found the same; absent where it left out none.
	Outlying []int `json:"outlying,omitempty"`
}

// Attestation is an organisation's verdict on the proposed state, once for each proposal.
type Attestation struct {
	// State is the one that the organisation computed. Invariant: where Agree, the proposed one, which is close enough. It may
	// also be the proposed one where not: then the metrics are others.
	State string `json:"state"`
	Agree bool   `json:"agree"`
	// DeviationE9 is how far its own state lies from the one that it agrees to, relatively and in 10^-9. Invariant: at most
	// MaxDeviationE9 where Agree; without meaning else.
	DeviationE9 uint64 `json:"deviation_e9"`
}
