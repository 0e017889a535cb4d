package contract_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// reading counts all reads of a state.
type reading struct {
	ledger.State
	count *int
}

func (r reading) Get(key string) ([]byte, error) {
	*r.count++
	return r.State.Get(key)
}

func (r reading) Range(prefix string) ([]ledger.Entry, error) {
	*r.count++
	return counted{r.State, r.count}.Range(prefix)
}

func (r reading) Page(prefix, after string, limit int) ([]ledger.Entry, error) {
	*r.count++
	return counted{r.State, r.count}.Page(prefix, after, limit)
}

type lineage struct {
	round.Lineage
	Bookmark string
}

// lineagePage evaluates GetLineage and says how often the state was read.
func lineagePage(t *testing.T, f *contracttest.Federation, argument object) (found lineage, reads int) {
	t.Helper()
	raw, err := json.Marshal(changed(argument, "training", "tumour"))
	if err != nil {
		t.Fatal(err)
	}
	answer, _, err := f.Contract.Execute(reading{f.State.Begin(), &reads}, ledger.Env{Channel: contracttest.Channel}, "GetLineage", raw)
	if err != nil || json.Unmarshal(answer, &found) != nil {
		t.Fatal(err)
	}
	return found, reads
}

func TestAPageOfALineageReadsItsOwnStepsOnly(t *testing.T) {
	f := contracttest.New(4, `{}`)
	f.Ready(24, 4)
	cost := map[int]int{}
	for depth := 1; depth <= 24; depth++ {
		f.Open("tumour", options{}).Finish()
		if depth%8 == 0 {
			page, reads := lineagePage(t, f, object{"page_size": 2, "bookmark": ledger.Number(uint64(depth - 4))})
			equal(t, 2, len(page.Steps))
			cost[depth] = reads
		}
	}
	equal(t, cost[8], cost[24])
	_, two := lineagePage(t, f, object{"page_size": 1})
	_, four := lineagePage(t, f, object{"page_size": 3})
	if step := (four - two) / 2; step < 1 || step > 4 || two > 8+2*step { // a page looks at one step more than it has
		t.Fatalf("%d reads for a page of one step, %d for one of three", two, four)
	}
	refused(t, f, contracttest.Node(0), "GetLineage", object{"training": "tumour", "page_size": 2, "bookmark": "first"}, errcode.BadArgument)
}

// TestALineageLeadsToTheHeadWhicheverRoundsAreRolledBackTo rolls back at random, to rounds of lineages that were left, too, and
// holds the steps, whole and in pages, against the parents that the rounds themselves name.
func TestALineageLeadsToTheHeadWhicheverRoundsAreRolledBackTo(t *testing.T) {
	left := 0
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 21))
		f := contracttest.New(4, `{"founding_grant":100000000}`)
		f.Ready(40, 4)
		finals := []uint64{0}
		for range 11 {
			if random.IntN(3) == 0 {
				to := finals[random.IntN(len(finals))]
				agree(t, f, "roll_back_training", object{"training": "tumour", "round": to})
				left++
			}
			p := f.Open("tumour", options{})
			p.Finish()
			finals = append(finals, p.Ref.Round)
			sameLineage(t, f)
		}
		agree(t, f, "roll_back_training", object{"training": "tumour", "round": finals[1+random.IntN(11)]})
		sameLineage(t, f)
	}
	if left < 7 {
		t.Fatalf("%d roll backs are too few", left)
	}
}

func sameLineage(t *testing.T, f *contracttest.Federation) {
	t.Helper()
	var training round.TrainingView
	f.Query("GetTraining", object{"training": "tumour"}, &training)
	want := []uint64{}
	for at := training.Head.Round; at != 0; {
		want = append([]uint64{at}, want...)
		var view round.View
		f.Query("GetRound", object{"training": "tumour", "round": at, "attempt": 0}, &view)
		at = view.Parent
	}
	whole, _ := lineagePage(t, f, object{})
	paged, bookmark := []round.Step{}, ""
	for {
		page, _ := lineagePage(t, f, object{"page_size": 3, "bookmark": bookmark})
		paged, bookmark = append(paged, page.Steps...), page.Bookmark
		if bookmark == "" {
			break
		}
	}
	equal(t, fmt.Sprint(whole.Steps), fmt.Sprint(paged))
	got := []uint64{}
	for _, step := range whole.Steps {
		got = append(got, step.Round)
	}
	equal(t, fmt.Sprint(want), fmt.Sprint(got))
}
