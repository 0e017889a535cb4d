package contract_test

import (
	"slices"
	"testing"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// Each test is named after the threat in docs/threat-model.md that the rule under test answers.

type (
	options = contracttest.Options
	object  = contracttest.Map
)

// training returns a founded federation of n members with the training "tumour" of cohorts of 4.
func training(n int, parameters string) *contracttest.Federation {
	f := contracttest.New(n, parameters)
	f.Ready(5, min(n, 4))
	return f
}

func refused(t *testing.T, f *contracttest.Federation, caller ledger.Caller, function string, argument any, code errcode.Code) {
	t.Helper()
	_, _, err := f.Prepare(caller, function, argument)
	if err == nil {
		t.Fatalf("%s was not refused", function)
	}
	if got := errcode.Of(err); got != code {
		t.Fatalf("%s: want %s, got %v", function, code, err)
	}
}

func equal[T comparable](t *testing.T, want, got T) {
	t.Helper()
	if want != got {
		t.Fatalf("want %v, got %v", want, got)
	}
}

func changed(argument object, key string, value any) object {
	argument[key] = value
	return argument
}

func TestT01AnUpdateOfAnotherPlanOrBaseStateIsRefused(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUpdates)
	other := contracttest.Digest("other")
	refused(t, f, p.Node(0), "CommitUpdate", changed(p.Update(0), "plan", other), errcode.WrongBase)
	refused(t, f, p.Node(0), "CommitUpdate", changed(p.Update(0), "base_state", other), errcode.WrongBase)
}

func TestT02OneKindOfSecretIsRevealedOfEachParticipant(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{Dropouts: []int{3}})
	p.To(round.PhaseUnmask)
	for dealer, kind := range []string{"mask", "mask", "mask", "seed"} {
		reveal := p.Reveal(0)
		reveal["shares"].([]object)[dealer]["kind"] = kind
		refused(t, f, p.Node(0), "RevealShares", reveal, errcode.WrongShareKind)
	}
	p.Say("RevealShares", p.Reveal, 0)
	refused(t, f, p.Node(0), "RevealShares", p.Reveal(0), errcode.AlreadyDone)
}

func TestT04KeysComeFromTheVettedCertificateOnly(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	stranger := ledger.Caller{MSPID: contracttest.MSP(0), Role: ledger.Client, KeyHash: contracttest.KeyHash("stranger")}
	refused(t, f, stranger, "PublishKeys", p.Keys(0), errcode.NotAParticipant)
	elsewhere := contracttest.Node(0)
	elsewhere.MSPID = contracttest.MSP(1)
	refused(t, f, elsewhere, "PublishKeys", p.Keys(0), errcode.NotAParticipant)
	f.Must(contracttest.Admin(0), "RotateKey", object{"participant": contracttest.ID(0), "key_hash": contracttest.KeyHash("new")}, nil)
	refused(t, f, contracttest.Node(0), "PublishKeys", p.Keys(0), errcode.NotAParticipant)
	f.Must(ledger.Caller{MSPID: contracttest.MSP(0), Role: ledger.Client, KeyHash: contracttest.KeyHash("new")}, "PublishKeys", p.Keys(0), nil)
}

func TestT10NoOrganisationTakesAnothersCertificateKey(t *testing.T) {
	f := training(4, `{"participants_per_organisation":2}`)
	theirs := contracttest.KeyHash("next") // of the first member, seen while its RotateKey was endorsed
	f.Must(contracttest.Admin(1), "RotateKey", object{"participant": contracttest.ID(1), "key_hash": theirs}, nil)
	f.Must(contracttest.Admin(0), "RotateKey", object{"participant": contracttest.ID(0), "key_hash": theirs}, nil)
	p := f.Open("tumour", options{})
	f.Must(ledger.Caller{MSPID: contracttest.MSP(0), Role: ledger.Client, KeyHash: theirs}, "PublishKeys", p.Keys(0), nil)
	refused(t, f, contracttest.Node(1), "PublishKeys", p.Keys(1), errcode.NotAParticipant) // it has locked itself out
	again := object{"participant": contracttest.ID(0), "key_hash": contracttest.KeyHash(contracttest.ID(0))}
	refused(t, f, contracttest.Admin(0), "RotateKey", again, errcode.KeyInUse) // within an organisation, keys are never handed on
}

