package codec

import (
	"crypto/sha256"
	"encoding/binary"
)

// Labels separate the uses of Hash and of key derivation. A change of what a label covers needs a new version.
const (
	LabelBeaconFirst      = "fedledger/v1/beacon-first"
	LabelBeaconCommitment = "fedledger/v1/beacon-commitment"
	LabelBeacon           = "fedledger/v1/beacon"
	LabelBeaconVoid       = "fedledger/v1/beacon-void"
	LabelBeaconRolledBack = "fedledger/v1/beacon-rolled-back"
	LabelDraw             = "fedledger/v1/draw"
	LabelSession          = "fedledger/v1/session"
	LabelGroups           = "fedledger/v1/groups"
	LabelBuckets          = "fedledger/v1/buckets"
	LabelLayout           = "fedledger/v1/layout"
	LabelSeedCommitment   = "fedledger/v1/seed-commitment"
	LabelShareLeaf        = "fedledger/v1/share-leaf"
	LabelShare            = "fedledger/v1/share"
	LabelShareAAD         = "fedledger/v1/share-aad"
	LabelMaskSelf         = "fedledger/v1/mask-self"
	LabelMaskPair         = "fedledger/v1/mask-pair"
)

// Hash is SHA-256(lp(label) ‖ lp(part)…) where lp writes a 4-byte big-endian length before the bytes, so that no two
// lists of parts give the same input.
func Hash(label string, parts ...[]byte) [32]byte {
	buffer := Prefixed(nil, []byte(label))
	for _, part := range parts {
		buffer = Prefixed(buffer, part)
	}
	return sha256.Sum256(buffer)
}

// Prefixed appends lp(part) to buffer: a 4-byte big-endian length, then the bytes.
func Prefixed(buffer, part []byte) []byte {
	buffer = binary.BigEndian.AppendUint32(buffer, uint32(len(part)))
	return append(buffer, part...)
}

// U64 is n as 8 bytes, big-endian: how integers enter Hash.
func U64(n uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, n)
}
