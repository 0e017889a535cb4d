package aggregate

import (
	"crypto/sha256"
	"hash"
	"io"
)

// taking takes the groups' sums chunk by chunk: checks each, hashes each, combines them, and hashes and writes the result.
type taking struct {
	rule   Rule
	spans  []span
	sizes  []int
	groups []*ranges
	hashes []hash.Hash // of the groups' sums; none without a rule
	hash   hash.Hash   // of the result
	out    io.Writer
	buffer []byte
	failed error
}

func newTaking(in Inputs, sizes []int, out io.Writer) *taking {
	t := &taking{
		rule: in.Rule, spans: in.Layout.spans(), sizes: sizes, hash: sha256.New(), out: out,
		buffer: make([]byte, min(chunkBytes, in.Layout.Bytes())),
	}
	for _, size := range sizes {
		t.groups = append(t.groups, newRanges(in.Layout, size))
		if in.Rule != nil {
			t.hashes = append(t.hashes, sha256.New())
		}
	}
	return t
}

func (t *taking) take(chunks []words, start int) {
	for group, chunk := range chunks {
		t.groups[group].take(chunk, start)
		if t.rule != nil {
			_, _ = t.hashes[group].Write(t.bytes(chunk))
		}
	}
	if t.rule != nil {
		combine(t.rule, t.spans, chunks, t.sizes, start)
	}
	bytes := t.bytes(chunks[0])
	_, _ = t.hash.Write(bytes)
	if _, err := t.out.Write(bytes); err != nil {
		t.failed = err
	}
}

// bytes are those of a chunk, until the next call.
func (t *taking) bytes(chunk words) []byte {
	bytes := t.buffer[:8*len(chunk.wide)+4*len(chunk.narrow)]
	chunk.bytes(bytes)
	return bytes
}

func (t *taking) result() (Result, error) {
	if t.failed != nil {
		return Result{}, t.failed
	}
	result, count := Result{Aggregate: Digest(t.hash.Sum(nil))}, uint64(0)
	for group, ranges := range t.groups {
		if ranges.garbage != nil {
			return Result{}, ranges.garbage
		}
		if t.rule != nil {
			result.Sums = append(result.Sums, Digest(t.hashes[group].Sum(nil)))
		}
		count += ranges.count // no overflow: CheckCohort
	}
	t.groups[0].count = count
	result.Rows, result.HasRows = t.groups[0].rows()
	return result, nil
}
