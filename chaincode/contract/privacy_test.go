package contract_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// promise is what the plan of these tests promises; one survivor colludes, so that four leave three contributors.
var promise = object{"unit": "record", "delta": "0.00001", "survivors": 3, "colluders": 1, "squared_e15": 1_000_000_000_000, "slack_e15": 7}

// registering is the body of register_plan for the plan "private".
func registering(privacy any) object {
	return object{
		"plan": contracttest.Digest("private"), "name": "private", "layout": json.RawMessage(contracttest.Layout),
		"initial_state": contracttest.Digest("private-0"), "schema": contracttest.Digest("schema"), "privacy": privacy,
	}
}

var starting = object{"training": "private", "plan": contracttest.Digest("private"), "rounds": 5, "cohort": 4}

// privately starts the training "private" under version 2.
func privately(t *testing.T, members int, privacy any) *contracttest.Federation {
	t.Helper()
	f := contracttest.New(members, `{"transfer_ms":0}`)
	f.Ready(5, members)
	agree(t, f, "set_rules_version", object{"version": 2})
	agree(t, f, "register_plan", registering(privacy))
	agree(t, f, "start_training", changed(copied(starting), "cohort", members))
	return f
}

func copied(from object) object {
	made := object{}
	for key, value := range from { // any order: into a map
		made[key] = value
	}
	return made
}

// accounts is the training's, "squared slack" by participant.
func accounts(f *contracttest.Federation, training string) map[string]string {
	var listing struct{ Items []round.SpentBy }
	f.Query("ListPrivacy", object{"training": training}, &listing)
	found := map[string]string{}
	for _, item := range listing.Items {
		found[item.Participant] = fmt.Sprint(item.SquaredE15, " ", item.SlackE15)
	}
	return found
}

func TestWhatAFrozenRoundTellsIsAddedToEachSurvivorsAccount(t *testing.T) {
	f := privately(t, 4, promise)
	equal(t, 0, len(accounts(f, "private")))
	first := f.Open("private", options{})
	first.To(round.PhaseUpdates)
	equal(t, 0, len(accounts(f, "private"))) // nothing is frozen
	first.Finish()
	names := first.View().Cohort
	for _, id := range names {
		equal(t, "333333333334 7", accounts(f, "private")[id]) // a third, rounded up
	}
	void := f.Open("private", options{Dropouts: []int{3}})
	void.To(round.PhaseUnmask)
	equal(t, string(errcode.VoidNotUnmaskable), void.Ended())
	for _, id := range names[:3] {
		equal(t, "833333333334 14", accounts(f, "private")[id]) // a half more, though the attempt is void
	}
	equal(t, "333333333334 7", accounts(f, "private")[names[3]])
	agree(t, f, "roll_back_training", object{"training": "private", "round": 0})
	f.Open("private", options{}).Finish() // what was told stays told
	equal(t, "1166666666668 21", accounts(f, "private")[names[0]])
	equal(t, 0, len(accounts(f, "tumour")))
}

func TestAnAttemptThatIsVoidBeforeItsFreezeTellsNothing(t *testing.T) {
	f := privately(t, 4, promise)
	p := f.Open("private", options{})
	p.To(round.PhaseUpdates)
	p.Ended()
	equal(t, 0, len(accounts(f, "private")))
}

func TestAPlanWithoutNoiseHasNoAccounts(t *testing.T) {
	f := privately(t, 4, object{"unit": "", "delta": "", "survivors": 0, "colluders": 0, "squared_e15": 0, "slack_e15": 0})
	f.Open("private", options{}).Finish()
	equal(t, 0, len(accounts(f, "private")))
	var plan round.Plan
	f.Query("GetPlan", object{"plan": contracttest.Digest("private")}, &plan)
	equal(t, round.Privacy{}, *plan.Privacy)
}

func TestVersion1KeepsNoAccountsAndItsPlansHaveNone(t *testing.T) {
	f := contracttest.New(4, `{}`)
	f.Ready(5, 4)
	refuse(t, f.Agree("register_plan", registering(promise)), errcode.BadArgument)
	refused(t, f, contracttest.Node(0), "ListPrivacy", object{"training": "tumour"}, errcode.UnknownFunction)
	agree(t, f, "set_rules_version", object{"version": 2})
	f.Open("tumour", options{}).Finish()
	equal(t, 0, len(accounts(f, "tumour")))
	var plan round.Plan
	f.Query("GetPlan", object{"plan": contracttest.Digest("plan")}, &plan)
	equal(t, true, plan.Privacy == nil)
}

func TestAPromiseThatNoPlanFileGivesIsRefused(t *testing.T) {
	f := contracttest.New(4, `{}`)
	f.Ready(5, 4)
	agree(t, f, "set_rules_version", object{"version": 2})
	for key, values := range map[string][]any{ // any order: each is refused
		"unit":        {"", "rows"},
		"delta":       {"", "0", "0.0", "1", "x", "1e-100", "-0.1", "0.000000000000000000000000000000000000000001"},
		"survivors":   {0, 1, uint64(1) << 63},
		"colluders":   {3, 4},
		"squared_e15": {0, 1_000_000_000_000_000_001},
		"slack_e15":   {uint64(1) << 63},
	} {
		for _, value := range values {
			body := registering(changed(copied(promise), key, value))
			if err := f.Agree("register_plan", body); errcode.Of(err) != errcode.BadArgument {
				t.Errorf("%s %v: %v", key, value, err)
			}
		}
	}
	refuse(t, f.Agree("register_plan", registering(nil)), errcode.BadArgument)
	agree(t, f, "register_plan", registering(changed(copied(promise), "delta", "1e-5")))
}

func TestAPlanThatPromisesPrivacyIsTrainedInOneSumOnly(t *testing.T) {
	f := privately(t, 9, promise)
	agree(t, f, "set_parameters", robust(3, 1))
	refuse(t, f.Agree("start_training", changed(copied(starting), "training", "again")), errcode.BadLayout)
	_, err := f.Do(contracttest.Node(0), "OpenRound", object{"training": "private"})
	refuse(t, err, errcode.BadLayout)
	_, _, err = f.Prepare(ledger.Caller{MSPID: "RegulatorMSP", Role: ledger.Client}, "ListPrivacy", object{"training": "none"})
	refuse(t, err, errcode.UnknownTraining)
}
