package contract_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"fedledger/chaincode/contract"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// failing is a state whose n-th call fails.
type failing struct {
	ledger.State
	left *int
}

var errDisk = errors.New("disk on fire")

func (f failing) fail() error {
	*f.left--
	if *f.left == 0 {
		return errDisk
	}
	return nil
}

func (f failing) Get(key string) ([]byte, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.State.Get(key)
}

func (f failing) Put(key string, value []byte) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.State.Put(key, value)
}

func (f failing) Del(key string) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.State.Del(key)
}

func (f failing) Range(prefix string) ([]ledger.Entry, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.State.Range(prefix)
}

// history is a life with everything in it: refutation, fault, roll back, suspension, settlement, stake.
func history() *contracttest.Federation {
	f := contracttest.New(5, `{"epoch_rounds":2,"transfer_ms":0}`)
	f.Ready(9, 4)
	answered(f).Finish()
	voidGarbage(f)
	lied := f.Open("tumour", options{})
	lied.To(round.PhaseAttest)
	f.Must(lied.Aggregator(), "ProposeAggregate", changed(lied.Proposal(), "state", contracttest.Digest("lie")), nil)
	lied.Proposals++
	for i := range 3 {
		f.Must(contracttest.Admin(i), "Attest", lied.With(object{"number": 1, "state": lied.State(), "agree": false, "deviation_e9": 0}), nil)
	}
	lied.Advance(round.PhaseAttest)
	f.Must(contracttest.Admin(3), "AttestNoState", lied.With(object{"aggregate": contracttest.Digest("sum"), "code": "FL3010"}), nil)
	lied.Finish()
	f.Must(contracttest.Node(0), "Settle", object{"training": "tumour", "round": 1}, nil)
	f.Must(contracttest.Admin(0), "Transfer", object{"to": contracttest.MSP(1), "amount": 3}, nil)
	f.Must(contracttest.Admin(0), "Stake", object{"participant": contracttest.ID(0), "amount": 3}, nil)
	f.Must(contracttest.Admin(0), "Unstake", object{"participant": contracttest.ID(0), "amount": 3}, nil)
	f.Must(contracttest.Admin(0), "RotateKey", object{"participant": contracttest.ID(0), "key_hash": contracttest.KeyHash("rotated")}, nil)
	f.Must(contracttest.Admin(0), "RotateKey", object{"participant": contracttest.ID(0), "key_hash": contracttest.KeyHash("again")}, nil)
	voted(f)
	return f
}

// voted carries every kind of proposal that a life has not seen before.
func voted(f *contracttest.Federation) {
	must(f.Agree("set_rules_version", object{"version": 2}))
	f.Certify(0, 1, 2, 3, 4)
	left := f.Open("tumour", options{})
	leaves(f, left, 0, 1)
	left.Say("PublishKeys", left.Keys, 2, 3)
	left.Advance(round.Void)
	carryOn(f, f.Open("tumour", options{}))
	must(f.Agree("release_model", contracttest.Releasing("tumour-1", 2)))
	f.Must(signer(0).Caller, "SignRelease", signer(0).Signing(f, "tumour-1", "release"), nil)
	for _, vote := range []struct {
		kind string
		body object
	}{
		{"trust_consortium", hospitals.Trusting()},
		{"lift_differencing", object{"training": "tumour"}},
		{"treasury", object{"to": contracttest.MSP(3), "amount": 2}},
		{"roll_back_training", object{"training": "tumour", "round": 0}},
		{"suspend", object{"organisation": contracttest.MSP(4)}},
		{"reinstate", object{"organisation": contracttest.MSP(4)}},
		{"set_parameters", object{"parameters": object{"cohort_min": 4}}},
		{"withdraw_model", object{"release": "tumour-1", "reason": "a site's labels were wrong"}},
		{"stop_training", object{"training": "tumour"}},
		{"retire_plan", object{"plan": contracttest.Digest("plan")}},
		{"admit", object{"organisation": "NewcomerMSP"}},
		{"remove", object{"participant": contracttest.ID(4)}},
	} {
		if err := f.Agree(vote.kind, vote.body); err != nil {
			panic(vote.kind + ": " + err.Error())
		}
	}
	taken := hospitals.Signed(hospitals.Withdrawing(contracttest.Digest("passport")), 2)
	f.Must(contracttest.Node(1), "BringWithdrawal", object{"withdrawal": taken}, nil)
	must(f.Agree("distrust_consortium", object{"genesis": hospitals.Genesis}))
}

func voidGarbage(f *contracttest.Federation) {
	p := f.Open("tumour", options{Values: garbage})
	p.To(round.PhaseAttest)
	f.Must(p.Node(0), "ReportFault", p.With(object{"kind": "garbage", "accused": "", "evidence": object{}}), nil)
}

func TestTheHistoryHoldsEveryTransactionAndEveryKindOfProposal(t *testing.T) {
	f := history()
	sent := map[string]bool{}
	for _, entry := range f.Log {
		sent[entry.Function] = true
		var propose struct{ Kind string }
		if json.Unmarshal(entry.Argument, &propose) == nil {
			sent[propose.Kind] = true
		}
	}
	transactions, _ := f.Contract.Functions()
	for _, name := range slices.Concat(transactions, contract.Kinds()) {
		if !sent[name] {
			t.Errorf("the history holds no %s", name)
		}
	}
}

// replayed runs the log of a federation again on an empty state and hands each entry to check before it commits.
func replayed(t *testing.T, f *contracttest.Federation, check func(state *ledger.Memory, entry contracttest.Entry)) *ledger.Memory {
	t.Helper()
	state := ledger.NewMemory()
	for _, entry := range f.Log {
		check(state, entry)
		tx := state.Begin()
		if _, _, err := f.Contract.Execute(tx, entry.Env, entry.Function, entry.Argument); err != nil {
			t.Fatalf("%s: %v", entry.Function, err)
		}
		state.Commit(tx)
	}
	return state
}

func TestAStateThatFailsAnywhereFailsTheTransactionWithACode(t *testing.T) {
	f := history()
	faults := 0
	replayed(t, f, func(state *ledger.Memory, entry contracttest.Entry) {
		for at := 1; ; at++ {
			left := at
			_, _, err := f.Contract.Execute(failing{state.Begin(), &left}, entry.Env, entry.Function, entry.Argument)
			if left > 0 {
				return // it ended before the n-th call
			}
			faults++
			if err == nil || errcode.Of(err) != errcode.Internal {
				t.Fatalf("%s goes on after its call %d failed: %v", entry.Function, at, err)
			}
		}
	})
	if faults < 1000 {
		t.Fatalf("only %d failures tried", faults)
	}
}

func TestAFailingQueryAnswersWithACode(t *testing.T) {
	f := lived()
	_, queries := f.Contract.Functions()
	for _, name := range queries {
		for at := 1; at < 60; at++ {
			left := at
			argument := []byte(`{"training":"tumour"}`)
			_, _, err := f.Contract.Execute(failing{f.State.Begin(), &left}, ledger.Env{}, name, argument)
			if left <= 0 && err == nil {
				t.Fatalf("%s answers although its read %d failed", name, at)
			}
		}
	}
}

func TestAReplayOfTheLogGivesTheSameState(t *testing.T) {
	f := history()
	state := replayed(t, f, func(*ledger.Memory, contracttest.Entry) {})
	want, got := f.State.Entries(), state.Entries()
	equal(t, len(want), len(got))
	for i := range want {
		equal(t, want[i].Key, got[i].Key)
		equal(t, string(want[i].Value), string(got[i].Value))
	}
}