func TestT05LowOrderAndRepeatedPublicKeysAreRefused(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	zero := ledger.Hex(make([]byte, 32))
	refused(t, f, p.Node(0), "PublishKeys", changed(p.Keys(0), "mask_key", zero), errcode.WeakKey)
	keys := p.Keys(0)
	refused(t, f, p.Node(0), "PublishKeys", changed(keys, "mask_key", keys["seal_key"]), errcode.KeyReused)
	p.Say("PublishKeys", p.Keys, 0)
	refused(t, f, p.Node(1), "PublishKeys", changed(p.Keys(1), "mask_key", p.Keys(0)["mask_key"]), errcode.KeyReused)
}

func TestT06AKeyOfAnEarlierAttemptIsRefusedInTheNext(t *testing.T) {
	f := training(4, `{}`)
	first := f.Open("tumour", options{})
	first.Say("PublishKeys", first.Keys, 0)
	equal(t, string(errcode.VoidTooFewKeys), first.Ended())
	second := f.Open("tumour", options{})
	equal(t, first.Ref.Attempt+1, second.Ref.Attempt)
	if first.View().Session == second.View().Session {
		t.Fatal("two attempts share a session")
	}
	refused(t, f, second.Node(0), "PublishKeys", changed(second.Keys(0), "seal_key", first.Keys(0)["seal_key"]), errcode.KeyReused)
}

func TestT08TheFloorsOfSecureAggregationCannotBeVotedAway(t *testing.T) {
	f := training(4, `{}`)
	for _, parameters := range []object{{"cohort_min": 3}, {"survivor_min": 2}, {"survivor_difference_min": 2}, {"unheard_of": 1}} {
		equal(t, errcode.BadParameter, errcode.Of(f.Agree("set_parameters", object{"parameters": parameters})))
	}
}

func TestT08TooFewSurvivorsVoidBeforeAnyReveal(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{Dropouts: []int{2, 3}})
	p.To(round.PhaseUpdates)
	p.Say("CommitUpdate", p.Update, 0, 1)
	equal(t, string(errcode.VoidTooFewSurvivors), p.Ended())
	refused(t, f, p.Node(0), "RevealShares", p.Reveal(0), errcode.WrongPhase)
}

func TestT08TheThresholdIsTwoThirdsOfTheDrawnCohort(t *testing.T) {
	p := training(4, `{}`).Open("tumour", options{})
	equal(t, 3, p.View().Threshold)
}

func TestT10AnOrganisationHasSoManyParticipantsAndAVoteEach(t *testing.T) {
	f := training(4, `{}`)
	second := object{
		"participant": "second", "key_hash": contracttest.KeyHash("second"), "stake": 1_000_000, "evidence": []string{},
		"profile": object{"rows": 1, "missing_ppm": 0, "labels": []int{}, "schema": contracttest.Digest("schema")},
	}
	refused(t, f, contracttest.Admin(0), "Apply", second, errcode.TooManyParticipants)
	if err := f.Agree("set_parameters", object{"parameters": object{"participants_per_organisation": 2}}); err != nil {
		t.Fatal(err)
	}
	f.Must(contracttest.Admin(0), "Apply", second, nil)
	newcomer := ledger.Caller{MSPID: contracttest.MSP(0), Role: ledger.Client, KeyHash: contracttest.KeyHash("second")}
	p := f.Open("tumour", options{})
	refused(t, f, newcomer, "PublishKeys", p.Keys(0), errcode.ParticipantNotActive)
}

func TestT14TheSurvivorsAreEveryCommittedUpdate(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUpdates)
	p.Say("CommitUpdate", p.Update, 0, 1, 2)
	p.Expire()
	freeze, _, err := f.Prepare(contracttest.Node(0), "Advance", p.Ref)
	if err != nil {
		t.Fatal(err)
	}
	p.Say("CommitUpdate", p.Update, 3)
	if f.State.Commit(freeze) {
		t.Fatal("a freeze committed that missed an update")
	}
	p.Advance(round.PhaseUnmask)
	equal(t, 4, len(p.View().Survivors))
}

