package contract_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/ledger"
)

// counted counts the records that are read by range.
type counted struct {
	ledger.State
	read *int
}

func (c counted) Range(prefix string) ([]ledger.Entry, error) {
	entries, err := c.State.Range(prefix)
	*c.read += len(entries)
	return entries, err
}

func (c counted) Page(prefix, after string, limit int) ([]ledger.Entry, error) {
	entries, err := c.State.Page(prefix, after, limit)
	*c.read += len(entries)
	return entries, err
}

type listing struct {
	Items    []json.RawMessage
	Bookmark string
}

// page evaluates a list over a state and says how many records of it were read by range.
func page(t *testing.T, f *contracttest.Federation, state ledger.State, function string, argument object) (listing, int) {
	t.Helper()
	raw, err := json.Marshal(argument)
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	answer, _, err := f.Contract.Execute(counted{state, &read}, ledger.Env{Channel: contracttest.Channel}, function, raw)
	if err != nil {
		t.Fatalf("%s: %v", function, err)
	}
	var found listing
	if err := json.Unmarshal(answer, &found); err != nil {
		t.Fatal(err)
	}
	return found, read
}

// lists are all functions that list, with what they need besides a page.
func lists() map[string]object {
	return map[string]object{
		"ListOrganisations": {}, "ListParticipants": {}, "ListProposals": {}, "ListPlans": {}, "ListTrainings": {}, "ListFlags": {}, "ListReleases": {},
		"ListConsortia": {}, "ListWithdrawals": {},
		"ListRounds": {"training": "tumour"}, "ListRewards": {"training": "tumour", "round": 1}, "ListPrivacy": {"training": "private"},
	}
}

func long(t *testing.T) *contracttest.Federation {
	t.Helper()
	f := contracttest.New(12, `{}`)
	f.Ready(40, 12)
	for i := range 24 {
		f.Start(fmt.Sprint("other-", i), 1, 4)
		agree(t, f, "register_plan", object{"plan": contracttest.Digest(fmt.Sprint("plan-", i)), "name": "x", "layout": json.RawMessage(contracttest.Layout),
			"initial_state": contracttest.Digest("s"), "schema": contracttest.Digest("schema")})
	}
	for range 4 {
		f.Open("tumour", options{Dropouts: []int{3, 5}}).Finish()
	}
	for range 12 {
		f.Open("tumour", options{}).Ended()
	}
	agree(t, f, "set_rules_version", object{"version": 2})
	agree(t, f, "register_plan", registering(promise))
	agree(t, f, "start_training", changed(copied(starting), "cohort", 12))
	f.Open("private", options{}).Finish()
	for i := range 12 {
		agree(t, f, "release_model", contracttest.Releasing(fmt.Sprint("tumour-", i), 4))
		abroad := contracttest.NewAbroad(fmt.Sprint("abroad-", i))
		agree(t, f, "trust_consortium", abroad.Trusting())
		taken := abroad.Signed(abroad.Withdrawing(contracttest.Digest(fmt.Sprint("passport-", i))), 2)
		f.Must(contracttest.Admin(0), "BringWithdrawal", object{"withdrawal": taken}, nil)
	}
	return f
}

func TestEveryListReadsItsPageAndNoMore(t *testing.T) {
	f := long(t)
	_, queries := f.Contract.Functions()
	for _, name := range queries {
		if _, listed := lists()[name]; name[:4] == "List" && !listed {
			t.Errorf("%s is not tested", name)
		}
	}
	for name, argument := range lists() {
		whole, _ := page(t, f, f.State.Begin(), name, changed(argument, "page_size", 200))
		if whole.Bookmark != "" || len(whole.Items) < 10 {
			t.Fatalf("%s: %d items are too few for the test", name, len(whole.Items))
		}
		delete(argument, "bookmark")
		first, read := page(t, f, f.State.Begin(), name, changed(argument, "page_size", 1))
		if len(first.Items) != 1 || read > 8 {
			t.Errorf("%s: a page of %d read %d records", name, len(first.Items), read)
		}
	}
}

func TestPagesJoinedAreTheListOnTheMemoryTwinAndBehindAStub(t *testing.T) {
	f := long(t)
	for _, state := range []func() ledger.State{
		func() ledger.State { return f.State.Begin() },
		func() ledger.State { return ledger.NewFabric(&stub{committed: f.State.Begin()}) },
	} {
		for name, argument := range lists() {
			whole, _ := page(t, f, state(), name, changed(argument, "page_size", 200))
			for _, size := range []int{1, 3, 8, 9} {
				joined := listing{}
				for {
					next, _ := page(t, f, state(), name, changed(changed(argument, "page_size", size), "bookmark", joined.Bookmark))
					joined.Items, joined.Bookmark = append(joined.Items, next.Items...), next.Bookmark
					if next.Bookmark == "" {
						break
					}
				}
				delete(argument, "bookmark")
				same := slices.EqualFunc(whole.Items, joined.Items, func(a, b json.RawMessage) bool { return string(a) == string(b) })
				if !same {
					t.Fatalf("%s in pages of %d: %d items instead of %d", name, size, len(joined.Items), len(whole.Items))
				}
			}
		}
	}
}
