package contract_test

import (
	"regexp"
	"slices"
	"testing"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/contract"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// from is a batch that also ends a phase.
func from(batch object, phase round.Phase) object { return changed(batch, "from", phase) }

// agreeing gives places their verdict for the open proposal.
func agreeing(p *contracttest.Played) func(int) object {
	return func(int) object {
		return p.With(object{"number": p.Proposals, "state": p.State(), "agree": true, "deviation_e9": 0})
	}
}

// carryOn plays a round from Keys to Final by carried words.
func carryOn(f *contracttest.Federation, p *contracttest.Played) {
	everybody := []int{}
	for place := range p.Members {
		everybody = append(everybody, place)
	}
	carry := func(batch object) { f.Must(carrier, "CarryWords", batch, nil) }
	carry(p.Carried("PublishKeys", p.Keys, everybody...))
	carry(p.Carried("CommitShares", p.Shares, everybody...))
	carry(from(p.Carried("CommitUpdate", p.Update, everybody...), round.PhaseUpdates))
	carry(p.Carried("RevealShares", p.Reveal, everybody...))
	others := p.Others() // the proposal is its proposer's word
	p.Propose()
	carry(from(p.Carried("Attest", agreeing(p), others...), round.PhaseAttest))
}

func TestARoundOfCarriedWordsTakesATransactionForEachPhase(t *testing.T) {
	f := carrying(t, 4, `{}`)
	p := f.Open("tumour", options{})
	since := len(f.Log)
	carryOn(f, p)
	equal(t, round.Final, p.View().Phase)
	equal(t, 6, len(f.Log)-since)
	equal(t, 5, sent(f, since, "CarryWords"))
	equal(t, 1, sent(f, since, "ProposeAggregate"))
}

func TestACarriersAnswerAndEventSayWhereTheRoundIs(t *testing.T) {
	f := carrying(t, 4, `{}`)
	p := f.Open("tumour", options{})
	carry := func(argument object) (string, string) {
		entry, err := f.Do(carrier, "CarryWords", argument)
		if err != nil {
			t.Fatal(err)
		}
		payload, err := codec.Canonical(entry.Event.Payload)
		if err != nil {
			t.Fatal(err)
		}
		return string(entry.Response), entry.Event.Name + " " + string(payload)
	}
	response, event := carry(from(p.Carried("PublishKeys", p.Keys, 0, 1), round.PhaseKeys)) // two are missing: it does not move
	equal(t, `{"attempt":1,"moved":false,"phase":"Keys","round":1,"training":"tumour","words":2}`, response)
	equal(t, `WordsCarried {"attempt":1,"phase":"Keys","round":1,"training":"tumour","words":2}`, event)
	_, _ = carry(p.Carried("PublishKeys", p.Keys, 2, 3))
	response, _ = carry(from(p.Carried("CommitShares", p.Shares, 0, 1, 2), round.PhaseUpdates)) // another phase: not yet
	equal(t, `{"attempt":1,"moved":false,"phase":"Shares","round":1,"training":"tumour","words":3}`, response)
	_, _ = carry(p.Carried("CommitShares", p.Shares, 3))
	response, event = carry(from(p.Carried("CommitUpdate", p.Update, 0, 1, 2, 3), round.PhaseUpdates))
	equal(t, `{"attempt":1,"moved":true,"phase":"Unmask","round":1,"training":"tumour","words":4}`, response)
	equal(t, `PhaseMoved {"attempt":1,"phase":"Unmask","round":1,"training":"tumour"}`, event)
}

// told are a state's records without the ids of the transactions that wrote them.
func told(f *contracttest.Federation) map[string]string {
	records, id := map[string]string{}, regexp.MustCompile(`"tx_id":"[^"]*"`)
	for _, entry := range f.State.Entries() {
		records[keyText(entry.Key)] = id.ReplaceAllString(string(entry.Value), "")
	}
	return records
}

func sameRecords(t *testing.T, want, got map[string]string) {
	t.Helper()
	equal(t, len(want), len(got))
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s: alone %s, carried %s", key, value, got[key])
		}
	}
}

// speaking lets places say something, each alone or all together; ending is the phase that an Advance ends then.
type speaking func(p *contracttest.Played, function string, argument func(int) object, ending round.Phase, places ...int)

func TestWordsThatAreCarriedLeaveTheRecordsThatTheyLeaveAlone(t *testing.T) {
	for name, play := range map[string]func(f *contracttest.Federation, p *contracttest.Played, say speaking) round.Phase{
		"all keys, then three shares":                  keysAndShares,
		"keys end by the deadline":                     keysEnd,
		"the freeze, and reveals with keys laid ahead": freezes,
		"a void freeze":                                freezesTooFew,
		"the result":                                   ends,
	} {
		t.Run(name, func(t *testing.T) {
			alone, together := carrying(t, 5, `{}`), carrying(t, 5, `{}`)
			p := alone.Open("tumour", options{})
			equal(t, play(alone, p, spokenAlone(alone)), p.View().Phase)
			p = together.Open("tumour", options{})
			equal(t, play(together, p, spokenTogether(together)), p.View().Phase)
			sameRecords(t, told(alone), told(together))
		})
	}
}

