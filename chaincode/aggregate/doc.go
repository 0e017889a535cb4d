// Package aggregate recomputes the integer aggregate of a round from masked updates and revealed shares: what an endorser
// does before it signs. It is a pure function of its inputs and of blobs named by their digests; the outcome is the same
// on every endorser or an error.
//
// For the rules of a round:
//
//	layout, err := ParseLayout(raw)                    // register_plan; layout.Digest, layout.Bytes(), layout.CheckCohort(n)
//	err = verifier.CheckUpdate(digest, layout, caller) // CommitUpdate: here, unaltered, of the right length and form
//	result, err := verifier.Verify(inputs)             // ProposeAggregate; Plain does both without memory and background
//
// What an error means (errors.As and errors.Is):
//
//	*Fault            proven by the inputs, the same everywhere, whatever the proposed digest:
//	  FaultDealer     the shares of Participant, all under its root, rebuild no secret that fits its commitment or key
//	  FaultUpdate     the update of Participant breaks the layout's form (padding, bits above the ring), or is a group's only
//	                  one and leaves its range
//	  FaultGarbage    the sum of several leaves its range: some survivor masked garbage; no one can tell who
//	  FaultAggregator the proposed digest is not the sum's
//	ErrBlob           a blob is missing or altered here: retry when it is there; never another result
//	ErrTooFew         a secret has fewer shares than the threshold yet: go on revealing
//	ErrVerifying      the work runs in the background: call again (FL0901)
//	ErrCost           the work exceeds the voted limit
//	ErrInputs         the caller's inputs contradict one another: a bug of the caller
//
// The first three kinds of fault are found before the digest is compared, so that a round can be voided with its reason
// by whoever proposes any digest.
package aggregate
