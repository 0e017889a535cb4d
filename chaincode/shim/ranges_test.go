package shim

import (
	"errors"
	"fmt"
	"testing"
)

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