func TestT15AnUpdateIsRefusedWhereItsBlobIsMissingOrAltered(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUpdates)
	update := p.Update(0)
	digest := aggregate.Digest(ledger.Bytes(update["digest"].(string)))
	whole := f.Blobs[digest]
	f.Blobs[digest] = append([]byte{whole[0] ^ 1}, whole[1:]...)
	refused(t, f, p.Node(0), "CommitUpdate", update, errcode.BlobMissing)
	delete(f.Blobs, digest)
	refused(t, f, p.Node(0), "CommitUpdate", update, errcode.BlobMissing)
	f.Blobs[digest] = whole
	refused(t, f, p.Node(0), "CommitUpdate", changed(p.Update(0), "length", 8), errcode.WrongLength)
	f.Must(p.Node(0), "CommitUpdate", p.Update(0), nil)
}

func TestT16AnyOtherAggregateOrCountIsRefused(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	refused(t, f, p.Aggregator(), "ProposeAggregate", changed(p.Proposal(), "aggregate", contracttest.Digest("other")), errcode.AggregateMismatch)
	refused(t, f, p.Aggregator(), "ProposeAggregate", changed(p.Proposal(), "examples", 399), errcode.WrongCount)
	p.Finish()
}

func TestT16AStateNeedsAMajorityOfOrganisations(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	p.Propose()
	p.Attest(0, 1)
	var answer round.AdvanceResponse
	f.Must(contracttest.Node(0), "Advance", p.Ref, &answer)
	equal(t, false, answer.Moved)
	refused(t, f, contracttest.Node(1), "Attest", p.With(object{
		"number": 1, "state": p.State(), "agree": true, "deviation_e9": 0,
	}), errcode.AlreadyAttested)
	p.Attest(2)
	p.Advance(round.Final)
	equal(t, uint64(7), p.View().DeviationE9)
}

func TestT17AShareThatItsDealerDidNotCommitToIsRefused(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUnmask)
	reveal, other := p.Reveal(0), p.Reveal(1)
	shares, others := reveal["shares"].([]object), other["shares"].([]object)
	shares[2]["value"] = others[2]["value"]
	refused(t, f, p.Node(0), "RevealShares", reveal, errcode.BadShareProof)
}

func TestT17ABadDealerIsBlamedWithProofAndTheTrainingGoesOn(t *testing.T) {
	f := contracttest.New(5, `{}`)
	f.Ready(1, 5)
	p := f.Open("tumour", options{})
	p.Spoil(4, 0, "seed")
	p.To(round.PhaseUnmask)
	p.Say("RevealShares", p.Reveal, 0, 1, 2, 3, 4)
	p.Advance(round.Void)
	equal(t, string(errcode.VoidBadDealer), p.View().VoidReason)
	next := f.Open("tumour", options{})
	equal(t, 4, len(next.View().Cohort))
	next.Finish() // four survivors after five frozen on the same base: the blamed one does not count
	equal(t, round.Final, next.View().Phase)
	f.Must(contracttest.Admin(0), "Settle", object{"training": "tumour", "round": 1}, nil)
	var bad struct {
		Faults uint64 `json:"faults"`
	}
	f.Query("GetReputation", object{"participant": contracttest.ID(4)}, &bad)
	equal(t, uint64(1), bad.Faults)
}

func TestT18GarbageVoidsWithProofAndTheTrainingGoesOn(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{Values: garbage})
	p.To(round.PhaseAttest)
	refused(t, f, p.Aggregator(), "ProposeAggregate", p.Proposal(), errcode.OutOfRange)
	report := func(kind, accused string) object {
		return p.With(object{"kind": kind, "accused": accused, "evidence": object{}})
	}
	refused(t, f, p.Node(0), "ReportFault", report("update", contracttest.ID(2)), errcode.NotProven)
	f.Must(p.Node(0), "ReportFault", report("garbage", ""), nil)
	equal(t, string(errcode.VoidGarbage), p.View().VoidReason)
	next := f.Open("tumour", options{})
	next.Finish()
	equal(t, round.Final, next.View().Phase)
}

