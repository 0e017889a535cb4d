package contract

import (
	"testing"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

func TestAQueryCannotWrite(t *testing.T) {
	state := readOnly{ledger.NewMemory().Begin()}
	for _, err := range []error{state.Put("k", []byte("v")), state.Del("k")} {
		if errcode.Of(err) != errcode.ReadOnly {
			t.Fatal(err)
		}
	}
}
