package contract_test

import (
	"encoding/json"
	"testing"
	"time"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

type trusting struct{ round.Verifier }

func (trusting) VerifyAggregate(aggregate.Inputs, uint64) error { return nil }

// BenchmarkARoundOfAHundred plays the largest cohort, ten participants of each of ten organisations, with as many dropouts
// as it bears, and times the transactions that read the most, without the sum itself: a peer holds its lock for that long.
func BenchmarkARoundOfAHundred(b *testing.B) {
	f := contracttest.New(10, `{"participants_per_organisation":10,"founding_grant":20000000}`)
	f.Found()
	for i := range 100 {
		f.ApplyFor(i%10, i)
		if err := f.Agree("admit", object{"participant": contracttest.ID(i)}); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Agree("register_plan", object{
		"plan": contracttest.Digest("plan"), "name": "hundred", "layout": json.RawMessage(contracttest.Layout),
		"initial_state": contracttest.Digest("state-0"), "schema": contracttest.Digest("schema"),
	}); err != nil {
		b.Fatal(err)
	}
	f.Start("tumour", 1, 100)
	dropouts := []int{}
	for i := range 33 {
		dropouts = append(dropouts, 3*i)
	}
	p := f.Open("tumour", options{Dropouts: dropouts})
	p.To(round.PhaseUnmask)
	f.Contract.Verifier = trusting{f.Contract.Verifier}
	timed := func(name string, do func()) {
		begin := time.Now()
		do()
		b.ReportMetric(float64(time.Since(begin).Microseconds())/1000, name+"-ms")
	}
	survivors := p.Surviving()
	timed("RevealShares", func() { p.Say("RevealShares", p.Reveal, survivors[0]) })
	p.Say("RevealShares", p.Reveal, survivors[1:]...)
	timed("Advance", func() { p.Advance(round.PhaseAttest) })
	timed("GetRound", func() { p.View() })
	proposer, proposal := p.Aggregator(), p.Proposal()
	timed("ProposeAggregate", func() { f.Must(proposer, "ProposeAggregate", proposal, nil) })
}

// BenchmarkTwentyReveals times what twenty members reveal: alone, and carried by one of them.
func BenchmarkTwentyReveals(b *testing.B) {
	f := contracttest.New(20, `{}`)
	f.Ready(1, 20)
	if err := f.Agree("set_rules_version", object{"version": 2}); err != nil {
		b.Fatal(err)
	}
	everybody := []int{}
	for place := range 20 {
		f.Certify(place)
		everybody = append(everybody, place)
	}
	p := f.Open("tumour", options{})
	p.To(round.PhaseUnmask)
	alone, carried := []object{}, p.Carried("RevealShares", p.Reveal, everybody...)
	for place := range 20 {
		alone = append(alone, p.Reveal(place))
	}
	run := func(caller ledger.Caller, function string, argument object) {
		if _, _, err := f.Prepare(caller, function, argument); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("alone", func(b *testing.B) {
		for b.Loop() {
			for place := range 20 {
				run(p.Node(place), "RevealShares", alone[place])
			}
		}
	})
	b.Run("carried", func(b *testing.B) {
		for b.Loop() {
			run(carrier, "CarryWords", carried)
		}
	})
}