func TestT18AnHonestRoundCannotBeVoidedAsGarbage(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	refused(t, f, p.Node(0), "ReportFault", p.With(object{"kind": "garbage", "accused": "", "evidence": object{}}), errcode.NotProven)
}

func TestT18ASumThatNoStateFollowsFromIsVoidByAMajority(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	deny := func(members ...int) {
		for _, i := range members {
			f.Must(contracttest.Admin(i), "AttestNoState", p.With(object{"aggregate": contracttest.Digest("sum"), "code": "FL3010"}), nil)
		}
	}
	deny(0, 1)
	stays(t, f, p)
	deny(2)
	p.Advance(round.Void)
	equal(t, string(errcode.VoidNoState), p.View().VoidReason)
	flagged := flags(f, "")[0]
	equal(t, round.FlagGarbage, flagged.Kind)
	equal(t, "3 of 4 organisations find no state after the sum (FL3010)", flagged.Detail)
	next := f.Open("tumour", options{}) // the same survivors may try again
	next.Finish()
	equal(t, round.Final, next.View().Phase)
}

func TestT18NoMinorityVoidsARoundByDenyingItsState(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	deny := func(sum string) object {
		return p.With(object{"aggregate": contracttest.Digest(sum), "code": "FL3010"})
	}
	f.Must(contracttest.Admin(0), "AttestNoState", deny("sum"), nil)
	f.Must(contracttest.Admin(1), "AttestNoState", deny("sum"), nil)
	f.Must(contracttest.Admin(2), "AttestNoState", deny("another sum"), nil) // three, but not of one sum
	refused(t, f, contracttest.Admin(1), "AttestNoState", deny("sum"), errcode.AlreadyAttested)
	refused(t, f, contracttest.Admin(3), "AttestNoState", changed(deny("sum"), "code", "because"), errcode.BadArgument)
	refused(t, f, ledger.Caller{MSPID: "RegulatorMSP", Role: ledger.Client}, "AttestNoState", deny("sum"), errcode.NotAMember)
	stays(t, f, p)
	p.Propose()
	p.Attest(3)
	refused(t, f, contracttest.Admin(3), "AttestNoState", deny("sum"), errcode.AlreadyAttested) // it agreed to the open proposal
	refused(t, f, contracttest.Admin(0), "Attest", p.With(object{"number": 1, "state": p.State(), "agree": true, "deviation_e9": 0}), errcode.AlreadyAttested)
	stays(t, f, p)
}

// stays asks Advance, which must not move the round.
func stays(t *testing.T, f *contracttest.Federation, p *contracttest.Played) {
	t.Helper()
	var answer round.AdvanceResponse
	f.Must(contracttest.Node(0), "Advance", p.Ref, &answer)
	equal(t, false, answer.Moved)
}

