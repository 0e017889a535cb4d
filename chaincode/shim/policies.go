package shim

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"fedledger/chaincode/shim/protos/peer"
)

// validationParameter names the entry of a key's metadata that holds its endorsement policy.
const validationParameter = "VALIDATION_PARAMETER"

func (s *stub) SetStateValidationParameter(key string, ep []byte) error {
	return s.setPolicy("", key, ep)
}

func (s *stub) GetStateValidationParameter(key string) ([]byte, error) { return s.policy("", key) }

func (s *stub) SetPrivateDataValidationParameter(collection, key string, ep []byte) error {
	if err := checkCollection(collection); err != nil {
		return err
	}
	return s.setPolicy(collection, key, ep)
}

func (s *stub) GetPrivateDataValidationParameter(collection, key string) ([]byte, error) {
	if err := checkCollection(collection); err != nil {
		return nil, err
	}
	return s.policy(collection, key)
}

func (s *stub) setPolicy(collection, key string, policy []byte) error {
	return s.write(&peer.WriteRecord{
		Collection: collection, Key: key, Type: peer.WriteRecord_PUT_STATE_METADATA,
		Metadata: &peer.StateMetadata{Metakey: validationParameter, Value: policy},
	})
}

func (s *stub) policy(collection, key string) ([]byte, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	request := &peer.GetStateMetadata{Collection: collection, Key: key}
	raw, err := s.tx.ask(peer.ChaincodeMessage_GET_STATE_METADATA, request)
	if err != nil {
		return nil, err
	}
	var found peer.StateMetadataResult
	if err := proto.Unmarshal(raw, &found); err != nil {
		return nil, fmt.Errorf("decode the key's metadata: %w", err)
	}
	for _, entry := range found.GetEntries() {
		if entry.GetMetakey() == validationParameter {
			return entry.GetValue(), nil
		}
	}
	return nil, nil
}
