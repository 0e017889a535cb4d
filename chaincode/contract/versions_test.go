package contract_test

import (
	"testing"

	"fedledger/chaincode/contract"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

const next = round.Newest + 1

// upgraded is a federation that votes for the next version of the rules while a round is open, and opens another one after it.
func upgraded(t *testing.T) *contracttest.Federation {
	t.Helper()
	f := contracttest.New(4, `{}`)
	f.Contract = contract.WithNextVersion(f.Contract)
	f.Ready(5, 4)
	first := f.Open("tumour", options{})
	first.Say("PublishKeys", first.Keys, 0)
	agree(t, f, "set_rules_version", object{"version": next})
	first.Say("PublishKeys", first.Keys, 1, 2, 3)
	first.Advance(round.PhaseShares)
	first.Finish()
	f.Open("tumour", options{}).Finish()
	return f
}

func TestARoundKeepsTheVersionOfTheRulesThatItWasOpenedUnder(t *testing.T) {
	f := upgraded(t)
	equal(t, 4, ended(f, "KeysPublished"))
	equal(t, 4, ended(f, "KeysPublishedAnew"))
	for number, version := range []uint64{1, next} {
		var view round.View
		f.Query("GetRound", object{"training": "tumour", "round": number + 1, "attempt": 1}, &view)
		equal(t, version, view.Rules)
	}
}

func TestAHistoryReplaysUnderTheVersionsThatItWasWrittenUnder(t *testing.T) {
	f := upgraded(t)
	state := replayed(t, f, func(*ledger.Memory, contracttest.Entry) {})
	want, got := f.State.Entries(), state.Entries()
	equal(t, len(want), len(got))
	for i := range want {
		equal(t, want[i].Key, got[i].Key)
		equal(t, string(want[i].Value), string(got[i].Value))
	}
}

func TestAPeerWithoutTheNewVersionEndorsesNeitherTheDecidingVoteNorAnythingAfterIt(t *testing.T) {
	f := upgraded(t)
	old, state, refusals := contracttest.New(4, `{}`).Contract, ledger.NewMemory(), 0
	for _, entry := range f.Log {
		tx := state.Begin()
		if _, _, err := old.Execute(tx, entry.Env, entry.Function, entry.Argument); err != nil {
			equal(t, errcode.RulesVersion, errcode.Of(err))
			if refusals == 0 {
				equal(t, "Vote", entry.Function)
			}
			refusals++
			tx = state.Begin()
			if _, _, err := f.Contract.Execute(tx, entry.Env, entry.Function, entry.Argument); err != nil {
				t.Fatal(err)
			}
		} else if refusals > 0 {
			t.Fatalf("%s was endorsed under rules that this build lacks", entry.Function)
		}
		state.Commit(tx)
	}
	if refusals < 10 {
		t.Fatalf("only %d refusals", refusals)
	}
}

func TestTheRulesVersionNeverNamesOneThatThisBuildLacks(t *testing.T) {
	f := contracttest.New(4, `{}`)
	f.Found()
	agree(t, f, "set_rules_version", object{"version": 1})
	equal(t, errcode.RulesVersion, errcode.Of(f.Agree("set_rules_version", object{"version": next})))
	equal(t, errcode.RulesVersion, errcode.Of(f.Agree("set_rules_version", object{"version": 0})))
	f.Contract = contract.WithNextVersion(f.Contract)
	var answer governance.ProposalResponse
	f.Must(contracttest.Admin(0), "Propose", proposal("set_rules_version", object{"version": 1}), &answer)
	agree(t, f, "set_rules_version", object{"version": next})
	vote := object{"proposal": answer.Proposal, "approve": true}
	f.Must(contracttest.Admin(1), "Vote", vote, nil)
	refused(t, f, contracttest.Admin(2), "Vote", vote, errcode.RulesVersion) // there is no way back
}
