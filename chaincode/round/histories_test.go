package round_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/round"
)

type object = contracttest.Map

// setting is a federation whose random histories reach another part of the machine.
type setting struct {
	name         string
	owners       []int // the member that each participant belongs to
	cohort       int
	parameters   string
	unequal      bool // some declare far more examples than others
	robust       bool // by version 2, in three groups
	budget       int  // of distinct sums an epoch, where terms of contribution are voted
	attempts     int
	seeds, shift uint64
}

var settings = []setting{
	{name: "four", owners: []int{0, 1, 2, 3}, cohort: 4, parameters: `{}`, attempts: 8, seeds: 3},
	{name: "five, strict", owners: []int{0, 1, 2, 3, 4}, cohort: 5, parameters: `{"strict_differencing":1,"cohort_min":5}`, attempts: 8, seeds: 3, shift: 10},
	{name: "seven", owners: []int{0, 1, 2, 3, 4, 5, 6}, cohort: 7, parameters: `{"epoch_rounds":2}`, attempts: 8, seeds: 3, shift: 20},
	{name: "unequal", owners: []int{0, 1, 2, 3, 4}, cohort: 5, parameters: `{"share_limit_ppm":300000}`, unequal: true, attempts: 8, seeds: 2, shift: 30},
	{name: "two of one", owners: []int{0, 1, 2, 3, 0}, cohort: 5, parameters: `{"participants_per_organisation":2}`, attempts: 8, seeds: 3, shift: 40},
	{name: "groups", owners: []int{0, 1, 2, 3, 4, 5, 6, 7, 8}, cohort: 9, parameters: `{}`, robust: true, attempts: 6, seeds: 2, shift: 50},
	{name: "groups with a budget", owners: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, cohort: 12, parameters: `{}`, robust: true, budget: 1, attempts: 10, seeds: 4, shift: 60},
}

// walk lives through one random history: members speak or not, complain, answer, deal wrongly, lie, attest either way, and let
// deadlines pass; votes lift, roll back and suspend.
type walk struct {
	setting
	f      *contracttest.Federation
	p      *contracttest.Played
	random *rand.Rand
	visit  func(f *contracttest.Federation, ref round.Ref) // before each Advance
}

// histories runs every setting's histories and returns their federations.
func histories(visit func(f *contracttest.Federation, ref round.Ref)) []*contracttest.Federation {
	lived := []*contracttest.Federation{}
	for _, setting := range settings {
		for seed := range setting.seeds {
			w := &walk{setting: setting, random: rand.New(rand.NewPCG(seed+setting.shift, 14)), visit: visit}
			w.found()
			for range setting.attempts {
				w.attempt()
			}
			lived = append(lived, w.f)
		}
	}
	return lived
}

func (w *walk) found() {
	w.f = contracttest.New(slices.Max(w.owners)+1, w.parameters)
	w.f.Found()
	if w.robust {
		w.vote("set_rules_version", object{"version": 2})
		groups := object{"size": len(w.owners) / 3, "faulty": 1, "rule": "median"}
		w.vote("set_parameters", object{"parameters": object{"mode": "robust_groups", "robust_groups": groups}})
		if w.budget > 0 {
			w.vote("set_parameters", object{"parameters": object{"contribution": object{"floor": 500, "sums": w.budget}}})
		}
	}
	for i, member := range w.owners {
		w.f.ApplyFor(member, i)
		w.vote("admit", object{"participant": contracttest.ID(i)})
	}
	w.vote("register_plan", object{
		"plan": contracttest.Digest("plan"), "name": "tumour", "layout": json.RawMessage(contracttest.Layout),
		"initial_state": contracttest.Digest("state-0"), "schema": contracttest.Digest("schema"),
	})
	w.f.Start("tumour", 50, w.cohort)
}

func (w *walk) vote(kind string, body object) {
	if err := w.f.Agree(kind, body); err != nil {
		panic(err)
	}
}

func (w *walk) chance(percent int) bool { return w.random.IntN(100) < percent }

// attempt opens the next attempt and moves it on until it ends; where none can be opened it votes for another base.
func (w *walk) attempt() {
	if !w.open() {
		_ = w.f.Agree("roll_back_training", object{"training": "tumour", "round": 0})
		return
	}
	if w.chance(15) {
		_ = w.f.Agree("lift_differencing", object{"training": "tumour"}) // for the attempt after this one
	}
	for range 60 {
		phase := w.p.View().Phase
		if phase == round.Final || phase == round.Void {
			break
		}
		w.speak(phase)
		if w.chance(2) {
			_ = w.f.Agree("roll_back_training", object{"training": "tumour", "round": 0})
			continue
		}
		w.pass(phase)
	}
	w.f.Try(contracttest.Admin(0), "Settle", object{"training": "tumour", "round": w.p.Ref.Round})
}