func TestT20ACountAboveTheVettedRowsOrOffTheGranularityIsRefused(t *testing.T) {
	f := training(4, `{"count_bucket":50}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUpdates)
	for _, examples := range []int{0, 99, 250} {
		refused(t, f, p.Node(0), "CommitUpdate", changed(p.Update(0), "examples", examples), errcode.CountRefused)
	}
	f.Must(p.Node(0), "CommitUpdate", changed(p.Update(0), "examples", 200), nil)
}

func TestT20AFalseCountIsFlaggedAndPaidByVettedRowsAndNeverVoids(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.Examples[1] = 190
	p.Finish()
	equal(t, []string{round.FlagCounts}[0], flags(f, "")[0].Kind)
	for _, amount := range rewarded(f, 1) {
		equal(t, uint64(250_000), amount)
	}
}

func TestT21ATransactionOfAnotherAttemptOrSentTwiceIsRefused(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.Say("PublishKeys", p.Keys, 0)
	refused(t, f, p.Node(0), "PublishKeys", p.Keys(0), errcode.AlreadyDone)
	refused(t, f, p.Node(1), "PublishKeys", changed(p.Keys(1), "attempt", 2), errcode.UnknownRound)
	p.Ended()
	f.Open("tumour", options{})
	refused(t, f, p.Node(1), "PublishKeys", p.Keys(1), errcode.WrongPhase)
}

func TestT22ATransactionEndorsedBeforeThePhaseMovedDoesNotCommit(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.Say("PublishKeys", p.Keys, 0, 1, 2)
	late, _, err := f.Prepare(p.Node(3), "PublishKeys", p.Keys(3))
	if err != nil {
		t.Fatal(err)
	}
	p.Expire()
	p.Advance(round.PhaseShares)
	if f.State.Commit(late) {
		t.Fatal("a late transaction committed")
	}
	equal(t, 3, len(p.View().U1))
}

func TestT22ParticipantsOfOnePhaseDoNotConflict(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	prepared := []*ledger.Tx{}
	for place := range 4 {
		tx, _, err := f.Prepare(p.Node(place), "PublishKeys", p.Keys(place))
		if err != nil {
			t.Fatal(err)
		}
		prepared = append(prepared, tx)
	}
	for _, tx := range prepared {
		if !f.State.Commit(tx) {
			t.Fatal("participants conflict")
		}
	}
}

type countingVerifier struct {
	round.Verifier
	calls *int
}

func (v countingVerifier) VerifyAggregate(inputs aggregate.Inputs, rows uint64) error {
	*v.calls++
	return v.Verifier.VerifyAggregate(inputs, rows)
}

func TestT23ASenderWhoseClockIsBehindShortensNobodysPhase(t *testing.T) {
	f := training(4, `{"shares_ms":1000}`)
	p := f.Open("tumour", options{})
	p.Say("PublishKeys", p.Keys, 0, 1, 2, 3)
	began := p.View().OpenedMS
	f.TimeMS -= 60_000
	p.Advance(round.PhaseShares)
	equal(t, began+1000, p.View().DeadlineMS)
}

func TestT24OnlyTheElectedAggregatorMakesEndorsersSum(t *testing.T) {
	f := training(4, `{}`)
	calls := 0
	f.Contract.Verifier = countingVerifier{f.Contract.Verifier, &calls}
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	turns := p.View().Turns
	second := contracttest.Node(slices.Index([]string{"hospital-000", "hospital-001", "hospital-002", "hospital-003"}, turns[1].Participant))
	refused(t, f, second, "ProposeAggregate", p.Proposal(), errcode.NotYourTurn)
	refused(t, f, contracttest.Admin(0), "ProposeAggregate", p.Proposal(), errcode.NotAParticipant)
	equal(t, 0, calls)
	f.TimeMS = turns[1].FromMS // the lease of the first has run out
	f.Must(second, "ProposeAggregate", p.Proposal(), nil)
	equal(t, 1, calls)
	refused(t, f, p.Node(0), "ProposeAggregate", p.Proposal(), errcode.ProposalOpen)
}

func TestT28OneSurvivorWithNearlyAllExamplesVoidsBeforeAnyReveal(t *testing.T) {
	f := training(4, `{"share_limit_ppm":400000}`)
	p := f.Open("tumour", options{})
	p.Examples[0] = 200
	p.Examples[1], p.Examples[2], p.Examples[3] = 99, 99, 99
	p.To(round.PhaseUpdates)
	p.Say("CommitUpdate", p.Update, 0, 1, 2, 3)
	p.Advance(round.Void)
	equal(t, string(errcode.VoidShareLimit), p.View().VoidReason)
}

func TestT28AParticipantWithoutRowsIsNotAdmitted(t *testing.T) {
	f := contracttest.New(4, `{"minimum_rows":10}`)
	f.Found()
	refused(t, f, contracttest.Admin(0), "Apply", object{
		"participant": "empty", "key_hash": contracttest.KeyHash("empty"), "stake": 1_000_000, "evidence": []string{},
		"profile": object{"rows": 9, "missing_ppm": 0, "labels": []int{}, "schema": contracttest.Digest("schema")},
	}, errcode.BadProfile)
}
