package contract_test

import (
	"encoding/base64"
	"testing"

	"fedledger/chaincode/codec"
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

// FuzzAnyWordIsCarriedOrRefusedWithACode brings arbitrary bytes as a signed proposal, and as a batch, to a round in flight. Run it with
// -fuzzminimizetime 100x: inputs are long, and making one smaller takes as long as a minute else.
func FuzzAnyWordIsCarriedOrRefusedWithACode(f *testing.F) {
	federation := contracttest.New(4, `{}`)
	federation.Ready(2, 4)
	if err := federation.Agree("set_rules_version", object{"version": 2}); err != nil {
		f.Fatal(err)
	}
	federation.Certify(0, 1, 2, 3)
	p := federation.Open("tumour", options{})
	p.To(round.PhaseUnmask)
	functions := []string{"PublishKeys", "CommitShares", "CommitUpdate", "RevealShares", "Attest"}
	for i, argument := range []object{p.Keys(0), p.Shares(0), p.Update(0), p.Reveal(0), agreeing(p)(0)} {
		word := p.Word(0, functions[i], argument)
		raw, err := codec.Canonical(from(batch(p, functions[i], word), round.PhaseUnmask))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), decoded(word["proposal"]), decoded(word["signature"]), raw)
	}
	f.Fuzz(func(t *testing.T, which uint8, signed, signature, argument []byte) {
		word := object{"proposal": base64.StdEncoding.EncodeToString(signed), "signature": base64.StdEncoding.EncodeToString(signature)}
		for _, brought := range []any{batch(p, functions[int(which)%len(functions)], word), argument} {
			_, _, err := federation.Prepare(carrier, "CarryWords", brought)
			if err != nil && (errcode.Of(err) == errcode.Internal || errcode.Of(err) == errcode.BadRecord) {
				t.Fatal(err)
			}
		}
	})
}

func decoded(text any) []byte {
	raw, err := base64.StdEncoding.DecodeString(text.(string))
	must(err)
	return raw
}
