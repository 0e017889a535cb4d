package aggregate

import (
	"fmt"
	"time"
)

// checked names a check of a blob: of which digest, for what, and of which file. A file that was exchanged is another check.
type checked struct {
	digest        Digest
	what, version string
}

// found is what a check found: an error, or the seal of an update.
type found struct {
	err  error
	seal *seal
}

func updateOf(layout Layout) string { return fmt.Sprintf("update of layout %x", layout.Digest) }

// CheckUpdate is the function CheckUpdate with a memory, asked for by somebody. What is not known is read by turns, beside a
// verification by a part of its work only; a call that would wait for long fails with ErrVerifying.
func (v *Verifier) CheckUpdate(digest Digest, layout Layout, by string) error {
	return v.check(digest, updateOf(layout), by, func(blobs Blobs) found {
		seal := newSeal()
		return found{checkUpdate(blobs, digest, layout, seal.add), seal}
	})
}

// CheckBlob is the function CheckBlob in the same way.
func (v *Verifier) CheckBlob(digest Digest, length int, by string) error {
	return v.check(digest, fmt.Sprintf("blob of %d bytes", length), by, func(blobs Blobs) found {
		return found{err: CheckBlob(blobs, digest, length)}
	})
}

func (v *Verifier) check(digest Digest, what, by string, read func(Blobs) found) error {
	version, err := v.blobs.Version(digest)
	if err != nil {
		return fmt.Errorf("%w: %x", ErrBlob, digest)
	}
	task := v.checks.ask(by, checked{digest, what, version}, func() (found, bool) {
		one := read(paced{v.blobs, v.pace})
		after, _ := v.blobs.Version(digest)
		return one, lasting(one.err) && after == version
	})
	if task == nil || !v.waited(task.ended) {
		return ErrVerifying
	}
	return task.found.err
}

// waited waits for a short while.
func (v *Verifier) waited(ended <-chan struct{}) bool {
	patience := time.NewTimer(v.limits.Patience)
	defer patience.Stop()
	select {
	case <-ended:
		return true
	case <-patience.C:
		return false
	}
}
