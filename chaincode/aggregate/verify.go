package aggregate

import (
	"crypto/sha256"
	"fmt"
	"io"
)

// Verify recomputes the aggregate from the committed updates and the revealed shares and compares the proposed digest.
// Its errors are those of the package comment. Memory does not depend on the length of the vectors.
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
	return nil
}

// Sum recomputes the aggregate and writes its bytes to out. What was written counts only where Sum returns no error.
func Sum(in Inputs, blobs Blobs, out io.Writer) (Result, error) {
	if err := in.check(); err != nil {
		return Result{}, err
	}
	known, err := in.rebuild()
	if err != nil {
		return Result{}, err
	}
	summer, err := newSummer(in, blobs, known)
	if err != nil {
		return Result{}, err
	}
	defer summer.close()

	survivors := in.survivors()
	ranges, hash := newRanges(in.Layout, len(survivors)), sha256.New()
	buffer, failed := make([]byte, min(chunkBytes, in.Layout.Bytes())), error(nil)
	err = summer.run(func(chunk words, start int) {
		ranges.take(chunk, start)
		bytes := buffer[:8*len(chunk.wide)+4*len(chunk.narrow)]
		chunk.bytes(bytes)
		_, _ = hash.Write(bytes)
		if _, err := out.Write(bytes); err != nil {
			failed = err
		}
	})
	switch {
	case err != nil:
		return Result{}, err
	case failed != nil:
		return Result{}, failed
	case ranges.garbage != nil:
		return Result{}, ranges.garbage
	}
	result := Result{Aggregate: Digest(hash.Sum(nil))}
	result.Rows, result.HasRows = ranges.rows()
	for _, i := range survivors {
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
