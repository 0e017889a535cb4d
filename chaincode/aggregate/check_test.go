package aggregate_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/aggregate/aggregatetest"
)

// folder is an organisation's blob folder that counts what is read of it.
type folder struct {
	aggregate.Folder
	read atomic.Int64
}

func (f *folder) Open(digest aggregate.Digest) (io.ReadCloser, error) {
	reader, err := f.Folder.Open(digest)
	return counted{reader, &f.read}, err
}

type counted struct {
	io.ReadCloser
	read *atomic.Int64
}

func (c counted) Read(into []byte) (int, error) {
	n, err := c.ReadCloser.Read(into)
	c.read.Add(int64(n))
	return n, err
}

func (f *folder) path(digest aggregate.Digest) string {
	name := hex.EncodeToString(digest[:])
	return filepath.Join(string(f.Folder), name[:2], name)
}

// put writes a file of this name beside the place and moves it there.
func (f *folder) put(t *testing.T, digest aggregate.Digest, blob []byte) {
	t.Helper()
	path := f.path(digest)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path+".new", blob, 0o644), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

// patient waits as long as a busy machine may need.
var patient = aggregate.Limits{Patience: time.Minute}

func smallUpdate(t *testing.T) (*folder, aggregate.Layout, aggregate.Digest, []byte) {
	t.Helper()
	layout, err := aggregate.ParseLayout([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	files, blob := &folder{Folder: aggregate.Folder(t.TempDir())}, make([]byte, layout.Bytes())
	digest := sha256.Sum256(blob)
	files.put(t, digest, blob)
	return files, layout, digest, blob
}

func TestABlobThatWasCheckedIsNotReadAgain(t *testing.T) {
	files, layout, digest, blob := smallUpdate(t)
	v := aggregate.NewVerifier(files, patient)
	for _, by := range []string{"a", "a", "b"} {
		if err := errors.Join(v.CheckUpdate(digest, layout, by), v.CheckBlob(digest, len(blob), by)); err != nil {
			t.Fatal(err)
		}
	}
	if read := files.read.Load(); read != int64(2*len(blob)) {
		t.Fatalf("%d bytes were read, the blob has %d and is checked in two ways", read, len(blob))
	}
	for range 3 { // what is wrong with a blob that is whole is remembered, too
		if err := v.CheckBlob(digest, len(blob)+1, "a"); !errors.Is(err, aggregate.ErrLength) {
			t.Fatal(err)
		}
	}
	if read := files.read.Load(); read != int64(3*len(blob)) {
		t.Fatalf("%d bytes were read", read)
	}
}

func TestABlobThatWasExchangedOrAlteredIsReadAgain(t *testing.T) {
	files, layout, digest, blob := smallUpdate(t)
	v := aggregate.NewVerifier(files, patient)
	altered := bytes.Clone(blob)
	altered[0] ^= 1
	check := func(want error) {
		t.Helper()
		if err := v.CheckUpdate(digest, layout, "a"); !errors.Is(err, want) {
			t.Fatalf("expected %v, got %v", want, err)
		}
	}
	about, err := os.Stat(files.path(digest))
	if err != nil {
		t.Fatal(err)
	}
	check(nil)
	files.put(t, digest, altered)
	check(aggregate.ErrBlob)
	files.put(t, digest, blob)
	check(nil)
	version, err := files.Version(digest)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the version stays the same", func() bool { // in place, and the file's time set back
		err := errors.Join(os.WriteFile(files.path(digest), altered, 0o644), os.Chtimes(files.path(digest), time.Time{}, about.ModTime()))
		after, failed := files.Version(digest)
		if errors.Join(err, failed) != nil {
			t.Fatal(err, failed)
		}
		return after != version
	})
	check(aggregate.ErrBlob)
	if err := os.Remove(files.path(digest)); err != nil {
		t.Fatal(err)
	}
	check(aggregate.ErrBlob)
	files.put(t, digest, blob)
	check(nil)
}

