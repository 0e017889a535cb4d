package aggregate

import (
	"fmt"
	"io"
	"slices"
)

// Verify recomputes the aggregate from the committed updates and the revealed shares and compares the proposed digest.
// Its errors are those of the package comment. Memory does not depend on the length of the vectors, beyond what keptBytes allows.
func Verify(in Inputs, blobs Blobs) (Result, error) {
	result, err := Sum(in, blobs, io.Discard)
	if err != nil {
		return Result{}, err
	}
	return result, compare(result, in)
}

func compare(result Result, in Inputs) error {
	if result.Aggregate != in.Aggregate {
		reason := fmt.Sprintf("proposed %x, the updates give %x", in.Aggregate, result.Aggregate)
		return &Fault{Kind: FaultAggregator, Reason: reason}
	}
	if !slices.Equal(result.Sums, in.Sums) {
		reason := fmt.Sprintf("proposed the groups' sums %x, the updates give %x", in.Sums, result.Sums)
		return &Fault{Kind: FaultAggregator, Reason: reason}
	}
	if !slices.Equal(result.Outlying, in.Outlying) {
		reason := fmt.Sprintf("proposed that the groups %v are left out, the updates give %v", in.Outlying, result.Outlying)
		return &Fault{Kind: FaultAggregator, Reason: reason}
	}
	return nil
}

// Sum recomputes the aggregate and writes its bytes to out. What was written counts only where Sum returns no error.
func Sum(in Inputs, blobs Blobs, out io.Writer) (Result, error) {
	return sum(in, blobs, out, keptBytes)
}

// sum keeps at most so many bytes of groups' sums between two passes.
func sum(in Inputs, blobs Blobs, out io.Writer, keep int) (Result, error) {
	if err := in.check(); err != nil {
		return Result{}, err
	}
	known, err := in.rebuild()
	if err != nil {
		return Result{}, err
	}
	taking := newTaking(in, in.draw(known), out, keep)
	if err := taking.run(func(take func([]words, int)) error { return in.summed(blobs, known, take) }); err != nil {
		return Result{}, err
	}
	result := taking.result()
	for _, i := range in.survivors() {
		result.Seeds = append(result.Seeds, known.seeds[i])
	}
	return result, nil
}

// Plain does the work of a Verifier at once, each time anew: for who waits for it anyway, and for tests.
type Plain struct{ Blobs Blobs }

// Verify is the function Verify.
func (p Plain) Verify(in Inputs) (Result, error) { return Verify(in, p.Blobs) }

// Again is Verify.
func (p Plain) Again(in Inputs, _ string) (Result, error) { return Verify(in, p.Blobs) }

// CheckUpdate is the function CheckUpdate.
func (p Plain) CheckUpdate(digest Digest, layout Layout, _ string) error {
	return CheckUpdate(p.Blobs, digest, layout)
}

// CheckBlob is the function CheckBlob.
func (p Plain) CheckBlob(digest Digest, length int, _ string) error {
	return CheckBlob(p.Blobs, digest, length)
}
