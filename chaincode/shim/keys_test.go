package shim

import (
	"errors"
	"fmt"
	"testing"
)

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
