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

func TestKeysThatNoPeerCanStoreAreRefusedBeforeThePeerIsAsked(t *testing.T) {
	p := inside(t, nil, nil, func(stub ChaincodeStubInterface) error {
		for _, key := range []string{"", "\xff\xfe"} {
			_, read := stub.GetState(key)
			_, many := stub.GetMultipleStates(key, key)
			for _, err := range []error{read, many, stub.PutState(key, []byte("x")), stub.DelState(key)} {
				if err == nil {
					return fmt.Errorf("key %q was taken", key)
				}
			}
		}
		_, composite := stub.GetStateByRange("\x00a", "")
		_, text := stub.GetStateByRange("", "\xff")
		if composite == nil || text == nil {
			return errors.New("a range with a bad end was taken")
		}
		return nil
	})
	if p.requests() != "" {
		t.Fatalf("the peer was asked: %s", p.requests())
	}
}

func TestCompositeKeysSortByTheirPartsAndComeApartAgain(t *testing.T) {
	key, err := CreateCompositeKey("type", []string{"a", "", "ü"})
	if err != nil || key != "\x00type\x00a\x00\x00ü\x00" {
		t.Fatalf("got %q, %v", key, err)
	}
	objectType, attributes, err := splitCompositeKey(key)
	if failure := errors.Join(err, expect("type", objectType), expect([]string{"a", "", "ü"}, attributes)); failure != nil {
		t.Fatal(failure)
	}
	for _, part := range []string{"a\x00", "\U0010FFFF", "\xff"} {
		if _, err := CreateCompositeKey("type", []string{part}); err == nil {
			t.Errorf("part %q was taken", part)
		}
	}
	for _, plain := range []string{"", "\x00", "plain", "\x00type"} {
		if _, _, err := splitCompositeKey(plain); err == nil {
			t.Errorf("%q was split", plain)
		}
	}
}

func keysOf(results StateQueryIteratorInterface, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	keys := []string{}
	for results.HasNext() {
		kv, err := results.Next()
		if err != nil {
			return nil, err
		}
		keys = append(keys, kv.GetKey())
	}
	_, end := results.Next()
	if end == nil {
		return nil, errors.New("a result after the last one")
	}
	return keys, results.Close()
}

func tenKeys() map[string]string {
	state := map[string]string{}
	for n := range 10 {
		state[fmt.Sprintf("key%d", n)] = "v"
		composite, _ := CreateCompositeKey("type", []string{fmt.Sprint(n % 2), fmt.Sprint(n)})
		state[composite] = "v"
	}
	return state
}

func TestARangeIsReadInBatchesAndLeavesCompositeKeysOut(t *testing.T) {
	p := inside(t, nil, tenKeys(), func(stub ChaincodeStubInterface) error {
		keys, err := keysOf(stub.GetStateByRange("", ""))
		return errors.Join(err, expect(10, len(keys)), expect("key0", keys[0]), expect("key9", keys[9]))
	})
	expected := "GET_STATE_BY_RANGE QUERY_STATE_NEXT QUERY_STATE_NEXT QUERY_STATE_NEXT"
	if p.requests() != expected {
		t.Fatalf("expected %s, got %s", expected, p.requests())
	}
}

func TestAnIteratorThatIsLeftEarlyIsClosedAtThePeerOnce(t *testing.T) {
	p := inside(t, nil, tenKeys(), func(stub ChaincodeStubInterface) error {
		results, err := stub.GetStateByRange("key", "kez")
		if err != nil {
			return err
		}
		return errors.Join(results.Close(), results.Close(), expect(false, results.HasNext()))
	})
	if expected := "GET_STATE_BY_RANGE QUERY_STATE_CLOSE"; p.requests() != expected {
		t.Fatalf("expected %s, got %s", expected, p.requests())
	}
}

func TestAPartialCompositeKeyFindsItsOwnKeysOnly(t *testing.T) {
	inside(t, nil, tenKeys(), func(stub ChaincodeStubInterface) error {
		odd, err1 := keysOf(stub.GetStateByPartialCompositeKey("type", []string{"1"}))
		all, err2 := keysOf(stub.GetStateByPartialCompositeKey("type", nil))
		none, err3 := keysOf(stub.GetStateByPartialCompositeKey("typ", nil))
		return errors.Join(err1, err2, err3, expect(5, len(odd)), expect(10, len(all)), expect(0, len(none)))
	})
}

func TestPagesFollowTheirBookmarks(t *testing.T) {
	inside(t, nil, tenKeys(), func(stub ChaincodeStubInterface) error {
		var seen []string
		for bookmark, pages := "", 0; ; pages++ {
			results, page, err := stub.GetStateByRangeWithPagination("key", "kez", 4, bookmark)
			if err != nil {
				return err
			}
			keys, err := keysOf(results, nil)
			if err != nil {
				return err
			}
			seen = append(seen, keys...)
			if bookmark = page.GetBookmark(); bookmark == "" {
				break
			}
		}
		results, page, err := stub.GetStateByPartialCompositeKeyWithPagination("type", []string{"0"}, 2, "")
		if err != nil {
			return err
		}
		keys, err := keysOf(results, nil)
		return errors.Join(err, expect(10, len(seen)), expect(2, len(keys)), expect(int32(2), page.GetFetchedRecordsCount()))
	})
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

func TestWhatIsLeftOutSaysSo(t *testing.T) {
	inside(t, nil, nil, func(stub ChaincodeStubInterface) error {
		none := reflect.ValueOf(stub)
		for n := range none.NumMethod() {
			name := none.Type().Method(n).Name
			left := reflect.TypeOf(leftOut{})
			method, ok := left.MethodByName(name)
			if !ok || name == "InvokeChaincode" {
				continue
			}
			args := []reflect.Value{reflect.ValueOf(leftOut{})}
			for a := 1; a < method.Type.NumIn()-btoi(method.Type.IsVariadic()); a++ {
				args = append(args, reflect.Zero(method.Type.In(a)))
			}
			out := method.Func.Call(args)
			if err, _ := out[len(out)-1].Interface().(error); !errors.Is(err, ErrNotSupported) {
				return fmt.Errorf("%s answered %v", name, err)
			}
		}
		return expect(int32(500), stub.InvokeChaincode("other", nil, "").GetStatus())
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
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

func FuzzCompositeKeys(f *testing.F) {
	f.Add("type", "a", "b")
	f.Add("", "\x00", "\xff")
	f.Fuzz(func(t *testing.T, objectType, first, second string) {
		key, err := CreateCompositeKey(objectType, []string{first, second})
		if err != nil {
			return
		}
		gotType, parts, err := splitCompositeKey(key)
		if err != nil || gotType != objectType || len(parts) != 2 || parts[0] != first || parts[1] != second {
			t.Fatalf("%q came apart as %q %q, %v", key, gotType, parts, err)
		}
	})
}

func FuzzSplitCompositeKey(f *testing.F) {
	f.Add("\x00type\x00a\x00")
	f.Fuzz(func(t *testing.T, key string) {
		objectType, parts, err := splitCompositeKey(key)
		if err != nil {
			return
		}
		again, err := CreateCompositeKey(objectType, parts)
		if err == nil && again != key {
			t.Fatalf("%q became %q", key, again)
		}
	})
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
