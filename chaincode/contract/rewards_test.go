package contract_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/rewards"
	"fedledger/chaincode/round"
)

// conserved checks that minted = balances + treasury + stakes + escrows.
func conserved(t *testing.T, f *contracttest.Federation) {
	t.Helper()
	held := uint64(0)
	for _, kind := range []string{"balance", "stake", "escrow"} {
		items, err := ledger.List[rewards.Amount](f.State.Begin(), kind)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range items {
			held += item.Record.Amount
		}
	}
	supply, err := rewards.TotalSupply(f.State.Begin())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, supply, held)
}

func balance(f *contracttest.Federation, account string) uint64 {
	var view struct{ Balance uint64 }
	f.Query("BalanceOf", object{"account": account}, &view)
	return view.Balance
}

func TestARoundsBudgetIsSplitByVolumeQualityAndReliability(t *testing.T) {
	f := training(4, `{"round_budget":1000003}`)
	p := f.Open("tumour", options{Dropouts: []int{3}})
	p.Examples[0] = 150
	p.Finish() // counts say 350 declared, 300 summed: a mismatch, so vetted rows pay
	amounts, total := rewarded(f, 1), uint64(0)
	for _, amount := range amounts {
		total += amount
	}
	equal(t, uint64(1000003), total)
	equal(t, 3, len(amounts))
	equal(t, uint64(0), amounts[contracttest.ID(3)])
	equal(t, uint64(333335), amounts[contracttest.ID(0)]) // the remainder goes in order
}

func TestSettleFoldsARoundOnce(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{Dropouts: []int{3}})
	refused(t, f, contracttest.Node(0), "Settle", object{"training": "tumour", "round": 1}, errcode.NotSettleable)
	p.Finish()
	conserved(t, f)
	before := balance(f, contracttest.MSP(0))
	var settled rewards.Settlement
	f.Must(contracttest.Node(0), "Settle", object{"training": "tumour", "round": 1}, &settled)
	equal(t, rewards.Settlement{Training: "tumour", Round: 1, Paid: 1_000_000, Slashed: 10_000}, settled)
	equal(t, before+rewarded(f, 1)[contracttest.ID(0)], balance(f, contracttest.MSP(0)))
	refused(t, f, contracttest.Node(0), "Settle", object{"training": "tumour", "round": 1}, errcode.AlreadySettled)
	refused(t, f, contracttest.Node(0), "Settle", object{"training": "tumour", "round": 2}, errcode.UnknownRound)
	conserved(t, f)
	var score rewards.Score
	f.Query("GetReputation", object{"participant": contracttest.ID(3)}, &score)
	equal(t, rewards.Score{Reputation: 450_000, Availability: 900_000, Dropouts: 1}, score)
}

