package shim

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"fedledger/chaincode/shim/protos/peer"
)

// read asks for a value or its hash; the collection "" is the public state.
func (s *stub) read(kind peer.ChaincodeMessage_Type, collection, key string) ([]byte, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	value, err := s.tx.ask(kind, &peer.GetState{Collection: collection, Key: key})
	if len(value) == 0 {
		return nil, err // a peer answers a missing key with an empty payload, and stores no empty value
	}
	return value, err
}

// readMany reads in as few messages as the peer allows.
func (s *stub) readMany(collection string, keys []string) ([][]byte, error) {
	values := make([][]byte, 0, len(keys))
	page := s.pageOfReads()
	for len(keys) > 0 {
		n := min(page, len(keys))
		some, err := s.readPage(collection, keys[:n])
		if err != nil {
			return nil, err
		}
		values, keys = append(values, some...), keys[n:]
	}
	return values, nil
}

// pageOfReads is how many keys the peer reads in one message.
func (s *stub) pageOfReads() int {
	if offers := s.tx.session.offers; offers.GetUseGetMultipleKeys() {
		return max(1, int(offers.GetMaxSizeGetMultipleKeys()))
	}
	return 1
}

func (s *stub) readPage(collection string, keys []string) ([][]byte, error) {
	if len(keys) == 1 {
		value, err := s.read(peer.ChaincodeMessage_GET_STATE, collection, keys[0])
		return [][]byte{value}, err
	}
	for _, key := range keys {
		if err := checkKey(key); err != nil {
			return nil, err
		}
	}
	request := &peer.GetStateMultiple{Collection: collection, Keys: keys}
	raw, err := s.tx.ask(peer.ChaincodeMessage_GET_STATE_MULTIPLE, request)
	if err != nil {
		return nil, err
	}
	var result peer.GetStateMultipleResult
	if err := proto.Unmarshal(raw, &result); err != nil {
		return nil, fmt.Errorf("decode the peer's values: %w", err)
	}
	values := result.GetValues()
	if len(values) != len(keys) {
		return nil, fmt.Errorf("the peer answered %d values for %d keys", len(values), len(keys))
	}
	for n, value := range values {
		if len(value) == 0 {
			values[n] = nil
		}
	}
	return values, nil
}
