package contract_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// coalition plays a training in which some organisations do whatever the contract lets them, and the others what the docs say.
type coalition struct {
	t             *testing.T
	f             *contracttest.Federation
	p             *contracttest.Played
	random        *rand.Rand
	bad           []int    // members, each with the participant of its number
	concerted     bool     // they attest as one, against all that is not theirs
	slander       bool     // they keep to the docs, but that all complain of one honest dealer in each attempt
	next          []string // the cohort of the attempt that is played next
	before, stake uint64   // what they held, and what each participant staked, at first
	finals        uint64
	due           uint64 // the parts of the results that the coalition's members have in the cohorts that nobody's complaints changed
	passed        int
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
	c.p = c.f.Open("tumour", c.absences())
	if bad := c.badPlaces(c.next); len(bad) > 0 && !c.slander && c.chance(20) {
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
			if step.speaks(place) && !(c.isBadAt(place) && step.phase == round.PhaseUnmask && !c.slander && c.chance(30)) {
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

// absences says who of the coalition deals nothing or commits no update.
func (c *coalition) absences() (o options) {
	for _, place := range c.badPlaces(c.next) {
		switch choice := c.random.IntN(6); {
		case c.slander:
		case choice == 0:
			o.Dropouts = append(o.Dropouts, place)
		case choice == 1:
			o.Silent = append(o.Silent, place)
		}
	}
	return o
}

// complain lets the coalition complain of anybody; honest dealers answer what they may.
func (c *coalition) complain() {
	if c.slander {
		dealer := c.random.IntN(len(c.p.Members))
		for _, place := range c.badPlaces(c.next) {
			if !c.isBadAt(dealer) {
				c.f.Try(c.p.Node(place), "ReportFault", c.p.Complaint(dealer))
			}
		}
		for _, place := range c.badPlaces(c.next) { // refused where more complain than may be faulty
			c.f.Try(c.p.Node(dealer), "AnswerComplaint", c.p.Answer(dealer, place))
		}
		return
	}
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
		if c.p.View().Phase != from { // everybody has spoken: by version 2 it is over
			return
		}
		if c.chance(30) {
			c.f.TimeMS += int64(c.random.IntN(9_000))
		}
		c.f.Try(contracttest.Node(c.random.IntN(len(c.f.Members))), "Advance", c.p.Ref)
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
	if view := c.p.View(); view.Phase == round.Final {
		c.finals++
		whole := slices.DeleteFunc(slices.Clone(view.Cohort), func(id string) bool { return slices.Contains(view.InPlace, id) })
		for _, member := range view.KeptOut {
			whole = append(whole, member.Participant)
		}
		bad := uint64(len(c.badPlaces(whole)))
		c.due += 1_000_000*bad/uint64(len(whole)) + bad
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
	if c.isBadAt(place) && !c.slander {
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
	view := c.p.View()
	if _, said := view.Attestations[contracttest.MSP(member)]; said { // with its proposal, in version 2
		return
	}
	proposed := view.Proposal
	near := proposed.State == contracttest.Digest("near")
	agree := (proposed.State == c.p.State() || near) && proposed.Metrics["loss"] == "0.5"
	if c.isBad(member) && !c.slander {
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
