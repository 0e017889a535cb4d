package aggregate

import "errors"

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
		task := v.again.ask(by, key, func() (*outcome, bool) {
			v.pace.stand()
			result, err := Sum(in, seen{v.blobs, v}, standing{v.pace})
			return &outcome{result: result, err: err}, lasting(err)
		})
		if task == nil || !task.done() {
			return Result{}, ErrVerifying
		}
		found = task.found
	}
	if found.err != nil {
		return Result{}, found.err
	}
	return found.result, compare(found.result, in)
}

// lasting says that an error, or that there is none, follows from the inputs. A missing blob says nothing about them.
func lasting(err error) bool {
	var fault *Fault
	return err == nil || errors.As(err, &fault) || errors.Is(err, ErrLength)
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
