package aggregate

import (
	"crypto/cipher"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"runtime"
	"sync"
)

// chunkBytes is how much of each vector is in memory at a time: a chunk of an update, of a keystream and of the sum stay
// together in a core's own cache.
const chunkBytes = 128 << 10

// maxWorkers bounds the cores that one verification takes.
const maxWorkers = 4

// update is a masked update being read: its bytes are hashed as they are summed, so that what was summed is what was
// committed.
type update struct {
	participant Participant
	selfMask    cipher.Stream
	reader      io.ReadCloser
	hash        hash.Hash
	form        *form
}

// worker holds the buffers of one goroutine: its part of the sum, and a chunk of an update and of a keystream.
type worker struct {
	sum          words
	data, stream []byte
	err          error
}

// summer streams Σ y − masks through chunks.
type summer struct {
	layout  Layout
	updates []*update
	masks   []mask
	workers []*worker
}

func newSummer(in Inputs, blobs Blobs, known secrets) (*summer, error) {
	masks, err := in.pairMasks(known)
	if err != nil {
		return nil, err
	}
	s := &summer{layout: in.Layout, masks: masks}
	for _, i := range in.survivors() {
		participant := in.Cohort[i]
		reader, err := blobs.Open(participant.Update)
		if err != nil {
			s.close()
			return nil, fmt.Errorf("%w: update of %s", ErrBlob, participant.ID)
		}
		selfMask := keystream(in.selfKey(known, i), 0)
		s.updates = append(s.updates, &update{participant, selfMask, reader, sha256.New(), newForm(in.Layout)})
	}
	size := min(chunkBytes, in.Layout.Bytes())
	for range min(runtime.GOMAXPROCS(0), maxWorkers, len(s.updates)) {
		s.workers = append(s.workers, &worker{sum: newWords(size), data: make([]byte, size), stream: make([]byte, size)})
	}
	return s, nil
}

func (s *summer) close() {
	for _, update := range s.updates {
		_ = update.reader.Close()
	}
}

// run hands every chunk of the unmasked sum to take, in order. It fails with ErrBlob where an update is not what was
// committed: only after run returned nil may anything be concluded from the chunks.
func (s *summer) run(take func(chunk words, start int)) error {
	total, boundary := s.layout.Bytes(), s.layout.wordBytes(64)
	for start := 0; start < total; start += chunkBytes {
		end := min(start+chunkBytes, total)
		var group sync.WaitGroup
		for i := range s.workers {
			group.Add(1)
			go func() {
				defer group.Done()
				s.workers[i].chunk(s, i, start, end, boundary)
			}()
		}
		group.Wait()
		chunk := s.workers[0].sum.of(start, end, boundary)
		for _, worker := range s.workers[1:] {
			chunk.merge(worker.sum.of(start, end, boundary))
		}
		for _, worker := range s.workers {
			if worker.err != nil {
				return worker.err
			}
		}
		take(chunk, start)
	}
	return s.finish()
}

// chunk sums one chunk of the updates and masks that fall to worker number i.
func (w *worker) chunk(s *summer, i, start, end, boundary int) {
	sum, data, stream := w.sum.of(start, end, boundary), w.data[:end-start], w.stream[:end-start]
	sum.clear()
	for u := i; u < len(s.updates); u += len(s.workers) {
		update := s.updates[u]
		if _, err := io.ReadFull(update.reader, data); err != nil {
			w.err = fmt.Errorf("%w: update of %s is cut short", ErrBlob, update.participant.ID)
			return
		}
		_, _ = update.hash.Write(data)
		update.form.check(data, start)
		update.selfMask.XORKeyStream(stream, zeros[:len(stream)])
		sum.unmask(data, stream)
	}
	for m := i; m < len(s.masks); m += len(s.workers) {
		Keystream(stream, s.masks[m].key, start)
		if s.masks[m].added {
			sum.subtract(stream)
		} else {
			sum.add(stream)
		}
	}
}

// finish compares every update with its digest, then blames those that broke the form.
func (s *summer) finish() error {
	for _, update := range s.updates {
		if Digest(update.hash.Sum(nil)) != update.participant.Update || !atEnd(update.reader) {
			return fmt.Errorf("%w: update of %s is altered", ErrBlob, update.participant.ID)
		}
	}
	for _, update := range s.updates {
		if update.form.broken != "" {
			return &Fault{Kind: FaultUpdate, Participant: update.participant.ID, Reason: update.form.broken}
		}
	}
	return nil
}
