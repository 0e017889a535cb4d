package shim

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"fedledger/chaincode/shim/protos/peer"
)

// transaction is one call of the contract: its place in the session and the request it waits on.
type transaction struct {
	address
	session *session
	asking  sync.Mutex // a peer answers one request of a transaction at a time
	waiting atomic.Bool
	replies chan *message
	over    chan struct{}
	once    sync.Once
}

func newTransaction(s *session, m *message) *transaction {
	return &transaction{
		address: address{m.GetChannelId(), m.GetTxid()},
		session: s,
		replies: make(chan *message, 1),
		over:    make(chan struct{}),
	}
}

// run calls the contract and returns the message that tells the peer how it went.
func (t *transaction) run(m *message, call func(ChaincodeStubInterface) *peer.Response) *message {
	stub, err := newStub(t, m)
	if err != nil {
		return t.failed(err)
	}
	response, err := guarded(call, stub)
	if err != nil {
		return t.failed(err)
	}
	if response.GetStatus() < ERRORTHRESHOLD {
		if err := stub.FinishWriteBatch(); err != nil {
			return t.failed(err)
		}
	}
	payload, err := proto.Marshal(response)
	if err != nil {
		return t.failed(fmt.Errorf("encode the response: %w", err))
	}
	return t.message(peer.ChaincodeMessage_COMPLETED, payload, stub.event)
}

// guarded turns a contract's panic into an error, so that other transactions go on.
func guarded(call func(ChaincodeStubInterface) *peer.Response, stub *stub) (response *peer.Response, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			slog.Error("contract panicked", "txid", stub.GetTxID(), "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			err = fmt.Errorf("the contract panicked: %v", cause)
		}
	}()
	if response = call(stub); response == nil {
		return nil, errors.New("the contract returned no response")
	}
	return response, nil
}

func (t *transaction) message(kind peer.ChaincodeMessage_Type, payload []byte, event *peer.ChaincodeEvent) *message {
	return &message{Type: kind, Payload: payload, Txid: t.txid, ChannelId: t.channel, ChaincodeEvent: event}
}

func (t *transaction) failed(err error) *message {
	return t.message(peer.ChaincodeMessage_ERROR, []byte(err.Error()), nil)
}

// ask sends a request to the peer and waits for its reply's payload.
func (t *transaction) ask(kind peer.ChaincodeMessage_Type, request proto.Message) ([]byte, error) {
	payload, err := proto.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("encode %v: %w", kind, err)
	}
	t.asking.Lock()
	defer t.asking.Unlock()
	select {
	case <-t.over:
		return nil, fmt.Errorf("%v: %w", kind, errOver)
	default:
	}
	t.waiting.Store(true)
	if err := t.session.send(t.message(kind, payload, nil)); err != nil {
		return nil, fmt.Errorf("%v: %w", kind, err)
	}
	select {
	case reply := <-t.replies:
		if reply.GetType() == peer.ChaincodeMessage_ERROR {
			return nil, errors.New(string(reply.GetPayload()))
		}
		return reply.GetPayload(), nil
	case <-t.over:
		return nil, fmt.Errorf("%v: %w", kind, errOver)
	}
}

// deliver hands over a reply where one is waited for.
func (t *transaction) deliver(m *message) bool {
	if !t.waiting.CompareAndSwap(true, false) {
		return false
	}
	t.replies <- m
	return true
}

// end releases whoever still waits and refuses later requests, such as those of a goroutine that a contract left behind.
func (t *transaction) end() { t.once.Do(func() { close(t.over) }) }
