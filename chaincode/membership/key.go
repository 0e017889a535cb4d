package membership

import (
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
)

// KeyOwner says whose a certificate key is or was within an organisation. Keys are never handed on. Every organisation
// claims keys for itself only, so that none can take another's.
type KeyOwner struct {
	Participant string `json:"participant"`
}

// Binding is the certificate key that a participant speaks with now. It lies apart from the participant's record, which
// every draw reads: an organisation may rotate as often as it likes without making anybody's OpenRound conflict.
type Binding struct {
	KeyHash string `json:"key_hash"`
}

// Bound is a participant with its key.
type Bound struct {
	Participant
	Binding
}

// Bind adds a participant's present key.
func Bind(s ledger.State, participant Participant) (Bound, error) {
	binding, _, err := ledger.Load[Binding](s, bindingKey(participant.ID))
	return Bound{participant, binding}, err
}

func bindingKey(id string) string { return ledger.Key("binding", id) }

// claim binds a participant of the caller's organisation to a key that nobody of this organisation has had.
func claim(s ledger.State, participant Participant, keyHash string) (Bound, error) {
	if err := ledger.CheckDigest("key_hash", keyHash); err != nil {
		return Bound{}, err
	}
	owner, err := OwnerOf(s, participant.MSPID, keyHash)
	if err != nil {
		return Bound{}, err
	}
	if owner != "" {
		return Bound{}, errcode.New(errcode.KeyInUse, "the key belongs, or has belonged, to %s", owner)
	}
	if err := ledger.Store(s, ledger.Key("key", participant.MSPID, keyHash), KeyOwner{participant.ID}); err != nil {
		return Bound{}, err
	}
	bound := Bound{participant, Binding{keyHash}}
	return bound, ledger.Store(s, bindingKey(participant.ID), bound.Binding)
}

// RotateKeyRequest is the argument of RotateKey.
type RotateKeyRequest struct {
	Participant string `json:"participant"`
	KeyHash     string `json:"key_hash"`
}

// RotateKey binds a participant to a new certificate key; the organisation's own administrator does so.
func RotateKey(s ledger.State, env ledger.Env, req RotateKeyRequest) (Bound, ledger.Event, error) {
	participant, err := owned(s, env, req.Participant)
	if err != nil {
		return Bound{}, ledger.Event{}, err
	}
	bound, err := claim(s, participant, req.KeyHash)
	return bound, participant.event("KeyRotated"), err
}

// OwnerOf returns whose a certificate key of an organisation is or was, "" where it is nobody's. Who rotates a key still
// owns what it signed.
func OwnerOf(s ledger.State, mspID, keyHash string) (string, error) {
	owner, _, err := ledger.Load[KeyOwner](s, ledger.Key("key", mspID, keyHash))
	return owner.Participant, err
}

// Ahead names what Caller will read of each of these, so that it comes in two messages for all; it returns whose their keys are,
// "" where a key is nobody's.
func Ahead(s ledger.State, callers []ledger.Caller) (owners []string, err error) {
	keys := []string{}
	for _, caller := range callers {
		keys = append(keys, ledger.Key("organisation", caller.MSPID), ledger.Key("key", caller.MSPID, caller.KeyHash))
	}
	if err := s.Ahead(keys...); err != nil {
		return nil, err
	}
	keys = nil
	for _, caller := range callers {
		owner, err := OwnerOf(s, caller.MSPID, caller.KeyHash)
		if err != nil {
			return nil, err
		}
		if owners = append(owners, owner); owner != "" {
			keys = append(keys, participantKey(owner), bindingKey(owner))
		}
	}
	return owners, s.Ahead(keys...)
}

// Caller returns the active participant that the caller's certificate key is bound to (T4, T10).
func Caller(s ledger.State, env ledger.Env) (Participant, error) {
	if err := s.Ahead(ledger.Key("organisation", env.Caller.MSPID), ledger.Key("key", env.Caller.MSPID, env.Caller.KeyHash)); err != nil {
		return Participant{}, err
	}
	if err := governance.CheckMember(s, env); err != nil {
		return Participant{}, err
	}
	owner, err := OwnerOf(s, env.Caller.MSPID, env.Caller.KeyHash)
	if err != nil {
		return Participant{}, err
	}
	if owner == "" {
		return Participant{}, errcode.New(errcode.NotAParticipant, "no participant has this certificate's key: apply with its hash first")
	}
	if err := s.Ahead(participantKey(owner), bindingKey(owner)); err != nil {
		return Participant{}, err
	}
	participant, err := Load(s, owner)
	if err != nil {
		return participant, err
	}
	bound, err := Bind(s, participant)
	switch {
	case err != nil:
		return participant, err
	case bound.KeyHash != env.Caller.KeyHash:
		return participant, errcode.New(errcode.NotAParticipant, "the key of %s has been rotated", owner)
	case participant.Status != governance.Active:
		return participant, errcode.New(errcode.ParticipantNotActive, "%s is %s", owner, participant.Status)
	}
	return participant, nil
}
