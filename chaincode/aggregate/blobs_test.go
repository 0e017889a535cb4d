package aggregate_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"fedledger/chaincode/aggregate"
)

func TestAFileIsReadAndAPipeInItsPlaceKeepsNobodyWaiting(t *testing.T) {
	folder, blob := t.TempDir(), []byte("a blob")
	digest := aggregate.Digest(sha256.Sum256(blob))
	name := hex.EncodeToString(digest[:])
	path := filepath.Join(folder, name[:2], name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, blob, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := aggregate.CheckBlob(aggregate.Folder(folder), digest, len(blob)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	answer := make(chan error, 1)
	go func() { answer <- aggregate.CheckBlob(aggregate.Folder(folder), digest, len(blob)) }()
	select {
	case err := <-answer:
		if !errors.Is(err, aggregate.ErrBlob) {
			t.Fatalf("a pipe: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("waits for a pipe that nobody writes to")
	}
}