func keysAndShares(_ *contracttest.Federation, p *contracttest.Played, say speaking) round.Phase {
	say(p, "PublishKeys", p.Keys, "", 0, 1, 2, 3, 4)
	say(p, "CommitShares", p.Shares, "", 4, 0, 2)
	return round.PhaseShares
}

func keysEnd(_ *contracttest.Federation, p *contracttest.Played, say speaking) round.Phase {
	p.Expire()
	say(p, "PublishKeys", p.Keys, round.PhaseKeys, 0, 1, 2, 4)
	return round.PhaseShares
}

func freezes(_ *contracttest.Federation, p *contracttest.Played, say speaking) round.Phase {
	p.To(round.PhaseUpdates)
	say(p, "CommitUpdate", p.Update, round.PhaseUpdates, 0, 1, 2, 3, 4)
	say(p, "RevealShares", func(place int) object { return laying(p, place) }, "", 0, 1, 2, 3)
	return round.PhaseUnmask
}

func freezesTooFew(_ *contracttest.Federation, p *contracttest.Played, say speaking) round.Phase {
	p.To(round.PhaseUpdates)
	p.Expire()
	say(p, "CommitUpdate", p.Update, round.PhaseUpdates, 0, 1)
	return round.Void
}

func ends(f *contracttest.Federation, p *contracttest.Played, say speaking) round.Phase {
	p.To(round.PhaseAttest)
	others := p.Others()
	p.Propose()
	say(p, "Attest", agreeing(p), round.PhaseAttest, others...)
	f.Must(contracttest.Node(0), "Settle", object{"training": "tumour", "round": 1}, nil)
	return round.Final
}

func spokenAlone(f *contracttest.Federation) speaking {
	return func(p *contracttest.Played, function string, argument func(int) object, ending round.Phase, places ...int) {
		p.Say(function, argument, places...)
		if ending != "" {
			f.Must(carrier, "Advance", p.With(object{"from": ending}), nil)
		}
	}
}

func spokenTogether(f *contracttest.Federation) speaking {
	return func(p *contracttest.Played, function string, argument func(int) object, ending round.Phase, places ...int) {
		batch := p.Carried(function, argument, places...)
		if ending != "" {
			from(batch, ending)
		}
		f.Must(carrier, "CarryWords", batch, nil)
	}
}

