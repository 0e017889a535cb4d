package contract_test

import (
	"slices"
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// flowing is a training under version 2 of the rules, whose phases end with the last word.
func flowing(t *testing.T, members int, parameters string) *contracttest.Federation {
	t.Helper()
	f := contracttest.New(members, parameters)
	f.Ready(5, members)
	agree(t, f, "set_rules_version", object{"version": 2})
	return f
}

// sent counts the accepted transactions of a function since a place in the log.
func sent(f *contracttest.Federation, since int, function string) int {
	count := 0
	for _, entry := range f.Log[since:] {
		if entry.Function == function {
			count++
		}
	}
	return count
}

// stored is the phase as its record says.
func stored(t *testing.T, f *contracttest.Federation, ref round.Ref) round.Phase {
	t.Helper()
	status, _, err := ledger.Load[round.Status](f.State.Begin(), ledger.Key("phase", ref.Training, ledger.Number(ref.Round), ledger.Number(ref.Attempt)))
	if err != nil {
		t.Fatal(err)
	}
	return status.Phase
}

func TestInVersion2ARoundInWhichEverybodyAnswersTakesTwoAdvances(t *testing.T) {
	f := flowing(t, 4, `{}`)
	since := len(f.Log)
	p := f.Open("tumour", options{})
	p.Finish()
	equal(t, round.Final, p.View().Phase)
	equal(t, 2, sent(f, since, "Advance")) // the freeze and the result
	equal(t, 4, sent(f, since, "PublishKeys"))
}

func TestInVersion2TheFreezeIsAnAdvanceBeforeAnyReveal(t *testing.T) {
	f := flowing(t, 4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUpdates)
	p.Say("CommitUpdate", p.Update, 0, 1, 2, 3)
	equal(t, round.PhaseUpdates, p.View().Phase)
	equal(t, 0, len(p.View().Survivors))
	refused(t, f, p.Node(0), "RevealShares", p.Reveal(0), errcode.WrongPhase)
	p.Advance(round.PhaseUnmask)
	equal(t, round.PhaseUnmask, stored(t, f, p.Ref))
}

func TestInVersion2WhoIsMissingHoldsAPhaseUpToItsDeadline(t *testing.T) {
	f := flowing(t, 4, `{}`)
	p := f.Open("tumour", options{})
	p.Say("PublishKeys", p.Keys, 0, 1)
	p.Expire()
	p.Say("PublishKeys", p.Keys, 2)
	equal(t, round.PhaseKeys, p.View().Phase) // though the last word came after the deadline: who is missing may still come
	refused(t, f, p.Node(0), "CommitShares", p.Shares(0), errcode.WrongPhase)
	p.Advance(round.PhaseShares)
	equal(t, 3, len(p.View().U1))
}

func TestInVersion2APhaseBeginsWithTheLastWordOfTheOneBefore(t *testing.T) {
	f := flowing(t, 4, `{"shares_ms":5000}`)
	p := f.Open("tumour", options{})
	p.Say("PublishKeys", p.Keys, 0, 1, 2)
	f.TimeMS += 700
	last := f.TimeMS
	p.Say("PublishKeys", p.Keys, 3)
	f.TimeMS += 3_000
	equal(t, last+5_000, p.View().DeadlineMS)
	p.Say("CommitShares", p.Shares, 0, 1, 2)
	f.TimeMS = last + 4_999
	var answer round.AdvanceResponse
	f.Must(contracttest.Node(0), "Advance", p.Ref, &answer)
	equal(t, false, answer.Moved)
	f.TimeMS = last + 5_000
	p.Advance(round.PhaseUpdates)
	equal(t, 3, len(p.View().U2))
}

func TestInVersion2AnAdvanceEndsThePhaseThatItNamesAlone(t *testing.T) {
	f := flowing(t, 4, `{"keys_ms":5000,"shares_ms":5000}`)
	p := f.Open("tumour", options{})
	p.Say("PublishKeys", p.Keys, 0, 1, 2, 3)
	f.TimeMS += 60_000 // the keys are in a block only now
	var answer round.AdvanceResponse
	f.Must(contracttest.Node(0), "Advance", p.With(object{"from": "Keys"}), &answer)
	equal(t, round.AdvanceResponse{Phase: round.PhaseShares, Moved: false}, answer)
	p.Say("CommitShares", p.Shares, 0, 1, 2)
	f.Must(contracttest.Node(0), "Advance", p.With(object{"from": "Shares"}), &answer)
	equal(t, round.AdvanceResponse{Phase: round.PhaseUpdates, Moved: true}, answer)
	first := training(4, `{}`)
	refused(t, first, contracttest.Node(0), "Advance", first.Open("tumour", options{}).With(object{"from": "Keys"}), errcode.BadArgument)
}

func TestT23InVersion2ALastWordByAClockThatIsBehindShortensNobodysPhase(t *testing.T) {
	f := flowing(t, 4, `{"shares_ms":5000}`)
	p := f.Open("tumour", options{})
	opened := p.View().OpenedMS
	f.TimeMS -= 60_000
	p.Say("PublishKeys", p.Keys, 0, 1, 2, 3)
	equal(t, opened+5_000, p.View().DeadlineMS)
}

func TestT22InVersion2ParticipantsWhoSpeakAtOnceDoNotConflict(t *testing.T) {
	f := flowing(t, 4, `{}`)
	p := f.Open("tumour", options{})
	steps := []struct {
		function string
		argument func(int) object
	}{{"PublishKeys", p.Keys}, {"CommitShares", p.Shares}, {"CommitUpdate", p.Update}}
	for _, step := range steps {
		prepared := []*ledger.Tx{}
		for place := range 4 {
			tx, _, err := f.Prepare(p.Node(place), step.function, step.argument(place))
			if err != nil {
				t.Fatal(err)
			}
			prepared = append(prepared, tx)
		}
		for place, tx := range prepared {
			if !f.State.Commit(tx) {
				t.Fatalf("%s of place %d conflicts with another", step.function, place)
			}
		}
	}
	p.Advance(round.PhaseUnmask)
	prepared := []*ledger.Tx{}
	for place := range 4 {
		tx, _, err := f.Prepare(p.Node(place), "RevealShares", laying(p, place))
		if err != nil {
			t.Fatal(err)
		}
		prepared = append(prepared, tx)
	}
	for _, tx := range prepared {
		equal(t, true, f.State.Commit(tx))
	}
	equal(t, round.PhaseAttest, p.View().Phase)
	equal(t, round.PhaseUnmask, stored(t, f, p.Ref))
}

func TestT22InVersion2AWordOfAPhaseThatIsOverByItsDeadlineDoesNotCommit(t *testing.T) {
	f := flowing(t, 4, `{}`)
	p := f.Open("tumour", options{})
	p.Say("PublishKeys", p.Keys, 0, 1, 2, 3)
	p.Say("CommitShares", p.Shares, 0, 1, 2)
	late, _, err := f.Prepare(p.Node(3), "CommitShares", p.Shares(3))
	if err != nil {
		t.Fatal(err)
	}
	p.Expire()
	p.Advance(round.PhaseUpdates)
	equal(t, false, f.State.Commit(late))
	equal(t, 3, len(p.View().U2))
}

func TestInVersion2TheFirstProposalRecordsThatEverybodyRevealed(t *testing.T) {
	f := flowing(t, 4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	view := p.View()
	equal(t, round.PhaseAttest, view.Phase)
	equal(t, round.PhaseUnmask, stored(t, f, p.Ref))
	equal(t, f.TimeMS, view.Turns[0].FromMS)
	p.Propose()
	equal(t, round.PhaseAttest, stored(t, f, p.Ref))
}

func TestInVersion2AProposalIsItsOrganisationsWordForIt(t *testing.T) {
	f := flowing(t, 4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	proposer := p.Aggregator()
	p.Propose()
	equal(t, true, p.View().Attestations[proposer.MSPID].Agree)
	verdict := p.With(object{"number": 1, "state": contracttest.Digest("mine"), "agree": false, "deviation_e9": 0})
	refused(t, f, proposer, "Attest", verdict, errcode.AlreadyAttested)
	refused(t, f, proposer, "AttestNoState", p.With(object{"aggregate": contracttest.Digest("sum"), "code": "FL3010"}), errcode.AlreadyAttested)
	p.Attest(0, 1, 2)
	p.Advance(round.Final)
	equal(t, 3, p.View().Majority)
}

func TestInVersion2WhoFindsNoStateDoesNotAgreeByProposingOne(t *testing.T) {
	f := flowing(t, 4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	proposer := p.Aggregator()
	f.Must(proposer, "AttestNoState", p.With(object{"aggregate": contracttest.Digest("sum"), "code": "FL3010"}), nil)
	p.Propose()
	_, said := p.View().Attestations[proposer.MSPID]
	equal(t, false, said)
}

func TestInVersion2ADropoutRevealsNothingMoreOnceAllSurvivorsHave(t *testing.T) {
	f := flowing(t, 5, `{}`)
	p := f.Open("tumour", options{Dropouts: []int{4}})
	p.To(round.PhaseUnmask)
	f.Must(p.Node(0), "RevealShares", p.Reveal(0), nil)
	early, _, err := f.Prepare(p.Node(4), "RevealShares", p.Reveal(4))
	if err != nil {
		t.Fatal(err)
	}
	p.Say("RevealShares", p.Reveal, 1, 2, 3)
	equal(t, round.PhaseAttest, p.View().Phase)
	equal(t, false, f.State.Commit(early))
	refused(t, f, p.Node(4), "RevealShares", p.Reveal(4), errcode.WrongPhase)
}

func TestT17InVersion2ABadDealersRoundIsAnAdvancesToEnd(t *testing.T) {
	f := flowing(t, 5, `{}`)
	p := f.Open("tumour", options{})
	p.Spoil(4, 0, "seed")
	p.To(round.PhaseUnmask)
	p.Say("RevealShares", p.Reveal, 0, 1, 2, 3, 4)
	equal(t, round.PhaseUnmask, p.View().Phase)
	refused(t, f, p.Node(0), "ProposeAggregate", p.Proposal(), errcode.WrongPhase)
	p.Advance(round.Void)
	equal(t, string(errcode.VoidBadDealer), p.View().VoidReason)
}

// laying is a reveal with keys for the next attempt.
func laying(p *contracttest.Played, place int) object {
	argument := p.Reveal(place)
	argument["next"] = fresh(p, place)
	return argument
}

// fresh are keys that nobody has published: of a place, for the attempt after this one.
func fresh(p *contracttest.Played, place int) object {
	name := contracttest.ID(place) + ledger.Number(p.Ref.Round) + ledger.Number(p.Ref.Attempt)
	return object{"seal_key": contracttest.Digest("seal" + name)[:62] + "0f", "mask_key": contracttest.Digest("mask" + name)[:62] + "0f"} // reduced
}

// revealed plays a round up to its reveals, with which the places lay keys.
func revealed(f *contracttest.Federation, places ...int) *contracttest.Played {
	p := f.Open("tumour", options{})
	p.To(round.PhaseUnmask)
	for place := range p.Members {
		if slices.Contains(places, place) {
			f.Must(p.Node(place), "RevealShares", laying(p, place), nil)
		} else {
			f.Must(p.Node(place), "RevealShares", p.Reveal(place), nil)
		}
	}
	return p
}

func concluded(p *contracttest.Played) {
	p.Propose()
	p.Attest(0, 1, 2)
	p.Advance(round.Final)
}

func TestKeysLaidWithAllRevealsOpenTheNextRoundInShares(t *testing.T) {
	f := flowing(t, 4, `{"shares_ms":5000}`)
	before := revealed(f, 0, 1, 2, 3)
	concluded(before)
	p := f.Open("tumour", options{})
	view := p.View()
	equal(t, round.PhaseShares, view.Phase)
	equal(t, round.PhaseShares, stored(t, f, p.Ref))
	equal(t, 4, len(view.U1))
	for place, id := range view.Cohort {
		equal(t, fresh(before, place)["seal_key"].(string), view.Keys[id].SealKey)
	}
	equal(t, view.OpenedMS+5_000, view.DeadlineMS)
	refused(t, f, p.Node(0), "PublishKeys", p.Keys(0), errcode.WrongPhase)
}

func TestWhoLaidNoKeysPublishesThem(t *testing.T) {
	f := flowing(t, 4, `{}`)
	concluded(revealed(f, 0, 2, 3))
	p := f.Open("tumour", options{})
	equal(t, round.PhaseKeys, p.View().Phase)
	equal(t, 3, len(p.View().Keys))
	refused(t, f, p.Node(0), "PublishKeys", p.Keys(0), errcode.AlreadyDone)
	f.Must(p.Node(1), "PublishKeys", p.Keys(1), nil)
	equal(t, round.PhaseShares, p.View().Phase)
}

func TestT06KeysThatAreLaidServeOneAttemptAlone(t *testing.T) {
	f := flowing(t, 4, `{}`)
	concluded(revealed(f, 0, 1, 2, 3))
	p := f.Open("tumour", options{})
	equal(t, round.PhaseShares, p.View().Phase)
	p.Say("CommitShares", p.Shares, 0)
	equal(t, string(errcode.VoidTooFewShares), p.Ended())
	again := f.Open("tumour", options{})
	equal(t, round.PhaseKeys, again.View().Phase)
	equal(t, 0, len(again.View().Keys))
}

func TestT05KeysThatAreLaidAreFreshAndOfNoLowOrder(t *testing.T) {
	f := flowing(t, 4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUnmask)
	with := func(place int, keys object) object {
		argument := p.Reveal(place)
		argument["next"] = keys
		return argument
	}
	own := p.Keys(0)
	taken := object{"seal_key": own["seal_key"], "mask_key": fresh(p, 0)["mask_key"]}
	refused(t, f, p.Node(0), "RevealShares", with(0, taken), errcode.KeyReused)
	weak := object{"seal_key": ledger.Hex(make([]byte, 32)), "mask_key": fresh(p, 0)["mask_key"]}
	refused(t, f, p.Node(0), "RevealShares", with(0, weak), errcode.WeakKey)
	f.Must(p.Node(0), "RevealShares", with(0, fresh(p, 0)), nil)
	refused(t, f, p.Node(1), "RevealShares", with(1, fresh(p, 0)), errcode.KeyReused)
}

func TestVersion1KnowsNoKeysForTheNextAttempt(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUnmask)
	refused(t, f, p.Node(0), "RevealShares", laying(p, 0), errcode.BadArgument)
	for place := range 4 {
		f.Must(p.Node(place), "RevealShares", p.Reveal(place), nil)
	}
	equal(t, round.PhaseUnmask, p.View().Phase) // until an Advance
}

func TestInVersion2AVoteEndsARoundWhoseRecordIsBehind(t *testing.T) {
	f := flowing(t, 4, `{}`)
	p := f.Open("tumour", options{})
	p.Say("PublishKeys", p.Keys, 0, 1, 2, 3)
	p.Say("CommitShares", p.Shares, 0, 1, 2, 3)
	equal(t, round.PhaseKeys, stored(t, f, p.Ref))
	agree(t, f, "stop_training", object{"training": "tumour"})
	equal(t, string(errcode.VoidByVote), p.View().VoidReason)
	f.Must(contracttest.Admin(0), "Settle", object{"training": "tumour", "round": 1}, nil)
	for place := range 4 {
		_, dropouts, _, _ := score(f, place)
		equal(t, uint64(0), dropouts)
	}
}

// watched remembers of which kinds records are read.
type watched struct {
	ledger.State
	kinds map[string]bool
}

func (w watched) note(keys ...string) {
	for _, key := range keys {
		kind, _ := ledger.Parts(key)
		w.kinds[kind] = true
	}
}

func (w watched) Get(key string) ([]byte, error) {
	w.note(key)
	return w.State.Get(key)
}

func (w watched) Range(prefix string) ([]ledger.Entry, error) {
	w.note(prefix)
	return w.State.Range(prefix)
}

func (w watched) Ahead(keys ...string) error {
	w.note(keys...)
	return w.State.Ahead(keys...)
}

// All shares of a round grow with the square of its cohort, and every node looks at it again and again. The carrier of the last
// reveals records that the phase is over: else everybody would rebuild all secrets to see it.
func TestInVersion2WhoeverLooksAtARoundDoesNotReadItsShares(t *testing.T) {
	for version, f := range map[int]*contracttest.Federation{1: contracttest.New(4, `{}`), 2: flowing(t, 4, `{}`)} {
		if version == 1 {
			f.Ready(1, 4)
		}
		p := revealed(f)
		if version == 2 {
			var answer round.AdvanceResponse
			f.Must(contracttest.Node(0), "Advance", p.With(object{"from": "Unmask"}), &answer)
			equal(t, round.AdvanceResponse{Phase: round.PhaseAttest, Moved: true}, answer)
			equal(t, round.PhaseAttest, stored(t, f, p.Ref))
		}
		state := watched{f.State.Begin(), map[string]bool{}}
		view, err := round.GetRound(state, p.Ref)
		if err != nil || len(view.Revealed) != 4 {
			t.Fatal(version, view.Revealed, err)
		}
		if state.kinds["reveal"] != (version == 1) || state.kinds["revealed"] != (version == 2) {
			t.Errorf("version %d: reads %v", version, state.kinds)
		}
	}
}
