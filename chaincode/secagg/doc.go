// Package secagg holds the steps of secure aggregation (Bonawitz et al., CCS 2017) that endorsers check: session digest,
// threshold, public keys, commitments, revealed shares, key derivation. Every function is pure. fl_node/secagg is the
// participant's side; tests/vectors holds what both must agree on.
//
// What the rules of a round call, in its order:
//
//	Open          Session(…) fixes the digest S that every later byte is bound to; Threshold(n)
//	PublishKeys   CheckPublicKey(key) for both keys (that a key was never seen before is the ledger's to know)
//	RevealShares  CheckReveal(S, root of the dealer, ids of U1 in cohort order, reveal)
//	              kind must be KindSeed for a survivor, KindMask for a dropout: the round's rule, not checked here
//	beacon        Rebuilder.Seed gives the b of each survivor, checked against its commitment
//	Unmask        package aggregate
package secagg
