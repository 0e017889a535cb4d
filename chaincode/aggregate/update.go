package aggregate

import (
	"crypto/cipher"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
)

// update is a masked update being read: its bytes are recognised as they are summed, so that what was summed is what was
// committed.
type update struct {
	participant Participant
	group       int // its place among the groups with survivors
	selfMask    cipher.Stream
	reader      io.ReadCloser
	seal        *seal // nil where the update was not checked before: then hash and form are asked
	hash        hash.Hash
	form        *form
	altered     bool // by its seal
}

// open begins to read a survivor's update.
func (s *summer) open(blobs Blobs, participant Participant, group int, selfKey [32]byte) error {
	reader, err := blobs.Open(participant.Update)
	if err != nil {
		return fmt.Errorf("%w: update of %s", ErrBlob, participant.ID)
	}
	one := &update{
		participant: participant, group: group, selfMask: keystream(selfKey, 0), reader: reader,
		hash: sha256.New(), form: newForm(s.layout),
	}
	if some, are := blobs.(sealing); are {
		one.seal = some.seal(participant.Update, s.layout)
	}
	s.updates = append(s.updates, one)
	return nil
}

// see takes in the chunk that starts at the given byte. A sealed one has its form: else the check would have failed.
func (u *update) see(chunk []byte, start int) {
	if u.seal != nil {
		u.altered = u.altered || !u.seal.fits(chunk, start/chunkBytes)
		return
	}
	_, _ = u.hash.Write(chunk)
	u.form.check(chunk, start)
}

// whole says whether all that was read is what was committed.
func (u *update) whole() bool {
	if u.seal != nil {
		return !u.altered && atEnd(u.reader)
	}
	return Digest(u.hash.Sum(nil)) == u.participant.Update && atEnd(u.reader)
}
