package main

import (
	"archive/zip"
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fedledger/chaincode/ledger"
)

// TestEveryKeptLedgerReplaysToItsState runs what earlier versions of the rules committed: each transaction passes, each sum is
// made again, and the state is the one that they left.
func TestEveryKeptLedgerReplaysToItsState(t *testing.T) {
	folders, err := filepath.Glob("../../../tests/kept/v*")
	if err != nil || len(folders) == 0 {
		t.Fatal("no ledger is kept", err)
	}
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			blobs := updates(t, filepath.Join(folder, "ledger.zip"))
			kept, err := open(start{Blobs: &blobs})
			if err != nil {
				t.Fatal(err)
			}
			sums := 0
			for _, next := range transactions(t, filepath.Join(folder, "transactions.jsonl.gz")) {
				answer, ok := kept.answer(next).(result)
				if !ok || answer.Error != nil {
					t.Fatalf("transaction %s of block %d: %v", next.TxID, next.Block, *answer.Error)
				}
				if slices.Contains(answer.Checked, checkAggregate) {
					sums++
				}
			}
			want, err := os.ReadFile(filepath.Join(folder, "state.sha256"))
			if got := stateHash(kept.state); err != nil || got != strings.TrimSpace(string(want)) || sums < 4 {
				t.Fatalf("state %s instead of %s after %d sums: %v", got, want, sums, err)
			}
		})
	}
}

// stateHash is SHA-256 over all keys in order: the lengths of key and value as big-endian u64, each before its bytes.
func stateHash(state *ledger.Memory) string {
	hash := sha256.New()
	for _, entry := range state.Entries() {
		for _, part := range [][]byte{[]byte(entry.Key), entry.Value} {
			_, _ = hash.Write(append(binary.BigEndian.AppendUint64(nil, uint64(len(part))), part...))
		}
	}
	return ledger.Hex(hash.Sum(nil))
}

func transactions(t *testing.T, path string) (lines []line) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	raw, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	for decoder := json.NewDecoder(bufio.NewReader(raw)); ; {
		var next line
		if err := decoder.Decode(&next); errors.Is(err, io.EOF) {
			return lines
		} else if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, next)
	}
}

// updates unpacks the masked updates of a bundle and returns their folder.
func updates(t *testing.T, bundle string) string {
	t.Helper()
	files, err := zip.OpenReader(bundle)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = files.Close() }()
	folder := t.TempDir()
	for _, file := range files.File {
		name, blob := strings.CutPrefix(file.Name, "blobs/")
		if !blob || !filepath.IsLocal(name) {
			continue
		}
		path := filepath.Join(folder, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), unpack(file, path)); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func unpack(file *zip.File, path string) error {
	from, err := file.Open()
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	raw, err := io.ReadAll(from)
	return errors.Join(err, os.WriteFile(path, raw, 0o600))
}
