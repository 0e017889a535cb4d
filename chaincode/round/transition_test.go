package round_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// line names a line of the table by where it leads: within a phase that is unique.
type line struct {
	from round.Phase
	to   round.Phase
	code errcode.Code
}

func lineOf(t round.Transition) line { return line{t.From, t.To, t.Code} }

// ordered are the lines that may hold at once, so that their order in the table is a rule: the first names the reason. All
// other lines of a phase exclude one another, and may stand in any order.
var ordered = map[round.Phase][][]line{
	round.PhaseKeys:   {{{round.PhaseKeys, round.Void, errcode.VoidTooFewKeys}, {round.PhaseKeys, round.PhaseShares, ""}}},
	round.PhaseShares: {{{round.PhaseShares, round.Void, errcode.VoidTooFewShares}, {round.PhaseShares, round.PhaseUpdates, ""}}},
	round.PhaseUpdates: {{ // each reason hides those after it; the freeze comes where there is none
		{round.PhaseUpdates, round.Void, errcode.VoidBadSeals}, {round.PhaseUpdates, round.Void, errcode.VoidTooFewSurvivors},
		{round.PhaseUpdates, round.Void, errcode.VoidDominance}, {round.PhaseUpdates, round.Void, errcode.VoidTooFewGroups}, {round.PhaseUpdates, round.Void, errcode.VoidShareLimit},
		{round.PhaseUpdates, round.Void, errcode.VoidDifferencing}, {round.PhaseUpdates, round.Void, errcode.VoidExposure}, {round.PhaseUpdates, round.Void, errcode.VoidOverBudget},
		{round.PhaseUpdates, round.PhaseUnmask, ""},
	}},
	round.PhaseUnmask: { // what lacks shares is not unmasked; a bad dealer comes before either
		{{round.PhaseUnmask, round.Void, errcode.VoidBadDealer}, {round.PhaseUnmask, round.Void, errcode.VoidNotUnmaskable}},
		{{round.PhaseUnmask, round.Void, errcode.VoidBadDealer}, {round.PhaseUnmask, round.PhaseAttest, ""}},
	},
	round.PhaseAttest: { // agreed or without a state, though late; of these two majorities there is only one
		{{round.PhaseAttest, round.Final, ""}, {round.PhaseAttest, round.PhaseAttest, ""}},
		{{round.PhaseAttest, round.Void, errcode.VoidNoState}, {round.PhaseAttest, round.PhaseAttest, ""}},
	},
}

// before says whether the order of two lines is a rule.
func before(first, second line) bool {
	return slices.ContainsFunc(ordered[first.from], func(chain []line) bool {
		return slices.Contains(chain, first) && slices.Contains(chain, second) && slices.Index(chain, first) < slices.Index(chain, second)
	})
}

// machine compares what different orders of a phase's lines make of the same state.
type machine struct {
	t      *testing.T
	random *rand.Rand
	held   map[line]int
}

// outcome is a transaction's response, event and writes.
func (m *machine) outcome(f *contracttest.Federation, ref round.Ref, table []round.Transition) (string, bool) {
	tx := f.State.Begin()
	env := ledger.Env{TxID: "tx", TimeMS: f.TimeMS, Caller: contracttest.Node(0)}
	response, event, err := round.AdvanceBy(table, tx, env, round.AdvanceRequest{Ref: ref})
	if err != nil {
		m.t.Fatal(err)
	}
	writes := map[string]string{}
	for _, write := range tx.Writes() {
		writes[write.Key] = string(write.Value)
	}
	raw, err := codec.Canonical(map[string]any{"response": response, "event": event.Name, "payload": event.Payload, "writes": writes})
	if err != nil {
		m.t.Fatal(err)
	}
	return string(raw), response.Moved
}

func (m *machine) compare(f *contracttest.Federation, ref round.Ref) {
	var view round.View // the phase as it stands, which may be further than its record
	f.Query("GetRound", ref, &view)
	table := slices.DeleteFunc(round.Transitions(), func(t round.Transition) bool { return t.From != view.Phase || t.Command != "Advance" })
	alone, holding := map[line]string{}, []line{}
	for _, transition := range table {
		result, holds := m.outcome(f, ref, []round.Transition{transition})
		alone[lineOf(transition)] = result
		if holds {
			holding = append(holding, lineOf(transition))
			m.held[lineOf(transition)]++
		}
	}
	for i, first := range holding {
		for _, second := range holding[i+1:] {
			if !before(first, second) {
				m.t.Fatalf("%v and %v hold at once: their order is a rule that the test does not know", first, second)
			}
		}
	}
	none, _ := m.outcome(f, ref, nil)
	usual, _ := m.outcome(f, ref, table)
	for range 5 {
		m.permuted(f, ref, table, holding, alone, none, usual)
	}
}

// permuted walks the phase's lines in a random order. Whatever it is, the first that holds by itself is taken, with the same
// writes as if no other condition had been asked; and where it keeps what is ordered, that is the machine's own answer.
func (m *machine) permuted(f *contracttest.Federation, ref round.Ref, table []round.Transition, holding []line, alone map[line]string, none, usual string) {
	shuffled := slices.Clone(table)
	m.random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	want := none
	if first := slices.IndexFunc(shuffled, func(t round.Transition) bool { return slices.Contains(holding, lineOf(t)) }); first >= 0 {
		want = alone[lineOf(shuffled[first])]
	}
	if got, _ := m.outcome(f, ref, shuffled); got != want {
		m.t.Fatalf("%v: in another order of its lines phase %s becomes\n%s\nalone\n%s", ref, table[0].From, got, want)
	}
	shuffled = respecting(shuffled)
	if got, _ := m.outcome(f, ref, shuffled); got != usual {
		m.t.Fatalf("%v: with independent lines in another order phase %s becomes\n%s\ninstead of\n%s", ref, table[0].From, got, usual)
	}
}

// respecting moves lines up only as far as what is ordered asks for.
func respecting(shuffled []round.Transition) []round.Transition {
	kept := []round.Transition{}
	for len(shuffled) > 0 {
		next := slices.IndexFunc(shuffled, func(t round.Transition) bool {
			return !slices.ContainsFunc(shuffled, func(other round.Transition) bool { return before(lineOf(other), lineOf(t)) })
		})
		kept, shuffled = append(kept, shuffled[next]), slices.Delete(shuffled, next, next+1)
	}
	return kept
}

func TestTheOrderOfIndependentLinesChangesNothingOnRandomHistories(t *testing.T) {
	m := &machine{t: t, random: rand.New(rand.NewPCG(14, 1)), held: map[line]int{}}
	histories(m.compare)
	for _, transition := range round.Transitions() {
		if transition.Command == "Advance" && m.held[lineOf(transition)] == 0 {
			t.Errorf("no history reaches %v", lineOf(transition))
		}
	}
}
