package shim

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"fedledger/chaincode/shim/protos/common"
	"fedledger/chaincode/shim/protos/peer"
)

// fakePeer is the peer's side of a conversation in this process: it registers the chaincode, answers requests from a
// map and hands back how each transaction ended.
type fakePeer struct {
	t        *testing.T
	toPeer   chan *message
	toCode   chan *message
	ctx      context.Context
	hangUp   context.CancelFunc
	ended    chan error
	mutex    sync.Mutex
	state    map[string]string
	asked    []peer.ChaincodeMessage_Type
	outcomes map[string]chan *message
	pending  map[string][]*peer.QueryResultBytes
	silent   bool // answers no request
}

func (p *fakePeer) Send(m *message) error {
	select {
	case p.toPeer <- m:
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}

func (p *fakePeer) Recv() (*message, error) {
	select {
	case m, open := <-p.toCode:
		if !open {
			return nil, io.EOF
		}
		return m, nil
	case <-p.ctx.Done():
		return nil, p.ctx.Err()
	}
}

func (p *fakePeer) Context() context.Context { return p.ctx }

// startPeer starts a conversation with the contract; offers stand in READY.
func startPeer(t *testing.T, contract Chaincode, offers *peer.ChaincodeAdditionalParams) *fakePeer {
	t.Helper()
	ctx, hangUp := context.WithCancel(context.Background())
	p := &fakePeer{
		t: t, toPeer: make(chan *message, 100), toCode: make(chan *message, 100), ctx: ctx, hangUp: hangUp,
		ended: make(chan error, 1), state: map[string]string{}, outcomes: map[string]chan *message{},
		pending: map[string][]*peer.QueryResultBytes{},
	}
	t.Cleanup(hangUp)
	go func() { p.ended <- converse("label:hash", contract, p) }()
	register := <-p.toPeer
	var id peer.ChaincodeID
	if err := proto.Unmarshal(register.GetPayload(), &id); err != nil || id.GetName() != "label:hash" {
		t.Fatalf("REGISTER names %q, %v", id.GetName(), err)
	}
	p.toCode <- &message{Type: peer.ChaincodeMessage_REGISTERED}
	p.toCode <- &message{Type: peer.ChaincodeMessage_READY, Payload: encoded(t, offers)}
	go p.serve()
	return p
}

func encoded(t *testing.T, m proto.Message) []byte {
	t.Helper()
	raw, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (p *fakePeer) serve() {
	for {
		select {
		case m := <-p.toPeer:
			p.mutex.Lock()
			outcome := p.outcomes[m.GetTxid()]
			silent := p.silent
			p.mutex.Unlock()
			switch m.GetType() {
			case peer.ChaincodeMessage_COMPLETED, peer.ChaincodeMessage_ERROR:
				outcome <- m
			case peer.ChaincodeMessage_KEEPALIVE:
				p.outcomes["keepalive"] <- m
			default:
				if !silent {
					p.toCode <- p.reply(m)
				}
			}
		case <-p.ctx.Done():
			return
		}
	}
}

func (p *fakePeer) reply(m *message) *message {
	payload, err := p.handle(m)
	kind := peer.ChaincodeMessage_RESPONSE
	if err != nil {
		kind, payload = peer.ChaincodeMessage_ERROR, []byte(err.Error())
	}
	return &message{Type: kind, Payload: payload, Txid: m.GetTxid(), ChannelId: m.GetChannelId()}
}

// send starts a transaction and returns where its outcome will arrive.
func (p *fakePeer) send(txid string, args ...string) chan *message {
	input := &peer.ChaincodeInput{}
	for _, arg := range args {
		input.Args = append(input.Args, []byte(arg))
	}
	outcome := make(chan *message, 2)
	p.mutex.Lock()
	p.outcomes[txid] = outcome
	p.mutex.Unlock()
	p.toCode <- &message{
		Type: peer.ChaincodeMessage_TRANSACTION, Txid: txid, ChannelId: "channel",
		Payload: encoded(p.t, input), Proposal: signedProposal(p.t),
	}
	return outcome
}

// run runs a transaction to its end.
func (p *fakePeer) run(txid string, args ...string) *message { return wait(p.t, p.send(txid, args...)) }

func wait[T any](t *testing.T, from chan T) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came within ten seconds")
	}
	panic("unreachable")
}

func (p *fakePeer) response(m *message) *peer.Response {
	p.t.Helper()
	if m.GetType() != peer.ChaincodeMessage_COMPLETED {
		p.t.Fatalf("the transaction ended with %v: %s", m.GetType(), m.GetPayload())
	}
	response := &peer.Response{}
	if err := proto.Unmarshal(m.GetPayload(), response); err != nil {
		p.t.Fatal(err)
	}
	return response
}

func (p *fakePeer) requests() string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	names := make([]string, len(p.asked))
	for n, kind := range p.asked {
		names[n] = kind.String()
	}
	return strings.Join(names, " ")
}

func signedProposal(t *testing.T) *peer.SignedProposal {
	t.Helper()
	header := &common.Header{
		ChannelHeader: encoded(t, &common.ChannelHeader{
			ChannelId: "channel", Timestamp: &timestamppb.Timestamp{Seconds: 1700000000, Nanos: 5}, Epoch: 0,
		}),
		SignatureHeader: encoded(t, &common.SignatureHeader{Creator: []byte("creator"), Nonce: []byte("nonce")}),
	}
	payload := &peer.ChaincodeProposalPayload{TransientMap: map[string][]byte{"secret": []byte("value")}}
	proposal := &peer.Proposal{Header: encoded(t, header), Payload: encoded(t, payload)}
	return &peer.SignedProposal{ProposalBytes: encoded(t, proposal), Signature: []byte("signature")}
}

// contractOf is a contract of one function.
type contractOf func(ChaincodeStubInterface) *peer.Response

func (c contractOf) Init(ChaincodeStubInterface) *peer.Response        { return Success([]byte("init")) }
func (c contractOf) Invoke(stub ChaincodeStubInterface) *peer.Response { return c(stub) }

// answer makes a response of a result and an error.
func answer(payload []byte, err error) *peer.Response {
	if err != nil {
		return Error(err.Error())
	}
	return Success(payload)
}
