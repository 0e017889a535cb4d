package shim

import (
	"errors"
	"strings"
	"testing"

	"fedledger/chaincode/shim/protos/peer"
)

func TestPrivateDataIsReadAndWrittenInItsCollection(t *testing.T) {
	p := inside(t, nil, map[string]string{"c|old": "1", "old": "public", "c|gone": "2"}, func(s ChaincodeStubInterface) error {
		value, err1 := s.GetPrivateData("c", "old")
		missing, err2 := s.GetPrivateData("c", "missing")
		many, err3 := s.GetMultiplePrivateData("c", "old", "missing")
		digest, err4 := s.GetPrivateDataHash("c", "old")
		return errors.Join(err1, err2, err3, err4,
			expect("1", string(value)), expect([]byte(nil), missing), expect([][]byte{[]byte("1"), nil}, many),
			expect("hash of c|old", string(digest)),
			s.PutPrivateData("c", "new", []byte("3")), s.DelPrivateData("c", "old"), s.PurgePrivateData("c", "gone"))
	})
	if err := expect(map[string]string{"c|new": "3", "old": "public"}, p.state); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(p.requests(), "PUT_STATE DEL_STATE PURGE_PRIVATE_DATA") {
		t.Fatalf("got %s", p.requests())
	}
}

func TestACollectionIsNamed(t *testing.T) {
	inside(t, nil, nil, func(s ChaincodeStubInterface) error {
		_, err1 := s.GetPrivateData("", "key")
		_, err2 := s.GetPrivateDataHash("", "key")
		_, err3 := s.GetMultiplePrivateData("", "key")
		_, err4 := s.GetPrivateDataByRange("", "", "")
		_, err5 := s.GetPrivateDataValidationParameter("", "key")
		_, err6 := s.GetPrivateDataQueryResult("", "{}")
		_, err7 := s.GetPrivateDataByPartialCompositeKey("", "type", nil)
		for n, err := range []error{
			err1, err2, err3, err4, err5, err6, err7, s.PutPrivateData("", "key", nil), s.DelPrivateData("", "key"),
			s.PurgePrivateData("", "key"), s.SetPrivateDataValidationParameter("", "key", nil),
		} {
			if err == nil {
				return errors.New("taken without a collection: " + string(rune('a'+n)))
			}
		}
		return nil
	})
}

func TestARangeOfACollectionIsWalkedOver(t *testing.T) {
	state := map[string]string{"c|a": "1", "c|b": "2", "c|d": "4", "b": "public"}
	inside(t, nil, state, func(s ChaincodeStubInterface) error {
		results, err := s.GetPrivateDataByRange("c", "a", "c")
		if err != nil {
			return err
		}
		var keys []string
		for results.HasNext() {
			kv, err := results.Next()
			if err != nil {
				return err
			}
			keys = append(keys, kv.GetKey())
		}
		return errors.Join(expect([]string{"c|a", "c|b"}, keys), results.Close())
	})
}

func TestABatchTellsCollectionsAndPoliciesApart(t *testing.T) {
	offers := &peer.ChaincodeAdditionalParams{UseWriteBatch: true, MaxSizeWriteBatch: 9}
	p := inside(t, offers, map[string]string{"c|purged": "x"}, func(s ChaincodeStubInterface) error {
		s.StartWriteBatch()
		return errors.Join(s.PutState("k", []byte("1")), s.PutPrivateData("c", "k", []byte("2")),
			s.SetStateValidationParameter("k", []byte("3")), s.SetPrivateDataValidationParameter("c", "k", []byte("4")),
			s.PurgePrivateData("c", "purged"))
	})
	expected := map[string]string{
		"k": "1", "c|k": "2", "VALIDATION_PARAMETER of k": "3", "VALIDATION_PARAMETER of c|k": "4",
	}
	if err := errors.Join(expect(expected, p.state), expect("WRITE_BATCH_STATE", p.requests())); err != nil {
		t.Fatal(err)
	}
}

func TestAKeysPolicyIsFoundAmongItsMetadata(t *testing.T) {
	inside(t, nil, nil, func(s ChaincodeStubInterface) error {
		none, err1 := s.GetStateValidationParameter("k")
		err2 := s.SetStateValidationParameter("k", []byte("policy"))
		public, err3 := s.GetStateValidationParameter("k")
		err4 := s.SetPrivateDataValidationParameter("c", "k", []byte("private"))
		private, err5 := s.GetPrivateDataValidationParameter("c", "k")
		return errors.Join(err1, err2, err3, err4, err5, expect([]byte(nil), none),
			expect("policy", string(public)), expect("private", string(private)))
	})
}

func TestTheHistoryOfAKeyComesInBatches(t *testing.T) {
	p := inside(t, nil, nil, func(s ChaincodeStubInterface) error {
		results, err := s.GetHistoryForKey("k")
		if err != nil {
			return err
		}
		var ids []string
		for results.HasNext() {
			written, err := results.Next()
			if err != nil {
				return err
			}
			ids = append(ids, written.GetTxId())
		}
		return errors.Join(expect([]string{"k0", "k1", "k2", "k3"}, ids), results.Close())
	})
	if err := expect("GET_HISTORY_FOR_KEY QUERY_STATE_NEXT", p.requests()); err != nil {
		t.Fatal(err)
	}
}

func TestARefusedQueryIsAnError(t *testing.T) {
	inside(t, nil, nil, func(s ChaincodeStubInterface) error {
		results, err := s.GetQueryResult("{}")
		page, _, err2 := s.GetQueryResultWithPagination("{}", 3, "")
		if err == nil || err2 == nil || results != nil || page != nil {
			return errors.New("a query that the peer refuses was answered")
		}
		return nil
	})
}

func TestAnotherChaincodesAnswerComesBackWhole(t *testing.T) {
	inside(t, nil, nil, func(s ChaincodeStubInterface) error {
		same := s.InvokeChaincode("other", [][]byte{[]byte("function")}, "")
		there := s.InvokeChaincode("other", [][]byte{[]byte("function")}, "channel-2")
		broken := s.InvokeChaincode("other", [][]byte{[]byte("break")}, "")
		return errors.Join(expect(int32(201), same.GetStatus()), expect("other function", string(same.GetPayload())),
			expect("other/channel-2 function", string(there.GetPayload())),
			expect(int32(ERROR), broken.GetStatus()), expect("other ended with ERROR: broken", broken.GetMessage()))
	})
}
