package aggregate

import (
	"io"
	"sync"
	"time"
)

// checksShare is what checks of blobs may take beside a verification: one part in so many of its own work.
const checksShare = 12

// pace holds back what no verification waits for: rechecks stand still while a verification runs, and checks of blobs, for
// which other rounds wait, go on by a part of its work. Work is counted in estimated time, the same on every machine.
type pace struct {
	mutex sync.Mutex
	moved *sync.Cond // running or credit has changed
	// running counts the verifications.
	running int
	// credit is what checks may still take while a verification runs.
	credit time.Duration
}

func newPace() *pace {
	p := &pace{}
	p.moved = sync.NewCond(&p.mutex)
	return p
}

func (p *pace) change(change func()) {
	p.mutex.Lock()
	change()
	p.mutex.Unlock()
	p.moved.Broadcast()
}

func (p *pace) begin() {
	p.change(func() {
		if p.running == 0 {
			p.credit = 0
		}
		p.running++
	})
}

func (p *pace) end() { p.change(func() { p.running-- }) }

// stand waits until no verification runs.
func (p *pace) stand() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for p.running > 0 {
		p.moved.Wait()
	}
}

// spend waits until no verification runs, or until enough of its work is done.
func (p *pace) spend(work time.Duration) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for p.running > 0 && p.credit < work {
		p.moved.Wait()
	}
	if p.running > 0 {
		p.credit -= work
	}
}

// pacer is told of the bytes of each chunk that is dealt with, surveys among them.
type pacer interface{ step(bytes int) }

// verifying takes a verification's sum, chunk by chunk, and grants checks their part of the work behind it.
type verifying struct {
	*pace
	cost  time.Duration // of the whole
	bytes int           // of the whole sum, twice where it is surveyed first
}

// Write implements io.Writer: the sum itself goes nowhere.
func (v verifying) Write(chunk []byte) (int, error) {
	v.step(len(chunk))
	return len(chunk), nil
}

func (v verifying) step(bytes int) {
	v.change(func() { v.credit += v.cost / checksShare * time.Duration(bytes) / time.Duration(v.bytes) })
}

// standing takes a recheck's sum, chunk by chunk, and waits between two chunks while a verification runs.
type standing struct{ *pace }

// Write implements io.Writer: the sum itself goes nowhere.
func (s standing) Write(chunk []byte) (int, error) {
	s.stand()
	return len(chunk), nil
}

func (s standing) step(int) { s.stand() }

// paced reads blobs for a check.
type paced struct {
	Blobs
	pace *pace
}

// Open implements Blobs.
func (p paced) Open(digest Digest) (io.ReadCloser, error) {
	reader, err := p.Blobs.Open(digest)
	return pacedReader{reader, p.pace}, err
}

type pacedReader struct {
	io.ReadCloser
	pace *pace
}

// Read implements io.Reader. What it asks for counts, even where less is there.
func (r pacedReader) Read(into []byte) (int, error) {
	into = into[:min(len(into), chunkBytes)]
	r.pace.spend(time.Duration(len(into)) * costUpdate / 1024)
	return r.ReadCloser.Read(into)
}
