package contract_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/release"
	"fedledger/chaincode/round"
)

// hospitals is the consortium that releases, as package contracttest's evidence names it.
var hospitals = contracttest.NewAbroad("genesis")

// foreign is what the hospitals released: the statement and its digest.
func foreign() (release.View, string) {
	view := got(released())
	payload, err := codec.Canonical(view.Statement)
	must(err)
	digest := sha256.Sum256(payload)
	return view, ledger.Hex(digest[:])
}

// insurers is a federation under version 2 that trusts the hospitals.
func insurers() *contracttest.Federation {
	f := contracttest.New(4, `{}`)
	f.Ready(5, 4)
	must(f.Agree("set_rules_version", object{"version": 2}))
	must(f.Agree("trust_consortium", hospitals.Trusting()))
	return f
}

// continuing is the body of register_plan for a plan that begins from a state, with a passport.
func continuing(state string, passport any) object {
	return object{
		"plan": contracttest.Digest("continued"), "name": "continued", "layout": json.RawMessage(contracttest.Layout),
		"initial_state": state, "schema": contracttest.Digest("schema"), "passport": passport,
	}
}

func planOf(f *contracttest.Federation) round.Plan {
	var plan round.Plan
	f.Query("GetPlan", object{"plan": contracttest.Digest("continued")}, &plan)
	return plan
}

func TestAPlanBeginsFromAModelOfATrustedConsortium(t *testing.T) {
	view, digest := foreign()
	f := insurers()
	must(f.Agree("register_plan", continuing(view.State, hospitals.Signed(view.Statement, 2))))
	parent := planOf(f).Parent
	equal(t, digest, parent.Passport)
	equal(t, "tumour-1 tumour 2", fmt.Sprint(parent.Release, " ", parent.Training, " ", parent.Round))
	equal(t, uint64(2), parent.Steps)
	equal(t, contracttest.MSP(0)+" "+contracttest.MSP(1), strings.Join(parent.SignedBy, " "))
	must(f.Agree("start_training", object{"training": "onward", "plan": contracttest.Digest("continued"), "rounds": 2, "cohort": 4}))
	var led round.Lineage
	f.Query("GetLineage", object{"training": "onward"}, &led)
	equal(t, view.State, led.State)
}

func TestAModelThatDescendsSaysWhereItComesFrom(t *testing.T) {
	view, digest := foreign()
	f := insurers()
	must(f.Agree("register_plan", continuing(view.State, hospitals.Signed(view.Statement, 3))))
	must(f.Agree("start_training", object{"training": "onward", "plan": contracttest.Digest("continued"), "rounds": 2, "cohort": 4}))
	f.Open("onward", options{}).Finish()
	must(f.Agree("release_model", altered(contracttest.Releasing("onward-1", 1), "training", "onward")))
	var said struct {
		Predicate struct {
			Parents []round.Parent
			Lineage struct {
				InitialState string `json:"initial_state"`
			}
		}
	}
	var made release.View
	f.Query("GetRelease", object{"release": "onward-1"}, &made)
	must(json.Unmarshal(made.Statement, &said))
	equal(t, digest, said.Predicate.Parents[0].Passport)
	equal(t, view.State, said.Predicate.Lineage.InitialState)
}

func TestAPlanBeginsFromNoModelThatItsPassportDoesNotFit(t *testing.T) {
	view, _ := foreign()
	f := insurers()
	right := hospitals.Signed(view.Statement, 2)
	code := func(body object) errcode.Code { return errcode.Of(f.Agree("register_plan", body)) }
	equal(t, errcode.PassportDiffers, code(continuing(contracttest.Digest("another"), right)))
	wide := strings.Replace(contracttest.Layout, `"slots":`, `"slots":1`, 1)
	equal(t, errcode.PassportDiffers, code(altered(continuing(view.State, right), "layout", json.RawMessage(wide))))
	equal(t, errcode.PassportNotSigned, code(continuing(view.State, hospitals.Signed(view.Statement, 1))))
	equal(t, errcode.PassportNotSigned, code(continuing(view.State, contracttest.NewAbroad("others").Signed(view.Statement, 3))))
	equal(t, errcode.BadPassport, code(continuing(view.State, hospitals.Signed(hospitals.Withdrawing(view.State), 3))))
	equal(t, errcode.BadPassport, code(continuing(view.State, altered(right, "payloadType", "text/plain"))))
	must(f.Agree("distrust_consortium", object{"genesis": hospitals.Genesis}))
	equal(t, errcode.UnknownConsortium, code(continuing(view.State, right)))
	equal(t, errcode.UnknownConsortium, errcode.Of(f.Agree("distrust_consortium", object{"genesis": hospitals.Genesis})))
}

func TestWhatFL0806RecommendsHelps(t *testing.T) {
	view, _ := foreign()
	f := contracttest.New(4, `{}`)
	f.Ready(5, 4)
	must(f.Agree("set_rules_version", object{"version": 2}))
	body := continuing(view.State, hospitals.Signed(view.Statement, 2))
	equal(t, errcode.UnknownConsortium, errcode.Of(f.Agree("register_plan", body)))
	must(f.Agree("trust_consortium", hospitals.Trusting()))
	must(f.Agree("register_plan", body))
}

func TestWhatFL0810RecommendsHelps(t *testing.T) {
	view, _ := foreign()
	f := insurers()
	passport := hospitals.Signed(view.Statement, 2)
	equal(t, errcode.PassportDiffers, errcode.Of(f.Agree("register_plan", continuing(contracttest.Digest("fresh"), passport))))
	must(f.Agree("register_plan", continuing(view.State, passport)))
}

func TestNoTrainingBeginsFromAModelThatWasTakenBack(t *testing.T) {
	view, digest := foreign()
	f := insurers()
	body := continuing(view.State, hospitals.Signed(view.Statement, 2))
	must(f.Agree("register_plan", body))
	bringing := object{"withdrawal": hospitals.Signed(hospitals.Withdrawing(digest), 2)}
	refused(t, f, contracttest.Node(2), "BringWithdrawal", object{"withdrawal": hospitals.Signed(hospitals.Withdrawing(digest), 1)}, errcode.PassportNotSigned)
	refused(t, f, ledger.Caller{MSPID: "StrangerMSP", Role: ledger.Admin}, "BringWithdrawal", bringing, errcode.NotAMember)
	f.Must(contracttest.Node(2), "BringWithdrawal", bringing, nil)
	refused(t, f, contracttest.Node(2), "BringWithdrawal", bringing, errcode.AlreadyDone)
	if planOf(f).Parent.WithdrawnMS == 0 {
		t.Fatal("the plan does not say that its parent was withdrawn")
	}
	start := object{"training": "onward", "plan": contracttest.Digest("continued"), "rounds": 2, "cohort": 4}
	equal(t, errcode.PassportWithdrawn, errcode.Of(f.Agree("start_training", start)))
	equal(t, errcode.PassportWithdrawn, errcode.Of(f.Agree("register_plan", altered(body, "plan", contracttest.Digest("again")))))
}

func TestVersion1KnowsNoOtherConsortium(t *testing.T) {
	view, _ := foreign()
	f := contracttest.New(4, `{}`)
	f.Ready(5, 4)
	equal(t, errcode.UnknownKind, errcode.Of(f.Agree("trust_consortium", hospitals.Trusting())))
	equal(t, errcode.BadArgument, errcode.Of(f.Agree("register_plan", continuing(view.State, hospitals.Signed(view.Statement, 2)))))
	refused(t, f, contracttest.Admin(0), "BringWithdrawal", object{}, errcode.UnknownFunction)
}
