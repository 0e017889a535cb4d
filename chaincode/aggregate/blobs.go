package aggregate

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// Blobs opens content by its SHA-256. What it returns is not trusted: every reader hashes the bytes that it uses, or knows them
// by a seal of its own.
type Blobs interface {
	Open(digest Digest) (io.ReadCloser, error)
	// Version names the content that is there now, so that a blob which was checked is not read again until it has changed.
	// It costs nothing.
	Version(digest Digest) (string, error)
}

// Folder is an organisation's own blob folder: FOLDER/<first two hex>/<64 hex>, plain files.
type Folder string

// Open opens the blob's file. Anything but a plain file, such as a pipe that nobody writes to, is an error and no wait.
func (f Folder) Open(digest Digest) (io.ReadCloser, error) {
	file, err := os.OpenFile(f.path(digest), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if about, err := file.Stat(); err != nil || !about.Mode().IsRegular() {
		_ = file.Close()
		return nil, fmt.Errorf("%x is no plain file", digest)
	}
	return file, nil
}

// Version implements Blobs.
func (f Folder) Version(digest Digest) (string, error) {
	about, err := os.Stat(f.path(digest))
	if err != nil {
		return "", err
	}
	return version(about), nil
}

func (f Folder) path(digest Digest) string {
	name := hex.EncodeToString(digest[:])
	return filepath.Join(string(f), name[:2], name)
}

// ErrLength says that a blob has another length than its kind.
var ErrLength = errors.New("aggregate: another length")

// CheckBlob says whether this organisation holds a short blob of this length unaltered. It fails with ErrBlob or ErrLength.
func CheckBlob(blobs Blobs, digest Digest, length int) error {
	reader, err := blobs.Open(digest)
	if err != nil {
		return fmt.Errorf("%w: %x", ErrBlob, digest)
	}
	defer func() { _ = reader.Close() }()
	blob, err := io.ReadAll(io.LimitReader(reader, int64(length)+1))
	switch {
	case err == nil && len(blob) > length:
		return fmt.Errorf("%w: more than %d bytes", ErrLength, length)
	case err != nil || sha256.Sum256(blob) != digest:
		return fmt.Errorf("%w: %x is altered", ErrBlob, digest)
	case len(blob) < length:
		return fmt.Errorf("%w: %d bytes of %d", ErrLength, len(blob), length)
	}
	return nil
}

// CheckUpdate says whether this organisation holds a masked update unaltered that has the layout's length and form. It fails with
// ErrBlob where the blob is missing or altered and with *Fault (FaultUpdate) where its sender broke the form.
func CheckUpdate(blobs Blobs, digest Digest, layout Layout) error {
	return checkUpdate(blobs, digest, layout, func([]byte) {})
}

// checkUpdate shows each chunk that it reads.
func checkUpdate(blobs Blobs, digest Digest, layout Layout, show func(chunk []byte)) error {
	reader, err := blobs.Open(digest)
	if err != nil {
		return fmt.Errorf("%w: %x", ErrBlob, digest)
	}
	defer func() { _ = reader.Close() }()
	hash, form := sha256.New(), newForm(layout)
	chunk := make([]byte, min(chunkBytes, layout.Bytes()))
	for start := 0; start < layout.Bytes(); start += len(chunk) {
		chunk = chunk[:min(len(chunk), layout.Bytes()-start)]
		if _, err := io.ReadFull(reader, chunk); err != nil {
			return wrongLength(blobs, digest, layout)
		}
		_, _ = hash.Write(chunk)
		form.check(chunk, start)
		show(chunk)
	}
	if !atEnd(reader) {
		return wrongLength(blobs, digest, layout)
	}
	if Digest(hash.Sum(nil)) != digest {
		return fmt.Errorf("%w: %x is altered", ErrBlob, digest)
	}
	if form.broken != "" {
		return &Fault{Kind: FaultUpdate, Reason: form.broken}
	}
	return nil
}

// wrongLength blames the sender only where the blob is whole: a torn file here must not.
func wrongLength(blobs Blobs, digest Digest, layout Layout) error {
	reader, err := blobs.Open(digest)
	if err != nil {
		return fmt.Errorf("%w: %x", ErrBlob, digest)
	}
	defer func() { _ = reader.Close() }()
	hash := sha256.New()
	length, err := io.Copy(hash, io.LimitReader(reader, MaxBytes+1))
	if err != nil || Digest(hash.Sum(nil)) != digest {
		return fmt.Errorf("%w: %x is altered", ErrBlob, digest)
	}
	return &Fault{Kind: FaultUpdate, Reason: fmt.Sprintf("%d bytes, the layout has %d", length, layout.Bytes())}
}

// atEnd says that nothing is left to read.
func atEnd(reader io.Reader) bool {
	var one [1]byte
	n, err := io.ReadFull(reader, one[:])
	return n == 0 && errors.Is(err, io.EOF)
}
