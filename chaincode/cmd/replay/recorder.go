package main

import (
	"errors"
	"slices"
	"strings"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/round"
)

// Names of the checks that need blobs. Where a blob is gone, the check is listed as unchecked under its name.
const (
	checkSealed    = "sealed"
	checkUpdate    = "update"
	checkAggregate = "aggregate" // a sum that was published
	checkRefusal   = "refusal"   // a sum that endorsers refused, as a report brings it
	checkFault     = "fault"
)

// maxRefusal bounds the text of a refusal that is taken from the ledger, in bytes.
const maxRefusal = 1000

// recorder verifies where the blobs still exist, and notes what it could and could not check.
type recorder struct {
	own       round.Verifier // nil without blobs
	refusal   string         // why endorsers refused the sum that a report brings, as the ledger says
	checked   []string
	unchecked []string // Invariant: what stands here was not recomputed, and only its outcome was taken as committed.
}

var _ round.Verifier = (*recorder)(nil)

func newRecorder(folder *string) *recorder {
	r := &recorder{}
	if folder != nil {
		r.own = round.Recompute{Work: aggregate.Plain{Blobs: aggregate.Folder(*folder)}}
	}
	r.reset("")
	return r
}

// reset makes ready for a transaction; refusal is why, as the ledger says, endorsers refused the sum that it reports.
func (r *recorder) reset(refusal string) {
	r.refusal, r.checked, r.unchecked = refusal, []string{}, []string{}
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
func (r *recorder) CheckSealed(digest aggregate.Digest, members int, by string) error {
	return r.note(checkSealed, func(v round.Verifier) error { return v.CheckSealed(digest, members, by) })
}

// CheckUpdate implements round.Verifier.
func (r *recorder) CheckUpdate(digest aggregate.Digest, layout aggregate.Layout, by string) error {
	return r.note(checkUpdate, func(v round.Verifier) error { return v.CheckUpdate(digest, layout, by) })
}

// VerifyAggregate implements round.Verifier. A published sum that cannot be made again is taken for right.
func (r *recorder) VerifyAggregate(inputs aggregate.Inputs, rows uint64) error {
	return r.note(checkAggregate, func(v round.Verifier) error { return v.VerifyAggregate(inputs, rows) })
}

// Recheck implements round.Verifier. A refused sum that cannot be made again is taken for refused, with the refusal that the
// ledger gives: the rules go on from there.
func (r *recorder) Recheck(inputs aggregate.Inputs, rows uint64, by string) error {
	err := r.note(checkRefusal, func(v round.Verifier) error { return v.Recheck(inputs, rows, by) })
	if err == nil && slices.Contains(r.unchecked, checkRefusal) {
		return claimed(r.refusal)
	}
	return err
}

// claimed is the refusal that a text says; it can only be one that endorsers give for a sum.
func claimed(text string) error {
	code := errcode.Of(errors.New(text))
	known := code == errcode.AggregateMismatch || code == errcode.WrongCount
	body, coded := strings.CutPrefix(text, string(code)+": ")
	if !known || !coded || len(text) > maxRefusal {
		return errcode.New(errcode.NotProven, "the ledger gives no reason for which endorsers refuse a sum")
	}
	return errcode.New(code, "%s", body)
}

// VerifyFault implements round.Verifier.
func (r *recorder) VerifyFault(inputs aggregate.Inputs, fault aggregate.Fault) error {
	return r.note(checkFault, func(v round.Verifier) error { return v.VerifyFault(inputs, fault) })
}