func TestTransfersStakesAndTheTreasury(t *testing.T) {
	f := training(4, `{"minimum_stake":100,"transfer_ms":0}`)
	admin := contracttest.Admin(0)
	send := func(to string, amount any) object { return object{"to": to, "amount": amount} }
	refused(t, f, contracttest.Node(0), "Transfer", send(contracttest.MSP(1), 1), errcode.NotPermitted)
	refused(t, f, admin, "Transfer", send(contracttest.MSP(1), 0), errcode.BadAmount)
	refused(t, f, admin, "Transfer", send(contracttest.MSP(1), 1<<50), errcode.InsufficientBalance)
	refused(t, f, admin, "Transfer", send("NobodyMSP", 1), errcode.UnknownAccount)
	refused(t, f, admin, "Transfer", send("a/b", 1), errcode.UnknownAccount)
	refused(t, f, admin, "Transfer", send(contracttest.MSP(1), -1), errcode.BadArgument)
	f.Must(admin, "Transfer", send(contracttest.MSP(0), 5), nil) // to itself: nothing moves
	f.Must(admin, "Transfer", send(rewards.Treasury, 5), nil)
	stake := func(amount int) object { return object{"participant": contracttest.ID(0), "amount": amount} }
	refused(t, f, admin, "Stake", stake(0), errcode.BadAmount)
	refused(t, f, admin, "Unstake", stake(0), errcode.BadAmount)
	refused(t, f, contracttest.Admin(1), "Stake", stake(1), errcode.NotPermitted)
	f.Must(admin, "Stake", stake(50), nil)
	refused(t, f, admin, "Unstake", stake(2_000_000), errcode.StakeLocked)
	f.Must(admin, "Unstake", stake(1_999_950), nil)
	agree(t, f, "remove", object{"participant": contracttest.ID(0)})
	refused(t, f, admin, "Unstake", stake(100), errcode.StakeLocked)
	f.TimeMS += 24 * 3_600_000
	f.Must(admin, "Unstake", stake(100), nil)
	refused(t, f, admin, "Unstake", stake(100), errcode.InsufficientBalance)
	agree(t, f, "treasury", object{"to": contracttest.MSP(2), "amount": 7})
	equal(t, errcode.BadAmount, errcode.Of(f.Agree("treasury", send(contracttest.MSP(2), 0))))
	equal(t, errcode.UnknownOrganisation, errcode.Of(f.Agree("treasury", send("NobodyMSP", 1))))
	equal(t, errcode.BadArgument, errcode.Of(f.Agree("treasury", object{"account": "x"})))
	refused(t, f, admin, "BalanceOf", object{"account": "a/b"}, errcode.UnknownAccount)
	conserved(t, f)
}

func TestAnApplicationIsChecked(t *testing.T) {
	f := training(4, `{"participants_per_organisation":9}`)
	apply := func(changes object) object {
		argument := object{
			"participant": "new", "key_hash": contracttest.KeyHash("new"), "stake": 1_000_000, "evidence": []string{},
			"profile": object{"rows": 10, "missing_ppm": 0, "labels": []int{}, "schema": contracttest.Digest("schema")},
		}
		for key, value := range changes {
			argument[key] = value
		}
		return argument
	}
	profile := func(changes object) object {
		argument := apply(nil)
		for key, value := range changes {
			argument["profile"].(object)[key] = value
		}
		return argument
	}
	admin := contracttest.Admin(0)
	refused(t, f, contracttest.Node(0), "Apply", apply(nil), errcode.NotPermitted)
	refused(t, f, admin, "Apply", apply(object{"participant": contracttest.ID(0)}), errcode.ParticipantExists)
	refused(t, f, admin, "Apply", apply(object{"participant": "UPPER"}), errcode.BadArgument)
	refused(t, f, admin, "Apply", apply(object{"key_hash": contracttest.KeyHash(contracttest.ID(0))}), errcode.KeyInUse)
	refused(t, f, admin, "Apply", apply(object{"stake": 999_999}), errcode.StakeTooLow)
	refused(t, f, admin, "Apply", apply(object{"stake": 99_000_000}), errcode.InsufficientBalance)
	refused(t, f, admin, "Apply", apply(object{"evidence": make([]string, 33)}), errcode.LimitExceeded)
	refused(t, f, admin, "Apply", apply(object{"evidence": []string{"x"}}), errcode.BadArgument)
	refused(t, f, admin, "Apply", profile(object{"labels": make([]int, 1001)}), errcode.LimitExceeded)
	refused(t, f, admin, "Apply", profile(object{"labels": []int{11}}), errcode.BadProfile)
	refused(t, f, admin, "Apply", profile(object{"labels": []int{1 << 41}}), errcode.BadProfile)
	refused(t, f, admin, "Apply", profile(object{"missing_ppm": 1_000_001}), errcode.BadProfile)
	refused(t, f, admin, "Apply", profile(object{"schema": ""}), errcode.BadArgument)
	f.Must(admin, "Apply", apply(nil), nil)
	refused(t, f, contracttest.Admin(1), "RotateKey", object{"participant": "new", "key_hash": contracttest.KeyHash("x")}, errcode.NotPermitted)
	refused(t, f, admin, "RotateKey", object{"participant": "new", "key_hash": contracttest.KeyHash("new")}, errcode.KeyInUse)
}

