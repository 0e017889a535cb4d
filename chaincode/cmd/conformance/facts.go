package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"fedledger/chaincode/shim/cid"
)

// creator returns what the contract sees of its caller.
func creator(s stub, _ []string) ([]byte, error) {
	client, err := cid.New(s)
	if err != nil {
		return nil, err
	}
	certificate, err := client.GetX509Certificate()
	if err != nil {
		return nil, err
	}
	mspID, err := client.GetMSPID()
	if err != nil {
		return nil, err
	}
	id, err := client.GetID()
	if err != nil {
		return nil, err
	}
	role, found, err := client.GetAttributeValue("fl.role")
	if err != nil {
		return nil, err
	}
	key := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	return json.Marshal(map[string]any{
		"msp_id": mspID, "id": id, "units": certificate.Subject.OrganizationalUnit,
		"role": role, "has_role": found, "key_hash": hex.EncodeToString(key[:]),
	})
}

// requireRole writes only for callers with an attribute: role, key.
func requireRole(s stub, args []string) ([]byte, error) {
	if err := cid.AssertAttributeValue(s, "fl.role", args[0]); err != nil {
		return nil, fmt.Errorf("FL0201: %w", err)
	}
	return nil, s.PutState(args[1], []byte(args[0]))
}

// proposalFacts returns what the contract sees of its proposal.
func proposalFacts(s stub, _ []string) ([]byte, error) {
	at, err := s.GetTxTimestamp()
	if err != nil {
		return nil, err
	}
	binding, err := s.GetBinding()
	if err != nil {
		return nil, err
	}
	signed, err := s.GetSignedProposal()
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(signed.GetProposalBytes())
	return json.Marshal(map[string]any{
		"txid": s.GetTxID(), "channel": s.GetChannelID(), "binding": hex.EncodeToString(binding),
		"seconds": at.GetSeconds(), "nanos": at.GetNanos(), "proposal": hex.EncodeToString(digest[:]),
	})
}

// putTime writes the transaction's time in milliseconds: key.
func putTime(s stub, args []string) ([]byte, error) {
	at, err := s.GetTxTimestamp()
	if err != nil {
		return nil, err
	}
	text := fmt.Appendf(nil, "%d", at.AsTime().UnixMilli())
	return text, s.PutState(args[0], text)
}

// transient returns transient data: name.
func transient(s stub, args []string) ([]byte, error) {
	data, err := s.GetTransient()
	if err != nil {
		return nil, err
	}
	value, found := data[args[0]]
	if !found {
		return nil, fmt.Errorf("FL0006: no transient data %q", args[0])
	}
	return value, nil
}

// putDigestOf writes the SHA-256 of transient data: name, key.
func putDigestOf(s stub, args []string) ([]byte, error) {
	value, err := transient(s, args[:1])
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(value)
	text := []byte(hex.EncodeToString(digest[:]))
	return text, s.PutState(args[1], text)
}

// putWithEvent writes and sets an event: key, value, event name, payload.
func putWithEvent(s stub, args []string) ([]byte, error) {
	if err := s.SetEvent(args[2], []byte(args[3])); err != nil {
		return nil, err
	}
	return nil, s.PutState(args[0], []byte(args[1]))
}

func ownMSP() string { return os.Getenv("FEDLEDGER_MSP_ID") }

// processMSP returns the organisation whose process answers.
func processMSP(stub, []string) ([]byte, error) { return []byte(ownMSP()), nil }

// putProcessMSP writes another value in every organisation's process: key.
func putProcessMSP(s stub, args []string) ([]byte, error) {
	return nil, s.PutState(args[0], []byte(ownMSP()))
}

// putIfProcessOf writes in the processes of some organisations and fails in the others: key, MSP ids…
func putIfProcessOf(s stub, args []string) ([]byte, error) {
	if len(args) < 1 {
		return nil, errors.New("FL0002: PutIfProcessOf takes a key and MSP ids")
	}
	if !slices.Contains(args[1:], ownMSP()) {
		return nil, fmt.Errorf("FL0902: %s does not hold the blob", ownMSP())
	}
	return nil, s.PutState(args[0], []byte("held"))
}
