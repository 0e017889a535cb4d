package shim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"google.golang.org/protobuf/proto"

	"fedledger/chaincode/shim/protos/peer"
)

type message = peer.ChaincodeMessage

// stream is the peer's end of a conversation, from the chaincode's side.
type stream interface {
	Send(*message) error
	Recv() (*message, error)
	Context() context.Context
}

// address names a transaction: a transaction id is unique within a channel.
type address struct{ channel, txid string }

// session is one conversation with one peer. Transactions run side by side and share its stream.
type session struct {
	stream   stream
	contract Chaincode
	offers   *peer.ChaincodeAdditionalParams // what the peer takes in batches; fixed by READY, before any transaction
	ready    bool

	sending sync.Mutex // gRPC allows one Send at a time
	mutex   sync.Mutex
	running map[address]*transaction
}

// converse registers the chaincode and serves transactions until the stream ends; it returns why it ended.
func converse(id string, contract Chaincode, stream stream) error {
	s := &session{
		stream: stream, contract: contract,
		offers:  &peer.ChaincodeAdditionalParams{},
		running: map[address]*transaction{},
	}
	defer s.abandon()
	payload, err := proto.Marshal(&peer.ChaincodeID{Name: id})
	if err != nil {
		return fmt.Errorf("encode the chaincode's id: %w", err)
	}
	if err := s.send(&message{Type: peer.ChaincodeMessage_REGISTER, Payload: payload}); err != nil {
		return err
	}
	for {
		received, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.receive(received); err != nil {
			return err
		}
	}
}

func (s *session) send(m *message) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	// After the conversation the stream is no longer ours to write to.
	if err := s.stream.Context().Err(); err != nil {
		return fmt.Errorf("the stream to the peer has ended: %w", err)
	}
	return s.stream.Send(m)
}

// receive acts on one message of the peer; an error ends the conversation.
func (s *session) receive(m *message) error {
	switch m.GetType() {
	case peer.ChaincodeMessage_REGISTERED:
		return nil
	case peer.ChaincodeMessage_READY:
		return s.open(m.GetPayload())
	case peer.ChaincodeMessage_KEEPALIVE:
		return s.send(&message{Type: peer.ChaincodeMessage_KEEPALIVE})
	case peer.ChaincodeMessage_INIT:
		return s.begin(m, s.contract.Init)
	case peer.ChaincodeMessage_TRANSACTION:
		return s.begin(m, s.contract.Invoke)
	case peer.ChaincodeMessage_RESPONSE, peer.ChaincodeMessage_ERROR:
		s.answer(m)
		return nil
	default:
		return fmt.Errorf("unexpected message %v from the peer", m.GetType())
	}
}

func (s *session) open(offers []byte) error {
	if s.ready {
		return errors.New("READY came twice")
	}
	s.ready = true
	if err := proto.Unmarshal(offers, s.offers); err != nil {
		return fmt.Errorf("decode READY: %w", err)
	}
	return nil
}

// begin runs a transaction beside the others.
func (s *session) begin(m *message, call func(ChaincodeStubInterface) *peer.Response) error {
	if !s.ready {
		return fmt.Errorf("transaction %s came before READY", m.GetTxid())
	}
	tx := newTransaction(s, m)
	s.mutex.Lock()
	_, taken := s.running[tx.address]
	if !taken {
		s.running[tx.address] = tx
	}
	s.mutex.Unlock()
	if taken {
		return fmt.Errorf("transaction %s of channel %s runs already", m.GetTxid(), m.GetChannelId())
	}
	go func() {
		result := tx.run(m, call)
		tx.end()
		s.mutex.Lock()
		delete(s.running, tx.address)
		s.mutex.Unlock()
		// The peer has forgotten a transaction whose stream ended; there is nobody to tell.
		if err := s.send(result); err != nil {
			slog.Warn("result not delivered", "txid", tx.txid, "error", err.Error())
		}
	}()
	return nil
}

// answer hands the peer's reply to the transaction that waits for it; one that nobody waits for is dropped.
func (s *session) answer(m *message) {
	s.mutex.Lock()
	tx := s.running[address{m.GetChannelId(), m.GetTxid()}]
	s.mutex.Unlock()
	if tx == nil || !tx.deliver(m) {
		slog.Warn("reply without a request dropped", "txid", m.GetTxid(), "type", m.GetType().String())
	}
}

// abandon releases every call that waits for the peer.
func (s *session) abandon() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, tx := range s.running {
		tx.end()
	}
}

var errOver = errors.New("the transaction is over, or the stream to the peer has ended")
