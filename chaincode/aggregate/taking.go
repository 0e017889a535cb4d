package aggregate

import (
	"crypto/sha256"
	"hash"
	"io"
	"slices"
)

// keptBytes is how much of the groups' sums is kept in memory between a survey and the combination; what is larger is summed
// again.
const keptBytes = 128 << 20

// taking takes the groups' sums chunk by chunk: checks each, hashes each, surveys or combines them, and hashes and writes the
// result.
type taking struct {
	in          Inputs
	spans       []span
	combination Combination // nil without a rule
	members     [][]int     // of each group with survivors, as places in the cohort
	groups      []*ranges
	hashes      []hash.Hash // of the groups' sums; none without a rule
	keep        int         // the most bytes of sums that are kept between a survey and the combination
	kept        [][]words   // chunks of a survey; nil where they are more
	hash        hash.Hash   // of the result
	out         io.Writer
	buffer      []byte
	failed      error
}

func newTaking(in Inputs, draw Digest, out io.Writer, keep int) *taking {
	t := &taking{
		in: in, spans: in.Layout.spans(), members: in.groups(), hash: sha256.New(), out: out, keep: keep,
		buffer: make([]byte, min(chunkBytes, in.Layout.Bytes())),
	}
	sizes := []int{}
	for _, members := range t.members {
		sizes = append(sizes, len(members))
		t.groups = append(t.groups, newRanges(in.Layout, len(members)))
		if in.Rule != nil {
			t.hashes = append(t.hashes, sha256.New())
		}
	}
	if in.Rule != nil {
		t.combination = in.Rule.Begin(sizes, draw)
	}
	return t
}

// run takes what source gives, once more where the rule surveys. Source gives the same each time, or an error.
func (t *taking) run(source func(take func(chunks []words, start int)) error) error {
	if err := source(t.take); err != nil {
		return err
	}
	for group, ranges := range t.groups {
		if ranges.garbage != nil {
			return t.blamed(group)
		}
	}
	if !t.in.surveyed() {
		return t.failed
	}
	if t.kept == nil {
		t.groups = nil
		for _, members := range t.members {
			t.groups = append(t.groups, newRanges(t.in.Layout, len(members)))
		}
		if err := source(t.again); err != nil {
			return err
		}
		return t.failed
	}
	for i, chunks := range t.kept {
		t.combine(chunks, i*chunkBytes)
	}
	return t.failed
}

func (t *taking) take(chunks []words, start int) {
	for group, chunk := range chunks {
		t.groups[group].take(chunk, start)
		if t.combination != nil {
			_, _ = t.hashes[group].Write(t.bytes(chunk))
		}
	}
	if !t.in.surveyed() {
		t.combine(chunks, start)
		return
	}
	visit(t.spans, chunks, start, t.combination.SurveyWide, t.combination.SurveyNarrow)
	if len(chunks)*t.in.Layout.Bytes() <= t.keep {
		kept := make([]words, len(chunks))
		for group, chunk := range chunks {
			kept[group] = words{slices.Clone(chunk.wide), slices.Clone(chunk.narrow)}
		}
		t.kept = append(t.kept, kept)
	}
	if pacer, paces := t.out.(pacer); paces {
		pacer.step(8*len(chunks[0].wide) + 4*len(chunks[0].narrow))
	}
}

// again takes a chunk that was surveyed before.
func (t *taking) again(chunks []words, start int) {
	for group, chunk := range chunks {
		t.groups[group].take(chunk, start)
	}
	t.combine(chunks, start)
}

func (t *taking) combine(chunks []words, start int) {
	if t.combination != nil {
		visit(t.spans, chunks, start, t.combination.Wide, t.combination.Narrow)
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

func (t *taking) result() Result {
	result, count := Result{Aggregate: Digest(t.hash.Sum(nil))}, uint64(0)
	for group, ranges := range t.groups {
		if t.combination != nil {
			result.Sums = append(result.Sums, Digest(t.hashes[group].Sum(nil)))
		}
		count += ranges.count // no overflow: CheckCohort
	}
	if t.combination != nil {
		for _, place := range t.combination.Outlying() {
			result.Outlying = append(result.Outlying, t.in.Cohort[t.members[place][0]].Group)
		}
	}
	t.groups[0].count = count
	result.Rows, result.HasRows = t.groups[0].rows()
	return result
}

// blamed is the fault of a group whose sum leaves its range: whose it is, where only one can have done it.
func (t *taking) blamed(group int) *Fault {
	fault := *t.groups[group].garbage
	if members := t.members[group]; t.combination != nil && len(members) == 1 {
		fault.Kind, fault.Participant = FaultUpdate, t.in.Cohort[members[0]].ID
	}
	return &fault
}
