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
	return s.read(peer.ChaincodeMessage_GET_STATE, "", key)
}

func (s *stub) GetMultipleStates(keys ...string) ([][]byte, error) { return s.readMany("", keys) }

func (s *stub) PutState(key string, value []byte) error {
	return s.write(&peer.WriteRecord{Key: key, Value: value, Type: peer.WriteRecord_PUT_STATE})
}

func (s *stub) DelState(key string) error {
	return s.write(&peer.WriteRecord{Key: key, Type: peer.WriteRecord_DEL_STATE})
}
