package aggregate_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"testing"

	"fedledger/chaincode/aggregate"
)

// oneBlob holds one blob under any name.
type oneBlob []byte

func (b oneBlob) Open(aggregate.Digest) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(b)), nil
}

func (b oneBlob) Version(aggregate.Digest) (string, error) { return "one", nil }

// FuzzCheckUpdate reads arbitrary blobs with arbitrary layouts: whole and of the form, or the sender's fault; a blob under
// another name is nobody's.
func FuzzCheckUpdate(f *testing.F) {
	layout, err := aggregate.ParseLayout([]byte(small))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(small), make([]byte, layout.Bytes()))
	f.Add([]byte(small), bytes.Repeat([]byte{255}, layout.Bytes()))
	f.Add([]byte(small), []byte("short"))
	f.Fuzz(func(t *testing.T, text, blob []byte) {
		layout, err := aggregate.ParseLayout(text)
		if err != nil || layout.Bytes() > 1<<20 {
			return
		}
		digest := aggregate.Digest(sha256.Sum256(blob))
		err = aggregate.CheckUpdate(oneBlob(blob), digest, layout)
		var fault *aggregate.Fault
		if err != nil && !errors.As(err, &fault) {
			t.Fatalf("expected a fault of the sender's, got %v", err)
		}
		if err == nil && len(blob) != layout.Bytes() {
			t.Fatalf("%d bytes taken, the layout has %d", len(blob), layout.Bytes())
		}
		digest[0] ^= 1
		if err := aggregate.CheckUpdate(oneBlob(blob), digest, layout); !errors.Is(err, aggregate.ErrBlob) {
			t.Fatalf("expected %v, got %v", aggregate.ErrBlob, err)
		}
		if err := aggregate.CheckBlob(oneBlob(blob), digest, len(blob)); !errors.Is(err, aggregate.ErrBlob) {
			t.Fatalf("expected %v, got %v", aggregate.ErrBlob, err)
		}
	})
}
