package contract_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// lived is a federation with a finished round that had a dropout, settled, and one in flight.
func lived() *contracttest.Federation {
	f := training(5, `{}`)
	f.Open("tumour", options{Dropouts: []int{3}}).Finish()
	f.Must(contracttest.Node(0), "Settle", object{"training": "tumour", "round": 1}, nil)
	f.Open("tumour", options{}).To(round.PhaseAttest)
	must(f.Agree("set_rules_version", object{"version": 2}))
	must(f.Agree("release_model", contracttest.Releasing("tumour-1", 1)))
	must(f.Agree("trust_consortium", hospitals.Trusting()))
	return f
}

func TestEveryQueryAnswersAndWritesNothing(t *testing.T) {
	f := lived()
	_, queries := f.Contract.Functions()
	arguments := map[string]object{
		"GetParticipant": {"participant": contracttest.ID(0)}, "GetReputation": {"participant": contracttest.ID(0)},
		"GetProposal": {"proposal": f.Log[0].Env.TxID}, "GetPlan": {"plan": contracttest.Digest("plan")},
		"GetTraining": {"training": "tumour"}, "GetLineage": {"training": "tumour"}, "ListRounds": {"training": "tumour"}, "ListPrivacy": {"training": "tumour"},
		"GetRound":   {"training": "tumour", "round": 1, "attempt": 0},
		"GetReveals": {"training": "tumour", "round": 0, "attempt": 0},
		"GetDraw":    {"training": "tumour", "epoch": 1}, "ListRewards": {"training": "tumour", "round": 1},
		"BalanceOf": {"account": "treasury"}, "GetRelease": {"release": "tumour-1"},
		"GetConsortium": {"genesis": hospitals.Genesis},
	}
	for _, entry := range f.Log {
		if entry.Function == "Propose" {
			arguments["GetProposal"] = object{"proposal": entry.Env.TxID}
		}
	}
	for _, name := range queries {
		argument := arguments[name]
		if argument == nil {
			argument = object{}
		}
		tx, entry, err := f.Prepare(ledger.Caller{MSPID: "RegulatorMSP", Role: ledger.Client}, name, argument)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(tx.Writes()) != 0 || entry.Event.Name != "" || len(entry.Response) < 3 {
			t.Fatalf("%s answers %s and writes %d keys", name, entry.Response, len(tx.Writes()))
		}
	}
}

func TestListsArePaged(t *testing.T) {
	f := lived()
	names, bookmark := []string{}, ""
	for range 3 {
		var page struct {
			Items    []struct{ Participant string }
			Bookmark string
		}
		f.Query("ListParticipants", object{"page_size": 2, "bookmark": bookmark}, &page)
		for _, item := range page.Items {
			names = append(names, item.Participant)
		}
		if bookmark = page.Bookmark; bookmark == "" {
			break
		}
	}
	equal(t, "[hospital-000 hospital-001 hospital-002 hospital-003 hospital-004]", fmt.Sprint(names))
	refused(t, f, contracttest.Node(0), "ListPlans", object{"page_size": 201}, errcode.LimitExceeded)
	refused(t, f, contracttest.Node(0), "ListPlans", object{"page_size": -1}, errcode.LimitExceeded)
}

func TestQueriesOfWhatDoesNotExistAreRefused(t *testing.T) {
	f := training(4, `{}`)
	for function, want := range map[string]errcode.Code{
		`GetRound{"training":"tumour"}`:                          errcode.UnknownRound,
		`GetRound{"training":"none"}`:                            errcode.UnknownTraining,
		`GetRound{"training":"tumour","round":1}`:                errcode.UnknownRound,
		`GetRound{"training":"tumour","round":5000000000}`:       errcode.BadArgument,
		`GetReveals{"training":"tumour","round":1,"attempt":1}`:  errcode.UnknownRound,
		`ListRounds{"training":"none"}`:                          errcode.UnknownTraining,
		`ListRewards{"training":"A"}`:                            errcode.BadArgument,
		`GetPlan{"plan":"x"}`:                                    errcode.BadArgument,
		`GetParticipant{"participant":"none"}`:                   errcode.UnknownParticipant,
		`GetLineage{"training":"none"}`:                          errcode.UnknownTraining,
		`GetDraw{"training":"none","epoch":1}`:                   errcode.UnknownTraining,
		`GetReputation{"participant":"none"}`:                    errcode.UnknownParticipant,
		`GetProposal{"proposal":"none"}`:                         errcode.UnknownProposal,
		`GetPlan{"plan":"` + contracttest.Digest("none") + `"}`:  errcode.UnknownPlan,
		`ReportFault{"training":"tumour","kind":"bad_manners"}`:  errcode.UnknownFault,
		`Advance{"training":"tumour","round":0,"attempt":0}`:     errcode.BadArgument,
		`Settle{"training":"none","round":1}`:                    errcode.UnknownRound,
		`OpenRound{"training":"tumour","round":1}`:               errcode.BadArgument,
		`PublishKeys{"training":"tumour","round":9,"attempt":1}`: errcode.UnknownRound,
	} {
		at := 0
		for function[at] != '{' {
			at++
		}
		refused(t, f, contracttest.Node(0), function[:at], []byte(function[at:]), want)
	}
}

func TestARoundsRecordsOfTenParticipantsStaySmall(t *testing.T) {
	f := contracttest.New(10, `{}`)
	f.Ready(1, 10)
	p := f.Open("tumour", options{})
	p.Finish()
	for _, kind := range []string{"round", "phase"} {
		entries, err := f.State.Begin().Range(ledger.Key(kind, "tumour"))
		if err != nil || len(entries) != 1 {
			t.Fatal(len(entries), err)
		}
		if size := len(entries[0].Value); size > 8_000 {
			t.Fatalf("the %s record has %d bytes", kind, size)
		}
	}
}

func TestAPageEndsWhereItsBytesDo(t *testing.T) {
	f := contracttest.New(4, `{}`)
	f.Found()
	long := json.RawMessage(strings.Replace(contracttest.Layout, `"name":"v"`, `"name":"`+strings.Repeat("v", 250_000)+`"`, 1))
	digest := contracttest.Digest("plan")
	plan := object{"plan": digest, "name": "tumour", "layout": long, "initial_state": digest, "schema": digest}
	for i := range 9 {
		f.Must(contracttest.Admin(i%3), "Propose", proposal("register_plan", plan), nil)
	}
	seen, bookmark, pages := 0, "", 0
	for {
		var page struct {
			Items    []struct{ Proposal string }
			Bookmark string
		}
		f.Query("ListProposals", object{"bookmark": bookmark}, &page)
		seen, bookmark, pages = seen+len(page.Items), page.Bookmark, pages+1
		if bookmark == "" {
			break
		}
	}
	equal(t, 9, seen)
	equal(t, 3, pages)
}

func TestALineageIsPaged(t *testing.T) {
	f := training(4, `{}`)
	for range 3 {
		f.Open("tumour", options{}).Finish()
	}
	var page struct {
		Steps    []struct{ Round int }
		Bookmark string
	}
	f.Query("GetLineage", object{"training": "tumour", "page_size": 2}, &page)
	equal(t, 2, len(page.Steps))
	f.Query("GetLineage", object{"training": "tumour", "page_size": 2, "bookmark": page.Bookmark}, &page)
	equal(t, 3, page.Steps[0].Round)
	equal(t, "", page.Bookmark)
}
