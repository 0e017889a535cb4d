package contract_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// verdict lets a member attest to the open proposal, as its administrator.
func verdict(f *contracttest.Federation, p *contracttest.Played, member int, agree bool, state string) {
	f.Must(contracttest.Admin(member), "Attest", p.With(object{
		"number": p.Proposals, "state": state, "agree": agree, "deviation_e9": 0,
	}), nil)
}

func score(f *contracttest.Federation, i int) (faults, dropouts, reputation, stake uint64) {
	var found struct {
		Faults, Dropouts, Stake uint64
		Reputation              uint64 `json:"reputation_ppm"`
	}
	f.Query("GetReputation", object{"participant": contracttest.ID(i)}, &found)
	f.Query("GetParticipant", object{"participant": contracttest.ID(i)}, &found)
	return found.Faults, found.Dropouts, found.Reputation, found.Stake
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

// coalition plays a training in which some organisations do whatever the contract lets them, and the others what the docs say.
type coalition struct {
	t         *testing.T
	f         *contracttest.Federation
	p         *contracttest.Played
	random    *rand.Rand
	bad       []int    // members, each with the participant of its number
	concerted bool     // they attest as one, against all that is not theirs
	next      []string // the cohort of the attempt that is played next
	before    uint64   // what they held at first
	stake     uint64   // what each participant staked at first
	finals    uint64
	passed    int
}

func (c *coalition) chance(percent int) bool { return c.random.IntN(100) < percent }

func (c *coalition) isBad(member int) bool { return slices.Contains(c.bad, member) }

// isBadAt is isBad of the member at a place of the cohort.
func (c *coalition) isBadAt(place int) bool { return slices.Contains(c.badPlaces(c.next), place) }

// badPlaces are the coalition's places in a cohort.
func (c *coalition) badPlaces(cohort []string) []int {
	places := []int{}
	for place, id := range cohort {
		if slices.ContainsFunc(c.bad, func(i int) bool { return contracttest.ID(i) == id }) {
			places = append(places, place)
		}
	}
	return places
}

// attempt plays one attempt. Of the coalition some are silent, drop out or deal wrongly; all others speak in time.
func (c *coalition) attempt() {
	o := options{}
	for _, place := range c.badPlaces(c.next) {
		switch c.random.IntN(6) {
		case 0:
			o.Dropouts = append(o.Dropouts, place)
		case 1:
			o.Silent = append(o.Silent, place)
		}
	}
	c.p = c.f.Open("tumour", o)
	if bad := c.badPlaces(c.next); len(bad) > 0 && c.chance(20) {
		c.p.Spoil(bad[c.random.IntN(len(bad))], c.random.IntN(len(c.p.Members)), "seed")
	}
	phases := []struct {
		phase    round.Phase
		function string
		argument func(int) object
		speaks   func(place int) bool
	}{
		{round.PhaseKeys, "PublishKeys", c.p.Keys, func(int) bool { return true }},
		{round.PhaseShares, "CommitShares", c.p.Shares, func(place int) bool { return c.p.Inputs.Cohort[place].Shared }},
		{round.PhaseUpdates, "CommitUpdate", c.p.Update, func(place int) bool { return c.p.Inputs.Cohort[place].Survivor }},
		{round.PhaseUnmask, "RevealShares", c.p.Reveal, func(place int) bool { return c.p.Inputs.Cohort[place].Shared }},
	}
	for _, step := range phases {
		if c.p.View().Phase != step.phase {
			continue
		}
		for _, place := range c.random.Perm(len(c.p.Members)) {
			if step.speaks(place) && !(c.isBadAt(place) && step.phase == round.PhaseUnmask && c.chance(30)) {
				c.f.Try(c.p.Node(place), step.function, step.argument(place))
			}
		}
		if step.phase == round.PhaseUpdates {
			c.complain()
		}
		c.moveOn(step.phase)
	}
	c.result()
}

// complain lets the coalition complain of anybody; honest dealers answer what they may.
func (c *coalition) complain() {
	for range c.random.IntN(4) {
		dealer := c.random.IntN(len(c.p.Members))
		from := []int{}
		for _, place := range c.badPlaces(c.next) {
			if c.chance(60) {
				c.f.Try(c.p.Node(place), "ReportFault", c.p.Complaint(dealer))
				from = append(from, place)
			}
		}
		for _, place := range from {
			if !c.isBadAt(dealer) || c.chance(50) {
				c.f.Try(c.p.Node(dealer), "AnswerComplaint", c.p.Answer(dealer, place))
			}
		}
	}
}

// moveOn sends Advance, at once or late, until the phase is over.
func (c *coalition) moveOn(from round.Phase) {
	for range 3 {
		if c.chance(30) {
			c.f.TimeMS += int64(c.random.IntN(9_000))
		}
		c.f.Try(contracttest.Node(c.random.IntN(len(c.f.Members))), "Advance", c.p.Ref)
		if c.p.View().Phase != from {
			return
		}
		c.f.TimeMS = max(c.f.TimeMS, c.p.View().DeadlineMS)
	}
}

// result proposes and attests until there is one. The coalition proposes the truth, a state that lies within the tolerance, lies
// or false metrics, or lets its lease pass; it attests either way or not at all.
func (c *coalition) result() {
	for range 12 {
		view := c.p.View()
		if view.Phase != round.PhaseAttest {
			break
		}
		c.propose(view)
		for _, member := range c.random.Perm(len(c.f.Members)) {
			c.attest(member)
		}
		c.f.Try(contracttest.Node(0), "Advance", c.p.Ref)
		if now := c.p.View(); now.Phase == round.PhaseAttest && now.Proposal != nil {
			c.p.Expire()
			c.p.Advance(round.PhaseAttest)
		}
		c.passed++
	}
	if c.p.View().Phase == round.Final {
		c.finals++
	}
}

func (c *coalition) propose(view round.View) {
	turn := view.Turns[0]
	if c.isBadAt(slices.Index(view.Cohort, turn.Participant)) && len(view.Turns) > 1 && c.chance(25) {
		turn = view.Turns[1]
	}
	c.f.TimeMS = max(c.f.TimeMS, turn.FromMS)
	place := slices.Index(view.Cohort, turn.Participant)
	proposal := c.p.Proposal()
	if c.isBadAt(place) {
		switch c.random.IntN(4) {
		case 0:
			proposal["state"] = contracttest.Digest("lie")
		case 1:
			proposal["state"] = contracttest.Digest("near")
		case 2:
			proposal["metrics"] = object{"loss": "0.1"}
		}
	}
	c.f.Must(c.p.Node(place), "ProposeAggregate", proposal, nil)
}

func (c *coalition) attest(member int) {
	proposed := c.p.View().Proposal
	near := proposed.State == contracttest.Digest("near")
	agree := (proposed.State == c.p.State() || near) && proposed.Metrics["loss"] == "0.5"
	if c.isBad(member) {
		if !c.concerted && c.chance(30) {
			return
		}
		agree = c.chance(50)
		if c.concerted {
			agree = c.isBadAt(slices.Index(c.p.View().Cohort, proposed.Proposer))
		}
	}
	argument := object{"number": proposed.Number, "state": c.p.State(), "agree": agree, "deviation_e9": 0}
	if agree {
		argument["state"] = proposed.State
	}
	if agree && near {
		argument["deviation_e9"] = 5
	}
	c.f.Must(contracttest.Admin(member), "Attest", c.p.With(argument), nil)
}

// settle ends the training and settles its rounds.
func (c *coalition) settle() {
	_ = c.f.Agree("stop_training", object{"training": "tumour"})
	for number := uint64(1); number <= c.p.Ref.Round; number++ {
		c.f.Must(contracttest.Admin(0), "Settle", object{"training": "tumour", "round": number}, nil)
	}
}

// opens looks ahead at the next cohort; false where the training has ended, no cohort is left, or the coalition still holds up
// the last round.
func (c *coalition) opens() bool {
	tx, _, err := c.f.Prepare(contracttest.Node(0), "OpenRound", object{"training": "tumour"})
	if err != nil {
		if !slices.Contains([]errcode.Code{errcode.TrainingEnded, errcode.TooFewCandidates, errcode.RoundInProgress}, errcode.Of(err)) {
			c.t.Fatal(err)
		}
		return false
	}
	for _, write := range tx.Writes() {
		var opened round.Round
		if kind, _ := ledger.Parts(write.Key); kind == "round" && json.Unmarshal(write.Value, &opened) == nil {
			c.next = opened.Names()
		}
	}
	return true
}

// lives plays up to four attempts of a training of n organisations with a random coalition of at most half of them.
func lives(t *testing.T, seed uint64, n, cohortMin int) *coalition {
	c := &coalition{t: t, f: contracttest.New(n, fmt.Sprintf(`{"cohort_min":%d}`, cohortMin)), random: rand.New(rand.NewPCG(seed, 15))}
	c.bad, c.concerted = c.random.Perm(n)[:1+c.random.IntN(n/2)], c.chance(50)
	if c.concerted {
		c.bad = c.random.Perm(n)[:n/2]
	}
	c.f.Ready(3, n)
	c.before = held(c.f, c.bad)
	_, _, _, c.stake = score(c.f, 0)
	for range 4 {
		if !c.opens() {
			break
		}
		c.attempt()
	}
	c.settle()
	return c
}

// unharmed fails where an honest participant lost stake or reputation.
func (c *coalition) unharmed() {
	c.t.Helper()
	for i := range c.f.Members {
		faults, dropouts, reputation, stake := score(c.f, i)
		if !c.isBad(i) && (faults+dropouts > 0 || reputation < 500_000 || stake < c.stake) {
			c.t.Fatalf("coalition %v of %d: honest %d has %d faults, %d dropouts, reputation %d, stake %d: %v",
				c.bad, len(c.f.Members), i, faults, dropouts, reputation, stake, flags(c.f, contracttest.ID(i)))
		}
	}
}

// TestNoCoalitionOfHalfOfTheOrganisationsSlashesTheHonestOrGains plays random coalitions; everybody else follows the docs. Those
// whom complaints keep out of an epoch all come back, so that shares of the same cohorts are compared.
func TestNoCoalitionOfHalfOfTheOrganisationsSlashesTheHonestOrGains(t *testing.T) {
	finals, passed, guilty := uint64(0), 0, 0
	for seed := range uint64(40) {
		n := 4 + int(seed%4)
		c := lives(t, seed, n, n)
		c.unharmed()
		if fair := c.before + c.finals*1_000_000*uint64(len(c.bad))/uint64(n); held(c.f, c.bad) > fair {
			t.Fatalf("seed %d: the coalition %v of %d holds %d, an honest one would hold %d", seed, c.bad, n, held(c.f, c.bad), fair)
		}
		conserved(t, c.f)
		for _, i := range c.bad {
			faults, _, _, _ := score(c.f, i)
			guilty += int(faults)
		}
		finals, passed = finals+c.finals, passed+c.passed
	}
	if finals < 30 || passed < 60 || guilty < 10 {
		t.Fatalf("%d results, %d proposals, %d faults of the coalitions: the histories are too tame", finals, passed, guilty)
	}
}

// TestNoCoalitionOfHalfOfTheOrganisationsSlashesTheHonestWhereBlameExcludes is the same where those blamed sit out.
func TestNoCoalitionOfHalfOfTheOrganisationsSlashesTheHonestWhereBlameExcludes(t *testing.T) {
	excluded := 0
	for seed := range uint64(24) {
		n := 5 + int(seed%3)
		c := lives(t, 1000+seed, n, 4)
		c.unharmed()
		if len(c.next) < n {
			excluded++
		}
	}
	if excluded < 5 {
		t.Fatalf("somebody sat out in %d histories: they are too tame", excluded)
	}
}

// held is what members hold: balances and stakes.
func held(f *contracttest.Federation, members []int) uint64 {
	total := uint64(0)
	for _, i := range members {
		var account struct{ Balance uint64 }
		f.Query("BalanceOf", object{"account": contracttest.MSP(i)}, &account)
		_, _, _, stake := score(f, i)
		total += account.Balance + stake
	}
	return total
}