func TestNobodyMakesAnothersCheckForgotten(t *testing.T) {
	files, layout, digest, _ := smallUpdate(t)
	v := aggregate.NewVerifier(files, patient)
	if err := v.CheckUpdate(digest, layout, "a"); err != nil {
		t.Fatal(err)
	}
	for length := range 100 {
		_ = v.CheckBlob(digest, length, "b")
	}
	before := files.read.Load()
	if err := v.CheckUpdate(digest, layout, "a"); err != nil || files.read.Load() != before {
		t.Fatal("it was read again", err)
	}
	if err := v.CheckBlob(digest, 0, "b"); !errors.Is(err, aggregate.ErrLength) || files.read.Load() == before {
		t.Fatal("nothing is ever forgotten", err)
	}
}

func TestOneCallersChecksDoNotHoldUpAnothers(t *testing.T) {
	in, blobs := rounds(9)
	v := aggregate.NewVerifier(blobs, aggregate.Limits{Patience: 1})
	check := func(round int, by string) error {
		return v.CheckUpdate(in[round].Cohort[0].Update, in[round].Layout, by)
	}
	for range 20 { // one caller asks for eight, again and again
		for round := range 8 {
			_ = check(round, "greedy")
		}
	}
	if err := check(8, "modest"); !errors.Is(err, aggregate.ErrVerifying) {
		t.Fatal(err)
	}
	close(blobs.gate)
	eventually(t, "the modest caller gets no answer", func() bool { return check(8, "modest") == nil })
	blobs.mutex.Lock()
	defer blobs.mutex.Unlock()
	if got := fmt.Sprint(blobs.opened); got != "[0 8]" {
		t.Fatalf("checks ran in the order %s", got)
	}
}

// halted holds whoever reads one blob back after some bytes of it, and counts what is read of another.
type halted struct {
	aggregatetest.Memory
	held, short aggregate.Digest
	after       int64
	reached     atomic.Bool
	gate        chan struct{}
	read        atomic.Int64
}

func (h *halted) Open(digest aggregate.Digest) (io.ReadCloser, error) {
	reader, err := h.Memory.Open(digest)
	switch digest {
	case h.held:
		return io.NopCloser(io.MultiReader(io.LimitReader(reader, h.after), waiting{h}, reader)), err
	case h.short:
		return counted{reader, &h.read}, err
	}
	return reader, err
}

// waiting is empty once its gate is open.
type waiting struct{ *halted }

func (w waiting) Read([]byte) (int, error) {
	w.reached.Store(true)
	<-w.gate
	return 0, io.EOF
}

// TestAChecksPartGrowsWithTheWorkOfAVerification holds a verification back at its start and, in a second run, near its end.
func TestAChecksPartGrowsWithTheWorkOfAVerification(t *testing.T) {
	const total = 2 << 20
	played := aggregatetest.Play(aggregatetest.Options{Cohort: 4, Layout: layoutOf(0, total/4), Seed: 3})
	for _, after := range []int64{0, total - 100} {
		blobs := &halted{Memory: aggregatetest.Memory{}, held: played.Inputs.Cohort[0].Update, after: after, gate: make(chan struct{})}
		for digest, content := range played.Blobs {
			blobs.Memory[digest] = content
		}
		blobs.short = blobs.Put(make([]byte, 1<<17))
		v := aggregate.NewVerifier(blobs, aggregate.Limits{Inline: background, Patience: time.Millisecond})
		if _, err := v.Verify(played.Inputs); !errors.Is(err, aggregate.ErrVerifying) {
			t.Fatal(err)
		}
		eventually(t, "the verification does not run", blobs.reached.Load)
		checked := func() bool { return v.CheckBlob(blobs.short, 1<<17, "a") == nil }
		if after > 0 {
			eventually(t, "the check does not end beside the verification", checked)
		}
		for range 50 {
			if after == 0 && (checked() || blobs.read.Load() > 0) {
				t.Fatal("the check goes on though the verification has done nothing")
			}
		}
		close(blobs.gate)
		if _, err := finish(t, v, played.Inputs); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the check does not end after the verification", checked)
	}
}
