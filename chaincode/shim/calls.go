package shim

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"fedledger/chaincode/shim/protos/peer"
)

func (s *stub) InvokeChaincode(chaincodeName string, args [][]byte, channel string) *peer.Response {
	response, err := s.call(chaincodeName, args, channel)
	if err != nil {
		return Error(err.Error())
	}
	return response
}

func (s *stub) call(name string, args [][]byte, channel string) (*peer.Response, error) {
	if channel != "" {
		name += "/" + channel
	}
	raw, err := s.tx.ask(peer.ChaincodeMessage_INVOKE_CHAINCODE, &peer.ChaincodeSpec{
		ChaincodeId: &peer.ChaincodeID{Name: name}, Input: &peer.ChaincodeInput{Args: args},
	})
	if err != nil {
		return nil, err
	}
	var outcome message
	if err := proto.Unmarshal(raw, &outcome); err != nil {
		return nil, fmt.Errorf("decode how the call of %s ended: %w", name, err)
	}
	if outcome.GetType() != peer.ChaincodeMessage_COMPLETED {
		return nil, fmt.Errorf("%s ended with %v: %s", name, outcome.GetType(), outcome.GetPayload())
	}
	response := &peer.Response{}
	if err := proto.Unmarshal(outcome.GetPayload(), response); err != nil {
		return nil, fmt.Errorf("decode the response of %s: %w", name, err)
	}
	return response, nil
}
