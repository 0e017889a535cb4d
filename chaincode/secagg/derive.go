package secagg

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"

	"fedledger/chaincode/codec"
)

// derive is HKDF-SHA256 (RFC 5869) with S as salt and the label and parts, each length-prefixed, as info.
func derive(secret []byte, session Digest, label string, parts ...[]byte) [32]byte {
	info := codec.Prefixed(nil, []byte(label))
	for _, part := range parts {
		info = codec.Prefixed(info, part)
	}
	key, err := hkdf.Key(sha256.New, secret, session[:], string(info), 32)
	if err != nil {
		panic("secagg: internal error: HKDF gives 32 bytes")
	}
	return [32]byte(key)
}

// SelfKey is the AES-256 key of a participant's own mask, from its seed b and its public mask key.
func SelfKey(session Digest, id string, seed, maskKey [32]byte) [32]byte {
	return derive(seed[:], session, codec.LabelMaskSelf, []byte(id), maskKey[:])
}

// PairKey is the AES-256 key of the mask between two participants. low stands before high in the cohort; private is the
// mask key of either, public that of the other.
func PairKey(session Digest, low, high Peer, private *ecdh.PrivateKey, public [32]byte) ([32]byte, error) {
	shared, err := Agree(private, public)
	if err != nil {
		return [32]byte{}, err
	}
	return derive(shared, session, codec.LabelMaskPair, []byte(low.ID), []byte(high.ID), low.Key[:], high.Key[:]), nil
}

// Peer is a participant with one of its public keys.
type Peer struct {
	ID  string
	Key [32]byte
}

// ShareKey is the AES-256-GCM key that seals the shares that one participant deals to another. private is the seal key of
// either, public that of the other.
func ShareKey(session Digest, from, to Peer, private *ecdh.PrivateKey, public [32]byte) ([32]byte, error) {
	shared, err := Agree(private, public)
	if err != nil {
		return [32]byte{}, err
	}
	return derive(shared, session, codec.LabelShare, []byte(from.ID), []byte(to.ID), from.Key[:], to.Key[:]), nil
}
