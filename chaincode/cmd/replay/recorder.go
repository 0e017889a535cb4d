package main

import (
	"slices"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/round"
)

// recorder verifies where the blobs still exist, and notes what it could and could not check.
type recorder struct {
	own       round.Verifier // nil without blobs
	checked   []string
	unchecked []string
}

var _ round.Verifier = (*recorder)(nil)

func newRecorder(folder *string) *recorder {
	r := &recorder{}
	if folder != nil {
		blobs := aggregate.Folder(*folder)
		r.own = round.Recompute{Blobs: blobs, Verify: func(in aggregate.Inputs) (aggregate.Result, error) {
			return aggregate.Verify(in, blobs)
		}}
	}
	r.reset()
	return r
}

// reset makes ready for a transaction.
func (r *recorder) reset() {
	r.checked, r.unchecked = []string{}, []string{}
}

// note runs a check; a blob that is gone leaves the check undone, and says so.
func (r *recorder) note(what string, check func(round.Verifier) error) error {
	if r.own == nil {
		r.unchecked = append(r.unchecked, what)
		return nil
	}
	err := check(r.own)
	if err != nil && errcode.Of(err) == errcode.BlobMissing {
		r.unchecked = append(r.unchecked, what)
		return nil
	}
	r.checked = append(r.checked, what)
	return err
}

// CheckSealed implements round.Verifier.
func (r *recorder) CheckSealed(digest aggregate.Digest, members int) error {
	return r.note("sealed", func(v round.Verifier) error { return v.CheckSealed(digest, members) })
}

// CheckUpdate implements round.Verifier.
func (r *recorder) CheckUpdate(digest aggregate.Digest, layout aggregate.Layout) error {
	return r.note("update", func(v round.Verifier) error { return v.CheckUpdate(digest, layout) })
}

// VerifyAggregate implements round.Verifier. A published sum that cannot be made again is taken as committed.
func (r *recorder) VerifyAggregate(inputs aggregate.Inputs, rows uint64) error {
	return r.note("aggregate", func(v round.Verifier) error { return v.VerifyAggregate(inputs, rows) })
}

// Recheck implements round.Verifier. Of a sum that endorsers refused only they can tell why: without its updates the rules
// cannot go on.
func (r *recorder) Recheck(inputs aggregate.Inputs, rows uint64, by string) error {
	err := r.note("refusal", func(v round.Verifier) error { return v.Recheck(inputs, rows, by) })
	if err == nil && slices.Contains(r.unchecked, "refusal") {
		return errcode.New(errcode.BlobMissing, "the masked updates of a refused sum are not at hand")
	}
	return err
}

// VerifyFault implements round.Verifier.
func (r *recorder) VerifyFault(inputs aggregate.Inputs, fault aggregate.Fault) error {
	return r.note("fault", func(v round.Verifier) error { return v.VerifyFault(inputs, fault) })
}
