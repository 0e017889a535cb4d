package aggregate

import (
	"errors"
	"sync"
)

// recheckMemory is how many outcomes of rechecks are kept.
const recheckMemory = 16

// rechecks are verifications that no round waits for. They have one slot of their own, which callers take by turns, and stand
// still while a verification runs: none is slowed by them.
type rechecks struct {
	mutex sync.Mutex
	moved *sync.Cond // urgent has changed
	// urgent counts the verifications that run.
	urgent  int
	running bool
	// queue holds at most one recheck of each caller, the one under way first.
	queue []*recheck
	done  []*recheck // oldest first
}

type recheck struct {
	by      string
	key     Digest
	in      Inputs
	outcome outcome
}

func (r *rechecks) init() { r.moved = sync.NewCond(&r.mutex) }

// pause counts the verifications that run; while there are any, rechecks wait.
func (r *rechecks) pause(change int) {
	r.mutex.Lock()
	r.urgent += change
	r.mutex.Unlock()
	r.moved.Broadcast()
}

// Write implements io.Writer: the recheck's sum goes nowhere, chunk by chunk, and waits between two chunks.
func (r *rechecks) Write(chunk []byte) (int, error) {
	r.mutex.Lock()
	for r.urgent > 0 {
		r.moved.Wait()
	}
	r.mutex.Unlock()
	return len(chunk), nil
}

// Again is Verify for what no round waits for, asked for by somebody: it answers from memory, or with ErrVerifying until the
// caller's turn has come and the work is done.
func (v *Verifier) Again(in Inputs, by string) (Result, error) {
	if err := in.check(); err != nil {
		return Result{}, err
	}
	if in.Cost() > v.limits.Cost {
		return Result{}, ErrCost
	}
	key := in.key()
	found := v.finished(key)
	if found == nil {
		found = v.again.ask(v, &recheck{by: by, key: key, in: in})
	}
	switch {
	case found == nil:
		return Result{}, ErrVerifying
	case found.err != nil:
		return Result{}, found.err
	}
	return found.result, compare(found.result, in)
}

// finished returns what a verification has found, nil where none has ended.
func (v *Verifier) finished(key Digest) *outcome {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	current, known := v.known[key]
	if !known {
		return nil
	}
	select {
	case <-current.done:
		return current
	default:
		return nil
	}
}

// ask returns a recheck's outcome, or puts it in the queue where its caller has none there.
func (r *rechecks) ask(v *Verifier, wanted *recheck) *outcome {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, one := range r.done {
		if one.key == wanted.key {
			return &one.outcome
		}
	}
	for _, one := range r.queue {
		if one.by == wanted.by || one.key == wanted.key {
			return nil
		}
	}
	r.queue = append(r.queue, wanted)
	if !r.running {
		r.running = true
		go r.work(v)
	}
	return nil
}

func (r *rechecks) work(v *Verifier) {
	for {
		r.mutex.Lock()
		if len(r.queue) == 0 {
			r.running = false
			r.mutex.Unlock()
			return
		}
		one := r.queue[0]
		r.mutex.Unlock()
		one.outcome.result, one.outcome.err = Sum(one.in, v.blobs, r)
		r.mutex.Lock()
		r.queue = r.queue[1:]
		var fault *Fault
		if one.outcome.err == nil || errors.As(one.outcome.err, &fault) { // a missing blob says nothing about the inputs
			r.done = append(r.done, one)
			r.done = r.done[max(0, len(r.done)-recheckMemory):]
		}
		r.mutex.Unlock()
	}
}
