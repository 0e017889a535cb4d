package contract_test

import (
	"slices"
	"strings"
	"testing"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// carrying is a training under version 2 whose participants can sign what others carry.
func carrying(t *testing.T, members int, parameters string) *contracttest.Federation {
	t.Helper()
	f := flowing(t, members, parameters)
	for i := range members {
		f.Certify(i)
	}
	return f
}

// carrier is who brings words in these tests: a client of a member, no participant.
var carrier = ledger.Caller{MSPID: contracttest.MSP(0), Role: ledger.Client, KeyHash: contracttest.KeyHash("carrier")}

// batch is the argument of CarryWords with these words.
func batch(p *contracttest.Played, function string, words ...object) object {
	return p.With(object{"function": function, "words": words})
}

// wordRefused holds a refusal against the code and the word that it names.
func wordRefused(t *testing.T, f *contracttest.Federation, argument object, word string, code errcode.Code) {
	t.Helper()
	_, _, err := f.Prepare(carrier, "CarryWords", argument)
	if err == nil {
		t.Fatalf("%s of %v was carried", word, argument["function"])
	}
	if !strings.HasPrefix(err.Error(), string(code)+": "+word+": ") {
		t.Fatalf("want %s: %s, got %v", code, word, err)
	}
}

func TestT04AWordCountsForNobodyButTheParticipantWhoseKeySignedIt(t *testing.T) {
	f := carrying(t, 5, `{}`)
	p := f.Open("tumour", options{})
	who, mspID, keys := contracttest.Issue(p.Members[1].ID, "client"), p.Node(1).MSPID, p.Keys(1)
	honest := p.Word(0, "PublishKeys", p.Keys(0))
	forged := changed(p.Word(1, "PublishKeys", keys), "signature", honest["signature"])
	stranger := contracttest.Issue("stranger", "client")
	for name, bad := range map[string]struct {
		word object
		code errcode.Code
	}{
		"a signature of other bytes": {forged, errcode.NotProven},
		"another channel":            {who.Sign(mspID, "otherchannel", contracttest.Chaincode, "PublishKeys", keys), errcode.NotProven},
		"another chaincode":          {who.Sign(mspID, contracttest.Channel, "lookalike", "PublishKeys", keys), errcode.NotProven},
		"a key that nobody has":      {stranger.Sign(mspID, contracttest.Channel, contracttest.Chaincode, "PublishKeys", keys), errcode.NotAParticipant},
		"another organisation's":     {who.Sign(p.Node(2).MSPID, contracttest.Channel, contracttest.Chaincode, "PublishKeys", keys), errcode.NotAParticipant},
		"no member's":                {who.Sign("OtherMSP", contracttest.Channel, contracttest.Chaincode, "PublishKeys", keys), errcode.NotAMember},
		"no base64":                  {object{"proposal": "!", "signature": ""}, errcode.BadArgument},
		"no proposal":                {object{"proposal": "AAAA", "signature": ""}, errcode.BadArgument},
		"too long":                   {object{"proposal": strings.Repeat("A", 512<<10+1), "signature": ""}, errcode.LimitExceeded},
		"too long a signature":       {changed(p.Word(1, "PublishKeys", keys), "signature", strings.Repeat("A", 1_025)), errcode.LimitExceeded},
	} {
		t.Run(name, func(t *testing.T) { wordRefused(t, f, batch(p, "PublishKeys", honest, bad.word), "word 1", bad.code) })
	}
	f.Must(carrier, "CarryWords", batch(p, "PublishKeys", honest, p.Word(1, "PublishKeys", keys)), nil)
	equal(t, 2, len(p.View().Keys))
}

func TestT04AWordByARotatedKeyOrOfWhoIsSuspendedIsRefused(t *testing.T) {
	f := carrying(t, 5, `{}`)
	p := f.Open("tumour", options{})
	const who = 4 // the cohort is in order of ids
	carried := p.Carried("PublishKeys", p.Keys, 0, who)
	agree(t, f, "suspend", object{"participant": contracttest.ID(who)})
	wordRefused(t, f, carried, "word 1", errcode.ParticipantNotActive)
	agree(t, f, "reinstate", object{"participant": contracttest.ID(who)})
	agree(t, f, "suspend", object{"organisation": contracttest.MSP(who)})
	wordRefused(t, f, carried, "word 1", errcode.OrganisationSuspended)
	agree(t, f, "reinstate", object{"organisation": contracttest.MSP(who)})
	f.Must(contracttest.Admin(who), "RotateKey", object{"participant": contracttest.ID(who), "key_hash": contracttest.KeyHash("new")}, nil)
	wordRefused(t, f, carried, "word 1", errcode.NotAParticipant)
}

func TestT04AWordByASelfMadeAdministratorsCertificateGivesNoAdministratorsRight(t *testing.T) {
	f := carrying(t, 4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	place := p.Others()[0]
	p.Propose()
	mspID, verdict := p.Node(place).MSPID, agreeing(p)(place)
	attesting := func(by contracttest.Identity) object {
		return batch(p, "Attest", by.Sign(mspID, contracttest.Channel, contracttest.Chaincode, "Attest", verdict))
	}
	wordRefused(t, f, attesting(contracttest.Issue("nobody vetted this", "admin")), "word 0", errcode.NotAParticipant)
	f.Must(carrier, "CarryWords", attesting(contracttest.Issue(p.Members[place].ID, "admin")), nil) // its key is the participant's
	equal(t, true, p.View().Attestations[mspID].Agree)
}

func TestT21AWordOfAnotherRoundOrFunctionOrTwiceIsRefused(t *testing.T) {
	f := carrying(t, 4, `{}`)
	p := f.Open("tumour", options{})
	keys := p.Carried("PublishKeys", p.Keys, 0, 1)
	words := keys["words"].([]object)
	wordRefused(t, f, batch(p, "PublishKeys", words[0], words[1], words[0]), "word 2", errcode.AlreadyDone)
	wordRefused(t, f, batch(p, "CommitShares", words...), "word 0", errcode.BadArgument)
	f.Start("twin", 5, 4)
	other := f.Open("twin", options{})
	wordRefused(t, f, batch(p, "PublishKeys", words[0], other.Word(1, "PublishKeys", other.Keys(1))), "word 1", errcode.BadArgument)
	f.Must(carrier, "CarryWords", keys, nil)
	wordRefused(t, f, keys, "word 0", errcode.AlreadyDone)
	p.Ended()
	again := f.Open("tumour", options{})
	wordRefused(t, f, batch(again, "PublishKeys", words[0]), "word 0", errcode.BadArgument)
	wordRefused(t, f, keys, "word 0", errcode.WrongPhase)
}

// TestT21AWordNamesTheFunctionThatItCalls carries a call whose argument another function would take too.
func TestT21AWordNamesTheFunctionThatItCalls(t *testing.T) {
	f := carrying(t, 4, `{}`)
	p := f.Open("tumour", options{})
	for _, function := range []string{"publishKeys", "GetRound", "CarryWords", ""} {
		wordRefused(t, f, batch(p, "PublishKeys", p.Word(0, function, p.Keys(0))), "word 0", errcode.BadArgument)
	}
}

func TestAWordsArgumentIsDecodedAsStrictlyAsAlone(t *testing.T) {
	f := carrying(t, 4, `{}`)
	p := f.Open("tumour", options{})
	raw, err := codec.Canonical(p.Keys(0))
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for _, argument := range []string{
		"", "null", "[]", text + " {}", strings.Replace(text, `"round"`, `"Round"`, 1), strings.Replace(text, `{`, `{"round":2,`, 1),
		strings.Replace(text, `{`, `{"more":1,`, 1),
	} {
		wordRefused(t, f, batch(p, "PublishKeys", p.Word(0, "PublishKeys", []byte(argument))), "word 0", errcode.BadArgument)
	}
}

func TestAWordIsRefusedAsItWouldBeAlone(t *testing.T) {
	f := carrying(t, 6, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUpdates)
	for _, bad := range []object{
		changed(p.Update(1), "plan", contracttest.Digest("other")), changed(p.Update(1), "length", 4), changed(p.Update(1), "examples", 7_000),
		changed(p.Update(1), "digest", contracttest.Digest("no blob")),
	} {
		_, _, err := f.Prepare(p.Node(1), "CommitUpdate", bad)
		code, text, _ := strings.Cut(err.Error(), ": ")
		_, _, err = f.Prepare(carrier, "CarryWords", batch(p, "CommitUpdate", p.Word(0, "CommitUpdate", p.Update(0)), p.Word(1, "CommitUpdate", bad)))
		equal(t, code+": word 1: "+text, err.Error())
	}
}

func TestABatchHoldsOneToSoManyWordsOfAKnownFunction(t *testing.T) {
	f := carrying(t, 4, `{}`)
	p := f.Open("tumour", options{})
	keys := p.Word(0, "PublishKeys", p.Keys(0))
	for _, function := range []string{"", "Transfer", "CarryWords", "Advance", "ProposeAggregate", "GetRound"} {
		refused(t, f, carrier, "CarryWords", batch(p, function, keys), errcode.BadArgument)
	}
	many := func(n int) []object { return slices.Repeat([]object{{"proposal": "", "signature": ""}}, n) }
	refused(t, f, carrier, "CarryWords", batch(p, "PublishKeys"), errcode.BadArgument)
	refused(t, f, carrier, "CarryWords", batch(p, "PublishKeys", many(1_025)...), errcode.LimitExceeded)
	wordRefused(t, f, batch(p, "PublishKeys", many(1_024)...), "word 0", errcode.NotProven)
	refused(t, f, carrier, "CarryWords", changed(batch(p, "PublishKeys", keys), "more", 1), errcode.BadArgument)
}

func TestWhoMayAdvanceARoundMayCarryItsWords(t *testing.T) {
	f := carrying(t, 5, `{}`)
	p := f.Open("tumour", options{})
	keys := p.Carried("PublishKeys", p.Keys, 0, 1)
	agree(t, f, "suspend", object{"organisation": contracttest.MSP(4)})
	for _, caller := range []ledger.Caller{
		carrier, contracttest.Admin(0), contracttest.Node(1), contracttest.Admin(4), contracttest.Node(4), {MSPID: "OtherMSP", Role: ledger.Admin},
		{MSPID: "RegulatorMSP", Role: ledger.Client}, {MSPID: contracttest.MSP(0)},
	} {
		_, _, alone := f.Prepare(caller, "Advance", p.Ref)
		_, _, err := f.Prepare(caller, "CarryWords", keys)
		if alone == nil != (err == nil) || alone != nil && alone.Error() != err.Error() {
			t.Errorf("%v: Advance %v, CarryWords %v", caller, alone, err)
		}
	}
}

func TestWordsAreCarriedFromVersion2OfARoundsRulesOn(t *testing.T) {
	f := training(4, `{}`)
	first := f.Open("tumour", options{})
	f.Certify(0, 1, 2, 3)
	refused(t, f, carrier, "CarryWords", first.Carried("PublishKeys", first.Keys, 0), errcode.UnknownFunction)
	agree(t, f, "set_rules_version", object{"version": 2})
	keys := first.Carried("PublishKeys", first.Keys, 0)
	refused(t, f, carrier, "CarryWords", keys, errcode.UnknownFunction)
	first.Finish()
	second := f.Open("tumour", options{})
	f.Must(carrier, "CarryWords", second.Carried("PublishKeys", second.Keys, 0), nil)
	wordRefused(t, f, batch(second, "PublishKeys", keys["words"].([]object)...), "word 0", errcode.BadArgument)
	nowhere := changed(batch(second, "PublishKeys", second.Word(1, "PublishKeys", changed(second.Keys(1), "attempt", 2))), "attempt", 2)
	wordRefused(t, f, nowhere, "word 0", errcode.UnknownRound)
}
