package shim

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"fedledger/chaincode/shim/protos/peer"
)

// inside runs code with a stub and fails the test with the error that it returns.
func inside(
	t *testing.T, offers *peer.ChaincodeAdditionalParams, state map[string]string, code func(ChaincodeStubInterface) error,
) *fakePeer {
	t.Helper()
	p := startPeer(t, contractOf(func(stub ChaincodeStubInterface) *peer.Response {
		return answer(nil, code(stub))
	}), offers)
	for key, value := range state {
		p.state[key] = value
	}
	if got := p.response(p.run("txid", "Function", "one", "two")); got.GetStatus() != OK {
		t.Fatal(got.GetMessage())
	}
	return p
}

func expect(expected, actual any) error {
	if !reflect.DeepEqual(expected, actual) {
		return fmt.Errorf("expected %v, got %v", expected, actual)
	}
	return nil
}

func TestTheStubShowsTheProposal(t *testing.T) {
	inside(t, nil, nil, func(stub ChaincodeStubInterface) error {
		function, parameters := stub.GetFunctionAndParameters()
		creator, err1 := stub.GetCreator()
		transient, err2 := stub.GetTransient()
		binding, err3 := stub.GetBinding()
		at, err4 := stub.GetTxTimestamp()
		slice, err5 := stub.GetArgsSlice()
		expectedBinding := sha256.Sum256([]byte("noncecreator\x00\x00\x00\x00\x00\x00\x00\x00"))
		return errors.Join(err1, err2, err3, err4, err5,
			expect("Function", function), expect([]string{"one", "two"}, parameters),
			expect("txid", stub.GetTxID()), expect("channel", stub.GetChannelID()),
			expect("creator", string(creator)), expect("value", string(transient["secret"])),
			expect(expectedBinding[:], binding), expect(int64(1700000000000), at.AsTime().UnixMilli()),
			expect("Functiononetwo", string(slice)), expect(3, len(stub.GetArgs())))
	})
}

func TestTheEventGoesWithTheResult(t *testing.T) {
	p := startPeer(t, contractOf(func(stub ChaincodeStubInterface) *peer.Response {
		if stub.SetEvent("", nil) == nil {
			return Error("an event without a name was taken")
		}
		return answer(nil, errors.Join(stub.SetEvent("First", nil), stub.SetEvent("Second", []byte("payload"))))
	}), nil)
	event := p.run("1").GetChaincodeEvent()
	if event.GetEventName() != "Second" || string(event.GetPayload()) != "payload" {
		t.Fatalf("got %v", event)
	}
}

func TestSeveralStatesAreReadInAsFewMessagesAsThePeerAllows(t *testing.T) {
	state := map[string]string{"a": "1", "c": "3", "e": "5"}
	read := func(stub ChaincodeStubInterface) error {
		values, err := stub.GetMultipleStates("a", "b", "c", "d", "e")
		return errors.Join(err, expect([][]byte{[]byte("1"), nil, []byte("3"), nil, []byte("5")}, values))
	}
	alone := inside(t, nil, state, read)
	if expected := strings.TrimSpace(strings.Repeat("GET_STATE ", 5)); alone.requests() != expected {
		t.Fatalf("without the offer: %s", alone.requests())
	}
	offers := &peer.ChaincodeAdditionalParams{UseGetMultipleKeys: true, MaxSizeGetMultipleKeys: 2}
	if pages := inside(t, offers, state, read); pages.requests() != "GET_STATE_MULTIPLE GET_STATE_MULTIPLE GET_STATE" {
		t.Fatalf("with pages of two: %s", pages.requests())
	}
}

func TestABatchSendsTheLastWriteOfEachKeyInPages(t *testing.T) {
	offers := &peer.ChaincodeAdditionalParams{UseWriteBatch: true, MaxSizeWriteBatch: 2}
	p := inside(t, offers, map[string]string{"old": "x"}, func(stub ChaincodeStubInterface) error {
		stub.StartWriteBatch()
		return errors.Join(stub.PutState("a", []byte("1")), stub.PutState("b", []byte("2")), stub.DelState("old"),
			stub.PutState("a", []byte("3"))) // the end of the invocation sends it
	})
	expected := map[string]string{"a": "3", "b": "2"}
	if err := expect(expected, p.state); err != nil {
		t.Fatal(err)
	}
	if p.requests() != "WRITE_BATCH_STATE WRITE_BATCH_STATE" {
		t.Fatalf("got %s", p.requests())
	}
}

func TestABatchIsPlainWritesWhereThePeerOffersNone(t *testing.T) {
	p := inside(t, nil, nil, func(stub ChaincodeStubInterface) error {
		stub.StartWriteBatch()
		return errors.Join(stub.PutState("a", []byte("1")), stub.FinishWriteBatch())
	})
	if p.requests() != "PUT_STATE" {
		t.Fatalf("got %s", p.requests())
	}
}

func TestAnUndecodableProposalIsAnErrorOfItsTransaction(t *testing.T) {
	p := startPeer(t, contractOf(func(ChaincodeStubInterface) *peer.Response { return Success(nil) }), nil)
	outcome := make(chan *message, 1)
	p.mutex.Lock()
	p.outcomes["1"] = outcome
	p.mutex.Unlock()
	p.toCode <- &message{
		Type: peer.ChaincodeMessage_TRANSACTION, Txid: "1", ChannelId: "channel",
		Proposal: &peer.SignedProposal{ProposalBytes: []byte("\xff")},
	}
	if got := wait(t, outcome); got.GetType() != peer.ChaincodeMessage_ERROR {
		t.Fatalf("got %v", got)
	}
}

func FuzzDecodeProposal(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x0a\x02\x0a\x00\x12\x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		decoded, err := decodeProposal(&peer.SignedProposal{ProposalBytes: raw})
		if err == nil && len(decoded.binding) != sha256.Size {
			t.Fatalf("a binding of %d bytes", len(decoded.binding))
		}
	})
}
