package aggregate

import (
	"sync"
	"time"
)

// Limits bound what endorsing costs. The zero value of a field stands for its default.
type Limits struct {
	// Inline is the longest estimated time that a call may take itself; what costs more runs in the background: a
	// peer commits no block while a call runs. Default one second.
	Inline time.Duration
	// Cost is the voted limit of the estimated time: above it ErrCost. Default ten minutes.
	Cost time.Duration
	// Workers is how many background verifications run at a time; default 1. Waiting is how many more may queue;
	// default 4. A call beyond that gets ErrVerifying and starts nothing.
	Workers, Waiting int
	// Remembered is how many outcomes are kept; default 64.
	Remembered int
	// Patience is how long a call waits for the check of a blob; default 200 ms. Small ones take less.
	Patience time.Duration
}

// Verifier verifies with a memory. An outcome is remembered by the digests of the inputs, so that the aggregator can warm
// every endorser before it submits and so that a second proposal for the same sum costs nothing. Safe for concurrent use.
type Verifier struct {
	blobs  Blobs
	limits Limits
	slots  chan struct{}

	mutex   sync.Mutex
	known   map[Digest]*outcome
	order   []Digest // of known, oldest first
	running int

	pace   *pace
	again  turns[Digest, *outcome]
	checks turns[checked, found]
}

// outcome is a computation, under way until done is closed.
type outcome struct {
	done   chan struct{}
	result Result
	err    error
}

// NewVerifier returns a verifier over an organisation's own blobs.
func NewVerifier(blobs Blobs, limits Limits) *Verifier {
	limits.Inline = or(limits.Inline, time.Second)
	limits.Cost = or(limits.Cost, 10*time.Minute)
	limits.Workers = or(limits.Workers, 1)
	limits.Waiting = or(limits.Waiting, 4)
	limits.Remembered = or(limits.Remembered, 64)
	limits.Patience = or(limits.Patience, 200*time.Millisecond)
	return &Verifier{
		blobs: blobs, limits: limits, slots: make(chan struct{}, limits.Workers), known: map[Digest]*outcome{}, pace: newPace(),
	}
}

func or[T ~int | ~int64](value, standard T) T {
	if value == 0 {
		return standard
	}
	return value
}

// Verify is the function Verify with a memory. Where the estimated cost exceeds the inline limit it starts the work and
// fails with ErrVerifying until the outcome is there.
func (v *Verifier) Verify(in Inputs) (Result, error) {
	if err := in.check(); err != nil {
		return Result{}, err
	}
	cost := in.Cost()
	if cost > v.limits.Cost {
		return Result{}, ErrCost
	}
	outcome, err := v.outcome(in, cost <= v.limits.Inline)
	if err != nil {
		return Result{}, err
	}
	if outcome.err != nil {
		return Result{}, outcome.err
	}
	return outcome.result, compare(outcome.result, in)
}

// outcome returns a finished computation or ErrVerifying.
func (v *Verifier) outcome(in Inputs, inline bool) (*outcome, error) {
	key := in.key()
	v.mutex.Lock()
	current, found := v.known[key]
	if !found {
		if !inline && v.running >= v.limits.Workers+v.limits.Waiting {
			v.mutex.Unlock()
			return nil, ErrVerifying
		}
		current = &outcome{done: make(chan struct{})}
		v.remember(key, current)
		if !inline {
			v.running++
			go v.background(current, in)
		}
	}
	v.mutex.Unlock()
	if !found && inline {
		v.compute(current, in)
	}
	if !inline {
		select {
		case <-current.done:
		default:
			return nil, ErrVerifying
		}
	}
	<-current.done
	v.forgetTransient(key, current)
	return current, nil
}

func (v *Verifier) background(current *outcome, in Inputs) {
	v.slots <- struct{}{}
	v.compute(current, in)
	<-v.slots
	v.mutex.Lock()
	v.running--
	v.mutex.Unlock()
}

func (v *Verifier) compute(current *outcome, in Inputs) {
	v.pace.begin()
	current.result, current.err = Sum(in, seen{v.blobs, v}, verifying{v.pace, in.Cost(), in.passes() * in.Layout.Bytes()})
	v.pace.end()
	close(current.done)
}

// remember keeps the outcome and drops the oldest finished one where there are too many.
func (v *Verifier) remember(key Digest, current *outcome) {
	v.known[key] = current
	v.order = append(v.order, key)
	for i := 0; len(v.order) > v.limits.Remembered && i < len(v.order)-1; i++ {
		select {
		case <-v.known[v.order[i]].done:
			delete(v.known, v.order[i])
			v.order = append(v.order[:i], v.order[i+1:]...)
			i--
		default:
		}
	}
}

// forgetTransient drops an outcome that says nothing about the inputs, such as a missing blob: the next call tries again.
func (v *Verifier) forgetTransient(key Digest, current *outcome) {
	if lasting(current.err) {
		return
	}
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if v.known[key] != current {
		return
	}
	delete(v.known, key)
	for i := range v.order {
		if v.order[i] == key {
			v.order = append(v.order[:i], v.order[i+1:]...)
			return
		}
	}
}
