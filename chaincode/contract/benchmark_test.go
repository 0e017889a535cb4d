package contract_test

import (
	"encoding/json"
	"testing"
	"time"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/round"
)

type trusting struct{ round.Verifier }

func (trusting) VerifyAggregate(aggregate.Inputs, uint64) error { return nil }

// BenchmarkARoundOfAHundred plays the largest cohort, ten participants of each of ten organisations, with as many dropouts
// as it bears, and times the transactions that read the most, without the sum itself: a peer holds its lock for that long.
func BenchmarkARoundOfAHundred(b *testing.B) {
	f := contracttest.New(10, `{"participants_per_organisation":10}`)
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
