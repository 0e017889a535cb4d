package contract_test

import (
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/round"
)

// verdict lets a member attest to the open proposal, as its administrator.
func verdict(f *contracttest.Federation, p *contracttest.Played, member int, agree bool, state string) {
	f.Must(contracttest.Admin(member), "Attest", p.With(object{
		"number": p.Proposals, "state": state, "agree": agree, "deviation_e9": 0,
	}), nil)
}

// TestT16HalfOfTheOrganisationsSlashNobodyForAnHonestState has two of four refute every honest proposal, and then propose the
// very same state.
func TestT16HalfOfTheOrganisationsSlashNobodyForAnHonestState(t *testing.T) {
	f := contracttest.New(4, `{}`)
	f.Ready(1, 4)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	honest := 0
	for p.View().Turns[0].Participant < contracttest.ID(2) {
		p.Propose()
		honest++
		for i := range 4 {
			verdict(f, p, i, i < 2, map[bool]string{true: p.State(), false: contracttest.Digest("lie")}[i < 2])
		}
		p.Advance(round.PhaseAttest)
		equal(t, 0, len(flags(f, contracttest.ID(0)))+len(flags(f, contracttest.ID(1))))
	}
	if honest == 0 {
		t.Fatal("no honest aggregator came first: the test shows nothing")
	}
	p.Propose()
	p.Attest(0, 1, 2)
	p.Advance(round.Final)
	f.Must(contracttest.Admin(0), "Settle", object{"training": "tumour", "round": 1}, nil)
	for i := range 4 {
		faults, _, _, _ := score(f, i)
		proposer := p.View().Proposal.Proposer
		equal(t, i == 2 || contracttest.ID(i) == proposer, faults == 1) // who said no, and then yes to the same
	}
}

func TestT16WithoutAMajorityAProposalWaitsForAllOrItsDeadline(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	first := p.View().Turns[0].Participant
	p.Propose()
	verdict(f, p, 0, false, contracttest.Digest("lie"))
	verdict(f, p, 1, false, contracttest.Digest("lie"))
	waits(t, f, p)
	p.Expire()
	p.Advance(round.PhaseAttest)
	equal(t, 0, len(flags(f, first)))
	p.Finish()
}

func TestT16FalseMetricsAreRefutedLikeAFalseState(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	liar := p.View().Turns[0].Participant
	f.Must(p.Aggregator(), "ProposeAggregate", changed(p.Proposal(), "metrics", object{"loss": "0.1"}), nil)
	p.Proposals++
	for i := range 3 {
		verdict(f, p, i, false, p.State()) // the state is right, the metrics are not
	}
	p.Advance(round.PhaseAttest)
	p.Finish()
	f.Must(contracttest.Admin(0), "Settle", object{"training": "tumour", "round": 1}, nil)
	for i := range 4 {
		faults, _, _, _ := score(f, i)
		equal(t, contracttest.ID(i) == liar, faults == 1)
	}
}
