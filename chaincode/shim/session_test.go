package shim

import (
	"strings"
	"sync"
	"testing"
	"time"

	"fedledger/chaincode/shim/protos/peer"
)

func TestAReadSeesTheCommittedValueAndAMissingKeyIsNil(t *testing.T) {
	p := startPeer(t, contractOf(func(stub ChaincodeStubInterface) *peer.Response {
		missing, err := stub.GetState("missing")
		if missing != nil || err != nil {
			return Error("a missing key is not nil")
		}
		return answer(stub.GetState("key"))
	}), nil)
	p.state["key"] = "value"
	if got := p.response(p.run("1")); string(got.GetPayload()) != "value" {
		t.Fatalf("expected value, got %v", got)
	}
}

func TestAnErrorOfThePeerReachesTheContract(t *testing.T) {
	p := startPeer(t, contractOf(func(stub ChaincodeStubInterface) *peer.Response {
		return answer(stub.GetState("broken"))
	}), nil)
	got := p.response(p.run("1"))
	if got.GetStatus() != 500 || got.GetMessage() != "GET_STATE failed: the disk is gone" {
		t.Fatalf("got %v", got)
	}
}

func TestManyTransactionsRunSideBySideAndKeepTheirAnswersApart(t *testing.T) {
	all := sync.WaitGroup{}
	all.Add(20)
	p := startPeer(t, contractOf(func(stub ChaincodeStubInterface) *peer.Response {
		all.Done()
		all.Wait() // no transaction goes on before all run
		key := stub.GetStringArgs()[0]
		for range 20 {
			if value, err := stub.GetState(key); err != nil || string(value) != "of "+key {
				return Error("another transaction's answer: " + string(value))
			}
		}
		return Success([]byte(key))
	}), nil)
	outcomes := map[string]chan *message{}
	for n := range 20 {
		key := string(rune('a' + n))
		p.mutex.Lock()
		p.state[key] = "of " + key
		p.mutex.Unlock()
		outcomes[key] = p.send("tx-"+key, key)
	}
	for key, outcome := range outcomes {
		got := p.response(wait(t, outcome))
		if got.GetStatus() != 200 || string(got.GetPayload()) != key {
			t.Fatalf("transaction of %s answered %v", key, got)
		}
	}
}

func TestAPanicFailsItsTransactionAlone(t *testing.T) {
	started, release := make(chan bool), make(chan bool)
	p := startPeer(t, contractOf(func(stub ChaincodeStubInterface) *peer.Response {
		if stub.GetStringArgs()[0] == "panic" {
			panic("no such round")
		}
		started <- true
		<-release
		return answer(stub.GetState("key"))
	}), nil)
	other := p.send("other", "wait")
	wait(t, started)
	failed := p.run("failing", "panic")
	if failed.GetType() != peer.ChaincodeMessage_ERROR ||
		!strings.Contains(string(failed.GetPayload()), "the contract panicked: no such round") {
		t.Fatalf("got %v", failed)
	}
	release <- true
	if got := p.response(wait(t, other)); got.GetStatus() != 200 {
		t.Fatalf("the other transaction answered %v", got)
	}
}

func TestTheEndOfTheStreamReleasesACallThatWaits(t *testing.T) {
	result, started := make(chan error, 1), make(chan bool)
	p := startPeer(t, contractOf(func(stub ChaincodeStubInterface) *peer.Response {
		close(started)
		_, err := stub.GetState("key")
		result <- err
		return Success(nil)
	}), nil)
	p.mutex.Lock()
	p.silent = true
	p.mutex.Unlock()
	p.send("1", "wait")
	wait(t, started)
	close(p.toCode)
	if err := wait(t, p.ended); err != nil {
		t.Fatalf("a stream that the peer closes ends without an error, not %v", err)
	}
	if err := wait(t, result); err == nil {
		t.Fatal("the call came back without an error")
	}
}

func TestAGoroutineLeftBehindGetsAnErrorAfterItsTransaction(t *testing.T) {
	finished, result := make(chan bool), make(chan error, 1)
	p := startPeer(t, contractOf(func(stub ChaincodeStubInterface) *peer.Response {
		go func() {
			<-finished
			_, err := stub.GetState("key")
			result <- err
		}()
		return Success(nil)
	}), nil)
	p.run("1")
	close(finished)
	if err := wait(t, result); err == nil {
		t.Fatal("a call after the transaction's end was answered")
	}
}

func TestAnUnaskedReplyIsDropped(t *testing.T) {
	p := startPeer(t, contractOf(func(stub ChaincodeStubInterface) *peer.Response {
		<-time.After(50 * time.Millisecond)
		return answer(stub.GetState("key"))
	}), nil)
	p.state["key"] = "true"
	outcome := p.send("1")
	p.toCode <- &message{
		Type: peer.ChaincodeMessage_RESPONSE, Txid: "1", ChannelId: "channel", Payload: []byte("forged"),
	}
	if got := p.response(wait(t, outcome)); string(got.GetPayload()) != "true" {
		t.Fatalf("expected true, got %q", got.GetPayload())
	}
}

func TestAKeepaliveIsAnswered(t *testing.T) {
	p := startPeer(t, contractOf(func(ChaincodeStubInterface) *peer.Response { return Success(nil) }), nil)
	pong := make(chan *message, 1)
	p.mutex.Lock()
	p.outcomes["keepalive"] = pong
	p.mutex.Unlock()
	p.toCode <- &message{Type: peer.ChaincodeMessage_KEEPALIVE}
	wait(t, pong)
}

func TestInitCallsInit(t *testing.T) {
	p := startPeer(t, contractOf(func(ChaincodeStubInterface) *peer.Response { return Success([]byte("invoke")) }), nil)
	outcome := make(chan *message, 1)
	p.mutex.Lock()
	p.outcomes["1"] = outcome
	p.mutex.Unlock()
	p.toCode <- &message{Type: peer.ChaincodeMessage_INIT, Txid: "1", ChannelId: "channel"}
	if got := p.response(wait(t, outcome)); string(got.GetPayload()) != "init" {
		t.Fatalf("expected init, got %q", got.GetPayload())
	}
}

func TestBreachesOfTheProtocolEndTheStream(t *testing.T) {
	breaches := map[string]*message{
		"runs already": {Type: peer.ChaincodeMessage_TRANSACTION, Txid: "running", ChannelId: "channel"},
		"unexpected":   {Type: peer.ChaincodeMessage_PUT_STATE},
		"READY":        {Type: peer.ChaincodeMessage_READY},
	}
	for expected, breach := range breaches {
		t.Run(expected, func(t *testing.T) {
			block := make(chan bool)
			defer close(block)
			p := startPeer(t, contractOf(func(ChaincodeStubInterface) *peer.Response {
				<-block
				return Success(nil)
			}), nil)
			p.send("running")
			p.toCode <- breach
			if err := wait(t, p.ended); err == nil || !strings.Contains(err.Error(), expected) {
				t.Fatalf("the stream ended with %v", err)
			}
		})
	}
}

func TestAContractWithoutAResponseIsAnError(t *testing.T) {
	p := startPeer(t, contractOf(func(ChaincodeStubInterface) *peer.Response { return nil }), nil)
	if got := p.run("1"); got.GetType() != peer.ChaincodeMessage_ERROR {
		t.Fatalf("got %v", got)
	}
}
