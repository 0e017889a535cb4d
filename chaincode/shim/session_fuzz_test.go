package shim

import (
	"context"
	"encoding/binary"
	"io"
	"testing"

	"google.golang.org/protobuf/proto"

	"fedledger/chaincode/shim/protos/ledger/queryresult"
	"fedledger/chaincode/shim/protos/peer"
)

// recorded is a peer that says what it was given and takes whatever comes.
type recorded struct {
	frames []*message
	ctx    context.Context
}

func (r *recorded) Send(*message) error { return nil }

func (r *recorded) Recv() (*message, error) {
	if len(r.frames) == 0 {
		return nil, io.EOF
	}
	next := r.frames[0]
	r.frames = r.frames[1:]
	return next, nil
}

func (r *recorded) Context() context.Context { return r.ctx }

// curious asks for everything that a contract can.
type curious struct{}

func (curious) Init(stub ChaincodeStubInterface) *peer.Response { return curious{}.Invoke(stub) }

func (curious) Invoke(stub ChaincodeStubInterface) *peer.Response {
	_, _ = stub.GetFunctionAndParameters()
	_, _ = stub.GetCreator()
	_, _ = stub.GetTxTimestamp()
	_, _ = stub.GetState("key")
	if results, err := stub.GetStateByRange("", ""); err == nil {
		readAll(results)
	}
	if results, _, err := stub.GetStateByRangeWithPagination("", "", 2, ""); err == nil {
		readAll(results)
	}
	return Success(nil)
}

func readAll(results StateQueryIteratorInterface) {
	for range 100 {
		if !results.HasNext() {
			break
		}
		if _, err := results.Next(); err != nil {
			break
		}
	}
	_ = results.Close()
}

// framed writes messages one after the other, each with its length in two bytes in front.
func framed(messages ...*message) []byte {
	var out []byte
	for _, m := range messages {
		raw, _ := proto.Marshal(m)
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(raw))), raw...)
	}
	return out
}

func unframed(raw []byte) []*message {
	var frames []*message
	for len(raw) > 2 && len(frames) < 64 {
		size := min(int(binary.BigEndian.Uint16(raw)), len(raw)-2)
		m := &message{}
		if proto.Unmarshal(raw[2:2+size], m) == nil {
			frames = append(frames, m)
		}
		raw = raw[2+size:]
	}
	return frames
}

// FuzzConversation plays arbitrary frames of a peer: nothing panics, and the conversation ends.
func FuzzConversation(f *testing.F) {
	input, _ := proto.Marshal(&peer.ChaincodeInput{Args: [][]byte{[]byte("f"), []byte("{}")}})
	entry, _ := proto.Marshal(&queryresult.KV{Key: "k", Value: []byte("v")})
	results, _ := proto.Marshal(&peer.QueryResponse{
		Results: []*peer.QueryResultBytes{{ResultBytes: entry}}, HasMore: true, Id: "1",
	})
	answer := func(kind peer.ChaincodeMessage_Type, payload []byte) *message {
		return &message{Type: kind, Txid: "1", ChannelId: "channel", Payload: payload}
	}
	begin := []*message{
		answer(peer.ChaincodeMessage_REGISTERED, nil), answer(peer.ChaincodeMessage_READY, nil),
		answer(peer.ChaincodeMessage_TRANSACTION, input), answer(peer.ChaincodeMessage_RESPONSE, []byte("value")),
		answer(peer.ChaincodeMessage_RESPONSE, results), answer(peer.ChaincodeMessage_RESPONSE, results),
		answer(peer.ChaincodeMessage_ERROR, []byte("no")),
	}
	f.Add(framed(begin...))
	f.Add(framed(begin[:3]...))
	f.Add(framed(answer(peer.ChaincodeMessage_INIT, input), answer(peer.ChaincodeMessage_KEEPALIVE, nil)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		_ = converse("label:hash", curious{}, &recorded{frames: unframed(raw), ctx: ctx})
	})
}

// FuzzStateRange reads arbitrary answers to a range query: an entry or an error, never a panic or an end of time.
func FuzzStateRange(f *testing.F) {
	entry, _ := proto.Marshal(&queryresult.KV{Key: "k", Value: []byte("v")})
	good, _ := proto.Marshal(&peer.QueryResponse{Results: []*peer.QueryResultBytes{{ResultBytes: entry}}, Metadata: entry})
	f.Add(good)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		response := &peer.QueryResponse{}
		if proto.Unmarshal(raw, response) != nil {
			return
		}
		response.HasMore = false
		readAll(&iterator{results{response: response, stub: &stub{}}})
	})
}