func TestNoTransferCanKillAFinal(t *testing.T) {
	f := training(4, `{"transfer_ms":0}`)
	random := rand.New(rand.NewPCG(1, 2))
	for range 3 {
		p := f.Open("tumour", options{})
		p.To(round.PhaseAttest)
		p.Propose()
		p.Attest(0, 1, 2)
		final, _, err := f.Prepare(contracttest.Node(0), "Advance", p.Ref)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 { // transfers, stakes and settlements commit between the Final's endorsement and its commit
			f.Must(contracttest.Admin(random.IntN(4)), "Transfer", object{"to": contracttest.MSP(random.IntN(4)), "amount": 1 + random.IntN(9)}, nil)
			f.Must(contracttest.Admin(1), "Stake", object{"participant": contracttest.ID(1), "amount": 1}, nil)
		}
		if p.Ref.Round > 1 {
			f.Must(contracttest.Node(0), "Settle", object{"training": "tumour", "round": p.Ref.Round - 1}, nil)
		}
		if !f.State.Commit(final) {
			t.Fatal("a transfer killed a Final")
		}
		equal(t, round.Final, p.View().Phase)
		conserved(t, f)
	}
}

func TestAnOrganisationMovesTokensOnceInAWhile(t *testing.T) {
	f := training(4, `{"transfer_ms":1000,"minimum_stake":100}`)
	admin := contracttest.Admin(0)
	send := object{"to": contracttest.MSP(1), "amount": 1}
	stake := object{"participant": contracttest.ID(0), "amount": 1}
	f.Must(admin, "Transfer", send, nil)
	for _, function := range []string{"Stake", "Unstake"} {
		refused(t, f, admin, function, stake, errcode.TooSoon)
	}
	f.Must(contracttest.Admin(1), "Transfer", send, nil) // each organisation at its own pace
	f.TimeMS += 999
	refused(t, f, admin, "Transfer", send, errcode.TooSoon)
	f.TimeMS++
	f.Must(admin, "Stake", stake, nil)
}

// TestNoAdministratorKeepsARoundFromOpening lets the administrator of a drawn participant do all that it may, as often as
// it may, between the endorsement of an OpenRound and its commit.
func TestNoAdministratorKeepsARoundFromOpening(t *testing.T) {
	f := training(4, `{"epoch_rounds":1}`) // every OpenRound takes a snapshot, stakes included
	admin, died := contracttest.Admin(0), 0
	for i := range 20 {
		open, _, err := f.Prepare(contracttest.Node(1), "OpenRound", object{"training": "tumour"})
		if err != nil {
			t.Fatal(err)
		}
		key := contracttest.KeyHash(fmt.Sprint("rotated", i))
		f.Must(admin, "RotateKey", object{"participant": contracttest.ID(0), "key_hash": key}, nil)
		f.Try(admin, "Transfer", object{"to": rewards.Treasury, "amount": 1})
		f.Try(admin, "Stake", object{"participant": contracttest.ID(0), "amount": 1})
		f.Try(admin, "Transfer", object{"to": rewards.Treasury, "amount": 1})
		f.TimeMS += 500 // as often as a slow network makes a block
		if f.State.Commit(open) {
			return
		}
		died++
	}
	t.Fatalf("%d of 20 OpenRounds died", died)
}

func TestNoTransferKeepsARoundFromBeingSettledForLong(t *testing.T) {
	f := training(4, `{}`)
	f.Open("tumour", options{}).Finish()
	for range 3 {
		settle, _, err := f.Prepare(contracttest.Node(1), "Settle", object{"training": "tumour", "round": 1})
		if err != nil {
			t.Fatal(err)
		}
		f.Try(contracttest.Admin(0), "Transfer", object{"to": contracttest.MSP(1), "amount": 1})
		f.TimeMS += 500
		if f.State.Commit(settle) {
			return
		}
	}
	t.Fatal("every Settle died")
}