func (w *walk) open() (opened bool) {
	defer func() { opened = recover() == nil }()
	n, options := len(w.owners), contracttest.Options{}
	if w.chance(40) {
		options.Dropouts = w.random.Perm(n)[:1+w.random.IntN(2)]
	}
	if w.chance(20) {
		options.Silent = []int{w.random.IntN(n)}
	}
	if w.chance(15) {
		options.Values = func(place int, segment aggregate.Segment, _ uint64) uint64 { return uint64(1 + 76*(place%2)) }
	}
	w.p = w.f.Open("tumour", options)
	if dealer := w.random.IntN(n); w.chance(20) && dealer < len(w.p.Members) {
		w.p.Spoil(dealer, w.random.IntN(len(w.p.Members)), "seed")
	}
	for place := range w.p.Members {
		if w.unequal {
			w.p.Examples[place] = 20 + w.random.IntN(180)
		}
	}
	return true
}

// pass moves the clock and the round on.
func (w *walk) pass(phase round.Phase) {
	switch {
	case w.chance(50):
		w.f.TimeMS = max(w.f.TimeMS, w.p.View().DeadlineMS)
	case w.chance(50):
		w.f.TimeMS += int64(w.random.IntN(9_000))
	}
	w.advance()
	if phase == w.p.View().Phase && w.chance(30) {
		w.advance()
	}
}

func (w *walk) advance() {
	w.visit(w.f, w.p.Ref)
	w.f.Must(contracttest.Node(0), "Advance", w.p.Ref, nil)
}

// speak lets those whose turn it is speak, in any order; now and then one Advance comes between them.
func (w *walk) speak(phase round.Phase) {
	if phase == round.PhaseAttest {
		w.result()
		return
	}
	functions := map[round.Phase]string{
		round.PhaseKeys: "PublishKeys", round.PhaseShares: "CommitShares", round.PhaseUpdates: "CommitUpdate", round.PhaseUnmask: "RevealShares",
	}
	arguments := map[round.Phase]func(int) object{
		round.PhaseKeys: w.p.Keys, round.PhaseShares: w.p.Shares, round.PhaseUpdates: w.p.Update, round.PhaseUnmask: w.p.Reveal,
	}
	for _, place := range w.random.Perm(len(w.p.Members)) {
		member := w.p.Inputs.Cohort[place]
		silent := !member.Shared && phase != round.PhaseKeys || !member.Survivor && phase == round.PhaseUpdates
		if !silent && !w.chance(4) {
			w.f.Try(w.p.Node(place), functions[phase], arguments[phase](place))
		}
		if w.robust && w.chance(2) {
			w.f.Try(w.p.Node(place), "DropOut", w.p.With(object{"reason": "FL3010"}))
		}
		if phase == round.PhaseUpdates && w.chance(12) {
			w.complain(place)
		}
		if w.chance(8) && w.p.View().Phase == phase {
			w.advance()
		}
	}
}

func (w *walk) complain(from int) {
	dealer := w.random.IntN(len(w.p.Members))
	w.f.Try(w.p.Node(from), "ReportFault", w.p.Complaint(dealer))
	if w.chance(50) {
		w.f.Try(w.p.Node(dealer), "AnswerComplaint", w.p.Answer(dealer, from))
	}
}

// result proposes what is true or a lie, and members attest for or against it.
func (w *walk) result() {
	if w.chance(10) { // the plan finds no state: most say so
		for _, member := range w.random.Perm(len(w.f.Members)) {
			if !w.chance(15) {
				w.f.Try(contracttest.Admin(member), "AttestNoState", w.p.With(object{"aggregate": contracttest.Digest("sum"), "code": "FL3010"}))
			}
		}
	}
	view := w.p.View()
	if view.Proposal == nil && len(view.Turns) > 0 {
		proposal := w.p.Proposal()
		if w.chance(25) {
			proposal["state"] = contracttest.Digest("lie")
		}
		w.f.Try(w.p.Aggregator(), "ProposeAggregate", proposal)
		w.f.Try(w.p.Node(0), "ReportFault", w.p.With(object{"kind": "garbage", "accused": "", "evidence": object{}}))
	}
	view = w.p.View()
	if view.Proposal == nil {
		return
	}
	for _, member := range w.random.Perm(len(w.f.Members)) {
		if w.chance(20) {
			continue
		}
		agree := view.Proposal.State == w.p.State() != w.chance(15)
		state := view.Proposal.State
		if !agree {
			state = contracttest.Digest("mine")
		}
		w.f.Try(contracttest.Admin(member), "Attest", w.p.With(object{
			"number": view.Proposal.Number, "state": state, "agree": agree, "deviation_e9": w.random.IntN(1000),
		}))
	}
	if w.chance(3) {
		_ = w.f.Agree("suspend", object{"organisation": w.f.Members[len(w.f.Members)-1]})
	}
}
