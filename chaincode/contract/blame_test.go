package contract_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/round"
	"fedledger/chaincode/secagg"
)

const differencesPath = "../../tests/vectors/differences.json"

// differenceCase is what a node sees of an attempt at its freeze, and whether the rules let it go on: a node judges the same
// (tests/unit/secagg/test_differences.py).
type differenceCase struct {
	Survivors []string           `json:"survivors"`
	Frozen    []round.FrozenView `json:"frozen"`
	Minimum   int                `json:"minimum"`
	Allowed   bool               `json:"allowed"`
}

// blaming plays a federation of n in which the last few are bad.
type blaming struct {
	t        *testing.T
	f        *contracttest.Federation
	random   *rand.Rand
	everyone []string
	bad      []string
	cases    []differenceCase
}

func newBlaming(t *testing.T, n, bad int, seed uint64) *blaming {
	b := &blaming{t: t, f: contracttest.New(n, `{}`), random: rand.New(rand.NewPCG(seed, uint64(n)))}
	b.f.Ready(3, n)
	for i := range n {
		b.everyone = append(b.everyone, contracttest.ID(i))
	}
	b.bad = b.everyone[n-bad:]
	return b
}

func (b *blaming) note(p *contracttest.Played) {
	view := p.View()
	b.cases = append(b.cases, differenceCase{view.Survivors, view.Frozen, 3, true})
}

// places are where some participants stand in a cohort.
func places(p *contracttest.Played, names []string) []int {
	found := []int{}
	for place, member := range p.View().Cohort {
		if slices.Contains(names, member) {
			found = append(found, place)
		}
	}
	return found
}

// attempt lets these deal badly, one of them perhaps without committing an update, and everybody else do what it must.
func (b *blaming) attempt(dealers []string, first bool) {
	dropouts := []int{}
	if first && b.random.IntN(2) == 0 { // nothing is frozen yet, all are drawn: its dropping out is no difference
		dropouts = append(dropouts, slices.Index(b.everyone, dealers[0]))
	}
	p := b.f.Open("tumour", options{Dropouts: dropouts})
	spoiling := places(p, dealers)
	kind := make([]secagg.Kind, len(spoiling))
	for i, place := range spoiling {
		if kind[i] = secagg.KindSeed; slices.Contains(dropouts, place) {
			kind[i] = secagg.KindMask
		}
	}
	for i, place := range spoiling {
		p.Spoil(place, 0, kind[i])
	}
	p.To(round.PhaseUnmask)
	b.note(p)
	p.Say("RevealShares", p.Reveal, p.Surviving()...)
	p.Advance(round.Void)
	equal(b.t, string(errcode.VoidBadDealer), p.View().VoidReason)
}

// finish plays an attempt in which the blamed that the smallest cohort needs are silent, to its result.
func (b *blaming) finish() {
	dropouts := []int{}
	if len(b.everyone) == 4 {
		dropouts = []int{slices.Index(b.everyone, b.bad[0])}
	}
	p := b.f.Open("tumour", options{Dropouts: dropouts})
	p.To(round.PhaseUnmask)
	b.note(p)
	p.Finish()
	equal(b.t, len(b.everyone)-len(b.bad), len(p.View().Survivors))
}

// play lets the bad be blamed in an order and in company that the seed chooses; one that the smallest cohort needs comes back,
// and deals badly again a few times.
func (b *blaming) play() {
	unblamed, first := slices.Clone(b.bad), true
	b.random.Shuffle(len(unblamed), func(i, j int) { unblamed[i], unblamed[j] = unblamed[j], unblamed[i] })
	for len(unblamed) > 0 {
		n := 1 + b.random.IntN(len(unblamed))
		b.attempt(unblamed[:n], first)
		unblamed, first = unblamed[n:], false
	}
	if len(b.everyone) == 4 {
		for range b.random.IntN(3) {
			b.attempt(b.bad, false)
		}
	}
	b.finish()
}

// TestT13HoweverTheBadAreBlamedTheHonestRestIsSummedWithoutAVote is the property over sequences of blames, n = 4…10 with up to
// n−t bad; what was frozen on the way is kept for the nodes' own judgement.
func TestT13HoweverTheBadAreBlamedTheHonestRestIsSummedWithoutAVote(t *testing.T) {
	cases := []differenceCase{}
	for n := 4; n <= 10; n++ {
		for bad := 1; bad <= n-secagg.Threshold(n); bad++ {
			for seed := range uint64(4) {
				t.Run(fmt.Sprintf("%d of %d, seed %d", bad, n, seed), func(t *testing.T) {
					b := newBlaming(t, n, bad, seed)
					b.play()
					cases = append(cases, b.cases...)
				})
			}
		}
	}
	cases = append(cases, refusedDifferences(t)...)
	want, err := json.MarshalIndent(cases, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if *rewrite {
		if err := os.WriteFile(differencesPath, append(want, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(differencesPath); err != nil || string(have) != string(want)+"\n" {
		t.Fatalf("%s is not what the rules say: -rewrite (%v)", differencesPath, err)
	}
}

// refusedDifferences are attempts that end for their difference: an honest one is missing beside the blamed.
func refusedDifferences(t *testing.T) []differenceCase {
	t.Helper()
	cases := []differenceCase{}
	for n := 5; n <= 10; n++ {
		b := newBlaming(t, n, 1, 0)
		b.attempt(b.bad, false)
		p := b.f.Open("tumour", options{})
		p.To(round.PhaseUpdates)
		rest := []int{}
		for place := 1; place < len(p.Members); place++ {
			rest = append(rest, place)
		}
		if len(rest) < p.View().Threshold {
			continue
		}
		p.Say("CommitUpdate", p.Update, rest...)
		equal(t, string(errcode.VoidDifferencing), p.Ended())
		view := p.View()
		cases = append(cases, differenceCase{view.Cohort[1:], view.Frozen, 3, false})
	}
	return cases
}