// prepared is a transaction that waits for its block.
func prepared(t *testing.T, f *contracttest.Federation, caller ledger.Caller, function string, argument object) *ledger.Tx {
	t.Helper()
	tx, _, err := f.Prepare(caller, function, argument)
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func TestT22CarriedWordsAndWhoSpeaksAloneAtOnceDoNotConflict(t *testing.T) {
	f := carrying(t, 5, `{}`)
	p := f.Open("tumour", options{})
	at := func(function string, argument func(int) object) {
		first := prepared(t, f, carrier, "CarryWords", p.Carried(function, argument, 0, 1))
		alone := prepared(t, f, p.Node(2), function, argument(2))
		second := prepared(t, f, contracttest.Node(1), "CarryWords", p.Carried(function, argument, 3, 4))
		for _, tx := range []*ledger.Tx{first, alone, second} {
			if !f.State.Commit(tx) {
				t.Fatalf("who says %s at once conflicts", function)
			}
		}
	}
	at("PublishKeys", p.Keys)
	at("CommitShares", p.Shares)
	at("CommitUpdate", p.Update)
	p.Advance(round.PhaseUnmask)
	at("RevealShares", func(place int) object { return laying(p, place) })
	equal(t, round.PhaseAttest, p.View().Phase)
}

// TestT22AFreezeOfCarriedWordsSeesEveryUpdateOrDoesNotCommit says what ending a phase costs: it reads who has spoken.
func TestT22AFreezeOfCarriedWordsSeesEveryUpdateOrDoesNotCommit(t *testing.T) {
	f := carrying(t, 4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUpdates)
	p.Expire()
	freeze := prepared(t, f, carrier, "CarryWords", from(p.Carried("CommitUpdate", p.Update, 0, 1, 2), round.PhaseUpdates))
	late := prepared(t, f, p.Node(3), "CommitUpdate", p.Update(3))
	equal(t, true, f.State.Commit(late))
	equal(t, false, f.State.Commit(freeze))
	equal(t, 1, len(p.View().Updates))
}

func TestWhoSpeaksAloneAndIsCarriedIsHeardOnce(t *testing.T) {
	quiet := carrying(t, 4, `{}`)
	p := quiet.Open("tumour", options{})
	p.Say("PublishKeys", p.Keys, 0, 1, 2, 3)
	want := told(quiet)
	for _, aloneFirst := range []bool{false, true} {
		f := carrying(t, 4, `{}`)
		p := f.Open("tumour", options{})
		together := prepared(t, f, carrier, "CarryWords", p.Carried("PublishKeys", p.Keys, 0, 1, 2, 3))
		alone := prepared(t, f, p.Node(2), "PublishKeys", p.Keys(2))
		if aloneFirst {
			equal(t, true, f.State.Commit(alone))
			equal(t, false, f.State.Commit(together))
			wordRefused(t, f, p.Carried("PublishKeys", p.Keys, 0, 1, 2, 3), "word 2", errcode.AlreadyDone)
			f.Must(carrier, "CarryWords", p.Carried("PublishKeys", p.Keys, 0, 1, 3), nil)
		} else {
			equal(t, true, f.State.Commit(together))
			equal(t, false, f.State.Commit(alone))
		}
		sameRecords(t, want, told(f))
	}
}

func TestAWordThatComesAfterItsPhaseIsRefused(t *testing.T) {
	f := carrying(t, 4, `{}`)
	p := f.Open("tumour", options{})
	late := p.Carried("PublishKeys", p.Keys, 3)
	endorsed := prepared(t, f, carrier, "CarryWords", late)
	p.Say("PublishKeys", p.Keys, 0, 1, 2)
	p.Expire()
	p.Advance(round.PhaseShares)
	equal(t, false, f.State.Commit(endorsed))
	wordRefused(t, f, late, "word 0", errcode.WrongPhase)
	wordRefused(t, f, p.Carried("CommitShares", p.Shares, 3), "word 0", errcode.NotInCohort)
}

func TestAPeersBatchIsWrittenWholeOrNotAtAll(t *testing.T) {
	f := carrying(t, 4, `{}`)
	p := f.Open("tumour", options{})
	by, words := contracttest.Issue("carrier", "client"), p.Carried("PublishKeys", p.Keys, 0, 1)["words"].([]object)
	call := func(words ...object) (*stub, string) {
		argument, err := codec.Canonical(batch(p, "PublishKeys", words...))
		if err != nil {
			t.Fatal(err)
		}
		proposal := by.Sign(contracttest.MSP(0), contracttest.Channel, contracttest.Chaincode, "CarryWords", argument)["proposal"]
		s := &stub{
			committed: f.State.Begin(), creator: by.Creator(contracttest.MSP(0)), proposal: decoded(proposal),
			args: [][]byte{[]byte("CarryWords"), argument},
		}
		return s, contract.Chaincode{Contract: f.Contract}.Invoke(s).Message
	}
	s, refusal := call(words[0], object{"proposal": words[1]["proposal"], "signature": words[0]["signature"]})
	equal(t, "FL0702: word 1: the signature is not the creator's", refusal)
	equal(t, 0, len(s.writes))
	equal(t, "", s.event)
	s, refusal = call(words...)
	equal(t, "", refusal)
	equal(t, 6, len(s.writes)) // of each its keys, and where both are used
	equal(t, "WordsCarried", s.event)
}

// TestCarriedWordsAskAPeerForARangeOnce counts messages: a range is one to the peer and back, and every word reads the same.
func TestCarriedWordsAskAPeerForARangeOnce(t *testing.T) {
	f := carrying(t, 5, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUpdates)
	argument, err := codec.Canonical(from(p.Carried("CommitUpdate", p.Update, 0, 1, 2, 3, 4), round.PhaseUpdates))
	if err != nil {
		t.Fatal(err)
	}
	s := &stub{committed: f.State.Begin()}
	env := ledger.Env{TxID: "tx", TimeMS: f.TimeMS, Channel: contracttest.Channel, Chaincode: contracttest.Chaincode, Caller: carrier}
	if _, _, err := f.Contract.Execute(ledger.NewFabric(s), env, "CarryWords", argument); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"keys", "shares", "update"} {
		equal(t, 1, len(slices.DeleteFunc(slices.Clone(s.ranges), func(asked string) bool { return asked != kind })))
	}
}

func TestARoundOfCarriedWordsReplaysToTheSameState(t *testing.T) {
	f := carrying(t, 4, `{}`)
	carryOn(f, f.Open("tumour", options{}))
	state := replayed(t, f, func(*ledger.Memory, contracttest.Entry) {})
	want, got := f.State.Entries(), state.Entries()
	equal(t, len(want), len(got))
	for i := range want {
		equal(t, string(want[i].Value), string(got[i].Value))
	}
}
