package aggregate

import "sync"

// remembered is how many outcomes are kept for each caller.
const remembered = 32

// turns does what somebody asks for and no verification waits for: one task at a time, callers by turns. What was found is
// kept for each caller apart, so that nobody makes another's forgotten. Callers are organisations: there are not many.
type turns[K comparable, R any] struct {
	mutex   sync.Mutex
	running bool
	// queue holds at most one task of each caller, the one under way first.
	queue []*task[K, R]
	// known holds the tasks of the queue and those that are done. Invariant: what is done is in kept, too.
	known map[K]*task[K, R]
	kept  map[string][]K // by caller, oldest first
}

type task[K comparable, R any] struct {
	by  string
	key K
	// work returns what it found, and whether that holds whenever it is asked for again.
	work  func() (found R, lasting bool)
	found R
	ended chan struct{} // closed once found is set
}

// ask returns the task of this key, begun or done; nil where its caller has another in the queue.
func (t *turns[K, R]) ask(by string, key K, work func() (R, bool)) *task[K, R] {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if one, known := t.known[key]; known {
		return one
	}
	for _, one := range t.queue {
		if one.by == by {
			return nil
		}
	}
	if t.known == nil {
		t.known, t.kept = map[K]*task[K, R]{}, map[string][]K{}
	}
	one := &task[K, R]{by: by, key: key, work: work, ended: make(chan struct{})}
	t.known[key] = one
	t.queue = append(t.queue, one)
	if !t.running {
		t.running = true
		go t.run()
	}
	return one
}

func (t *turns[K, R]) run() {
	for one := t.next(); one != nil; one = t.next() {
		found, lasting := one.work()
		t.mutex.Lock()
		one.found = found
		close(one.ended)
		t.queue = t.queue[1:]
		if lasting {
			t.keep(one)
		} else {
			delete(t.known, one.key)
		}
		t.mutex.Unlock()
	}
}

// next is the first task of the queue, nil where there is none: then this run is over.
func (t *turns[K, R]) next() *task[K, R] {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.running = len(t.queue) > 0; !t.running {
		return nil
	}
	return t.queue[0]
}

// keep forgets the caller's oldest task where there are too many.
func (t *turns[K, R]) keep(one *task[K, R]) {
	keys := append(t.kept[one.by], one.key)
	if len(keys) > remembered {
		delete(t.known, keys[0])
		keys = keys[1:]
	}
	t.kept[one.by] = keys
}

// result is what a task found, if it is done and remembered.
func (t *turns[K, R]) result(key K) (found R, done bool) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if one, known := t.known[key]; known && one.done() {
		return one.found, true
	}
	return found, false
}

// done says whether the task has ended, without waiting for it.
func (t *task[K, R]) done() bool {
	select {
	case <-t.ended:
		return true
	default:
		return false
	}
}
