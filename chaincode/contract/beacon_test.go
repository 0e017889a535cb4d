package contract_test

import (
	"testing"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/selection"
)

func TestT11TheBeaconMovesOnWithEveryAttemptAndSeedsTheNextEpoch(t *testing.T) {
	f := contracttest.New(4, `{"epoch_rounds":1}`)
	f.Ready(2, 4)
	var federation struct{ Beacon string }
	f.Query("GetFederation", object{}, &federation)
	void := f.Open("tumour", options{})
	equal(t, federation.Beacon, void.View().Beacon)
	void.Ended()
	afterVoid := codec.Hash(codec.LabelBeaconVoid, ledger.Bytes(federation.Beacon), codec.U64(1), codec.U64(1))
	equal(t, ledger.Hex(afterVoid[:]), void.View().Beacon)

	final := f.Open("tumour", options{Dropouts: []int{1}})
	equal(t, ledger.Hex(afterVoid[:]), final.View().Beacon)
	final.Finish()
	parts := [][]byte{afterVoid[:], codec.U64(1)}
	for _, survivor := range []int{0, 2, 3} {
		parts = append(parts, final.Members[survivor].Seed[:])
	}
	afterFinal := codec.Hash(codec.LabelBeacon, parts...)
	equal(t, ledger.Hex(afterFinal[:]), final.View().Beacon)

	f.Open("tumour", options{})
	for epoch, seed := range map[int]string{1: federation.Beacon, 2: ledger.Hex(afterFinal[:])} {
		var record selection.DrawRecord
		f.Query("GetDraw", object{"training": "tumour", "epoch": epoch}, &record)
		equal(t, seed, record.Seed)
	}
}
