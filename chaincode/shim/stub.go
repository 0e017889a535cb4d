package shim

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"fedledger/chaincode/shim/protos/peer"
)

// stub is what a contract sees of one transaction.
type stub struct {
	input
	proposal
	leftOut
	tx    *transaction
	batch *batch
	event *peer.ChaincodeEvent
}

var _ ChaincodeStubInterface = (*stub)(nil)

func newStub(tx *transaction, m *message) (*stub, error) {
	decoded, err := decodeProposal(m.GetProposal())
	if err != nil {
		return nil, err
	}
	arguments := &peer.ChaincodeInput{}
	if err := proto.Unmarshal(m.GetPayload(), arguments); err != nil {
		return nil, fmt.Errorf("decode the chaincode's input: %w", err)
	}
	return &stub{input: input{arguments}, proposal: decoded, tx: tx}, nil
}

func (s *stub) GetTxID() string      { return s.tx.txid }
func (s *stub) GetChannelID() string { return s.tx.channel }

func (s *stub) CreateCompositeKey(objectType string, attributes []string) (string, error) {
	return CreateCompositeKey(objectType, attributes)
}

func (s *stub) SplitCompositeKey(compositeKey string) (string, []string, error) {
	return splitCompositeKey(compositeKey)
}

func (s *stub) SetEvent(name string, payload []byte) error {
	if name == "" {
		return errors.New("event name can not be empty string")
	}
	if !utf8.ValidString(name) {
		return fmt.Errorf("event name %q is not valid UTF-8", name)
	}
	s.event = &peer.ChaincodeEvent{EventName: name, Payload: payload}
	return nil
}

func (s *stub) GetState(key string) ([]byte, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	value, err := s.tx.ask(peer.ChaincodeMessage_GET_STATE, &peer.GetState{Key: key})
	if len(value) == 0 {
		return nil, err // a peer answers a missing key with an empty payload, and stores no empty value
	}
	return value, err
}

func (s *stub) GetMultipleStates(keys ...string) ([][]byte, error) {
	values := make([][]byte, 0, len(keys))
	page := s.pageOfReads()
	for len(keys) > 0 {
		n := min(page, len(keys))
		some, err := s.getStates(keys[:n])
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

func (s *stub) getStates(keys []string) ([][]byte, error) {
	if len(keys) == 1 {
		value, err := s.GetState(keys[0])
		return [][]byte{value}, err
	}
	for _, key := range keys {
		if err := checkKey(key); err != nil {
			return nil, err
		}
	}
	raw, err := s.tx.ask(peer.ChaincodeMessage_GET_STATE_MULTIPLE, &peer.GetStateMultiple{Keys: keys})
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

func (s *stub) PutState(key string, value []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if s.batch != nil {
		s.batch.add(&peer.WriteRecord{Key: key, Value: value, Type: peer.WriteRecord_PUT_STATE})
		return nil
	}
	_, err := s.tx.ask(peer.ChaincodeMessage_PUT_STATE, &peer.PutState{Key: key, Value: value})
	return err
}

func (s *stub) DelState(key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if s.batch != nil {
		s.batch.add(&peer.WriteRecord{Key: key, Type: peer.WriteRecord_DEL_STATE})
		return nil
	}
	_, err := s.tx.ask(peer.ChaincodeMessage_DEL_STATE, &peer.DelState{Key: key})
	return err
}
