package contract_test

import (
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// FuzzAnyArgumentIsAnsweredWithAResponseOrACode sends arbitrary bytes to every function of a federation with a round in
// flight: nothing panics, nothing is an internal error, and what is refused says why.
func FuzzAnyArgumentIsAnsweredWithAResponseOrACode(f *testing.F) {
	federation := contracttest.New(4, `{}`)
	federation.Ready(2, 4)
	p := federation.Open("tumour", options{})
	p.To(round.PhaseUnmask)
	transactions, queries := federation.Contract.Functions()
	functions := append(transactions, queries...)
	for i, function := range functions {
		f.Add(uint8(i), []byte(`{}`))
		for _, entry := range federation.Log {
			if entry.Function == function {
				f.Add(uint8(i), entry.Argument)
				break
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, argument []byte) {
		function := functions[int(which)%len(functions)]
		for _, caller := range []ledger.Caller{contracttest.Admin(0), contracttest.Node(0)} {
			_, _, err := federation.Prepare(caller, function, argument)
			if err != nil && (errcode.Of(err) == errcode.Internal || errcode.Of(err) == errcode.BadRecord) {
				t.Fatalf("%s: %v", function, err)
			}
		}
	})
}
