package aggregate

import (
	"fmt"
	"io"
	"runtime"
	"sync"
)

// chunkBytes is how much of each vector is in memory at a time: a chunk of an update, of a keystream and of the sum stay
// together in a core's own cache.
const chunkBytes = 128 << 10

// maxWorkers bounds the cores that one verification takes.
const maxWorkers = 4

// worker holds the buffers of one goroutine: its part of each group's sum, and a chunk of an update and of a keystream.
type worker struct {
	sums         []words
	data, stream []byte
	short        int // the first of its updates that ends too early, by its place among all; else their number
}

// summer streams Σ y − masks of every group through chunks.
type summer struct {
	layout  Layout
	updates []*update
	masks   []mask // group is the place among the groups with survivors, as an update's
	groups  int    // how many they are
	workers []*worker
}

// summed hands every chunk of the groups' unmasked sums to take, in order.
func (in Inputs) summed(blobs Blobs, known secrets, take func(chunks []words, start int)) error {
	summer, err := newSummer(in, blobs, known)
	if err != nil {
		return err
	}
	defer summer.close()
	return summer.run(take)
}

func newSummer(in Inputs, blobs Blobs, known secrets) (*summer, error) {
	masks, err := in.pairMasks(known)
	if err != nil {
		return nil, err
	}
	s := &summer{layout: in.Layout, masks: masks}
	places := map[int]int{}
	for place, group := range in.groups() {
		places[in.Cohort[group[0]].Group], s.groups = place, place+1
	}
	for i := range masks {
		masks[i].group = places[masks[i].group]
	}
	for _, i := range in.survivors() {
		participant := in.Cohort[i]
		if err := s.open(blobs, participant, places[participant.Group], in.selfKey(known, i)); err != nil {
			s.close()
			return nil, err
		}
	}
	size := min(chunkBytes, in.Layout.Bytes())
	for range min(runtime.GOMAXPROCS(0), maxWorkers, len(s.updates)) {
		worker := &worker{data: make([]byte, size), stream: make([]byte, size), short: len(s.updates)}
		for range s.groups {
			worker.sums = append(worker.sums, newWords(size))
		}
		s.workers = append(s.workers, worker)
	}
	return s, nil
}

func (s *summer) close() {
	for _, update := range s.updates {
		_ = update.reader.Close()
	}
}

// run hands every chunk of the groups' unmasked sums to take, in order. It fails with ErrBlob where an update is not what was
// committed: only after run returned nil may anything be concluded from the chunks.
func (s *summer) run(take func(chunks []words, start int)) error {
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
		if err := s.short(); err != nil {
			return err
		}
		chunks := make([]words, s.groups)
		for group := range chunks {
			chunks[group] = s.workers[0].sums[group].of(start, end, boundary)
			for _, worker := range s.workers[1:] {
				chunks[group].merge(worker.sums[group].of(start, end, boundary))
			}
		}
		take(chunks, start)
	}
	return s.finish()
}

// chunk sums one chunk of the updates and masks that fall to worker number i.
func (w *worker) chunk(s *summer, i, start, end, boundary int) {
	sums, data, stream := make([]words, len(w.sums)), w.data[:end-start], w.stream[:end-start]
	for group := range sums {
		sums[group] = w.sums[group].of(start, end, boundary)
		sums[group].clear()
	}
	for u := i; u < len(s.updates); u += len(s.workers) {
		update := s.updates[u]
		if _, err := io.ReadFull(update.reader, data); err != nil {
			w.short = u
			return
		}
		update.see(data, start)
		update.selfMask.XORKeyStream(stream, zeros[:len(stream)])
		sums[update.group].unmask(data, stream)
	}
	for m := i; m < len(s.masks); m += len(s.workers) {
		Keystream(stream, s.masks[m].key, start)
		if sum := sums[s.masks[m].group]; s.masks[m].added {
			sum.subtract(stream)
		} else {
			sum.add(stream)
		}
	}
}

// short names the first update that is cut short, the same however many workers read.
func (s *summer) short() error {
	first := len(s.updates)
	for _, worker := range s.workers {
		first = min(first, worker.short)
	}
	if first == len(s.updates) {
		return nil
	}
	return fmt.Errorf("%w: update of %s is cut short", ErrBlob, s.updates[first].participant.ID)
}

// finish compares every update with its digest, then blames those that broke the form.
func (s *summer) finish() error {
	for _, update := range s.updates {
		if !update.whole() {
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
