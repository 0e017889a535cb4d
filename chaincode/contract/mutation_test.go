package contract_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var mutations = flag.Bool("mutations", false, "take each rule away in turn and see that its test fails; takes minutes")

// withoutRule takes one rule out of the source: text for text, each found exactly once.
type withoutRule struct {
	test, file string
	change     []string
}

// rules names, for each threat that the contract answers, a rule and the test that fails without it.
var rules = []withoutRule{
	{"TestT01AnUpdateOfAnotherPlanOrBaseStateIsRefused", "round/commit.go", []string{"req.Plan != round.Plan || req.BaseState != round.BaseState", "false"}},
	{"TestT02OneKindOfSecretIsRevealedOfEachParticipant", "round/reveal.go", []string{"share.Kind != string(kind)", "false"}},
	{"TestT04KeysComeFromTheVettedCertificateOnly", "membership/key.go", []string{"bound.KeyHash != env.Caller.KeyHash", `bound.KeyHash == ""`}},
	{"TestT04AWordCountsForNobodyButTheParticipantWhoseKeySignedIt", "contract/evidence.go", []string{"!verifies(certificate, raw, signature)", "false && !verifies(certificate, raw, signature)"}},
	{"TestT04AWordCountsForNobodyButTheParticipantWhoseKeySignedIt", "contract/evidence.go", []string{"channelHdr.GetChannelId() != env.Channel", "false"}},
	{"TestT04AWordCountsForNobodyButTheParticipantWhoseKeySignedIt", "contract/evidence.go", []string{"chaincodeIn(&channelHdr) != env.Chaincode", "false"}},
	{"TestT04AWordByARotatedKeyOrOfWhoIsSuspendedIsRefused", "membership/key.go", []string{"bound.KeyHash != env.Caller.KeyHash", `bound.KeyHash == ""`}},
	{"TestT04AWordByASelfMadeAdministratorsCertificateGivesNoAdministratorsRight", "contract/carry.go", []string{"Role: ledger.Client", "Role: ledger.Admin"}},
	{"TestT05LowOrderAndRepeatedPublicKeysAreRefused", "round/commit.go", []string{"CheckPublicKey(ledger.Bytes(public)); err != nil", "CheckPublicKey(ledger.Bytes(public)); false"}},
	{"TestT06AKeyOfAnEarlierAttemptIsRefusedInTheNext", "round/commit.go", []string{"err != nil || used {", "err != nil || used && false {"}},
	{"TestT05KeysThatAreLaidAreFreshAndOfNoLowOrder", "round/ahead.go", []string{"claimKeys(s, round.Ref, id, *next); err != nil", "claimKeys(s, round.Ref, id, *next); false"}},
	{"TestT06KeysThatAreLaidServeOneAttemptAlone", "round/ahead.go", []string{"s.Del(places[i]); err != nil", "error(nil); err != nil"}},
	{"TestInVersion2WhoIsMissingHoldsAPhaseUpToItsDeadline", "round/flow.go", []string{"err != nil || said.waits {", "err != nil || len(said.names) < 1 {"}},
	{"TestInVersion2TheFreezeIsAnAdvanceBeforeAnyReveal", "round/flow.go", []string{"phase == PhaseShares || phase == PhaseUnmask", "phase == PhaseShares || phase == PhaseUpdates || phase == PhaseUnmask"}},
	{"TestInVersion2ADropoutRevealsNothingMoreOnceAllSurvivorsHave", "round/flow.go", []string{"err == nil && over {\n\t\terr = wrong", "err == nil && over && false {\n\t\terr = wrong"}},
	{"TestWhoHasLeftSaysNothingMoreInTheAttempt", "round/dropout.go", []string{"err = still(s, round, id)", "_ = still"}},
	{"TestWhoHasLeftCommitsAndRevealsNothing", "round/dropout.go", []string{"err = still(s, round, id)", "_ = still"}},
	{"TestOnlyAMemberThatThePhaseWaitsForDropsOut", "round/dropout.go", []string{"status.expected(round), \"the members that", "round.Names(), \"the members that"}},
	{"TestWhoDropsOutIsNotWaitedFor", "round/facts.go", []string{"len(found.names)+len(found.left) < len(expected)", "len(found.names) < len(expected)"}},
	{"TestOfTooFewRevealsTheDeadlineIsWaitedForWhoeverHasLeft", "round/unmask.go", []string{"err == nil && !found.lacking", "err == nil && (!found.lacking || true)"}},
	{"TestWhoHasLeftOwesAsADropoutThoughAVoteEndsTheAttempt", "round/finish.go", []string{"append(missed, found.left...)", "missed"}},
	{"TestT23WhoLeavesWithAClockThatIsBehindShortensNobodysPhase", "round/dropout.go", []string{"max(env.TimeMS, began(round, status))", "max(env.TimeMS, 0*began(round, status))"}},
	{"TestT08TheFloorsOfSecureAggregationCannotBeVotedAway", "governance/parameters.go", []string{"p.CohortMin, 4,", "p.CohortMin, 1,"}},
	{"TestT08TheFloorsOfSecureAggregationCannotBeVotedAway", "governance/parameters.go", []string{"p.SurvivorMin, 3,", "p.SurvivorMin, 1,"}},
	{"TestT08TheFloorsOfSecureAggregationCannotBeVotedAway", "governance/parameters.go", []string{"p.SurvivorDifferenceMin, 3,", "p.SurvivorDifferenceMin, 1,"}},
	{"TestT08TooFewSurvivorsVoidBeforeAnyReveal", "round/round.go", []string{"max(r.Threshold, int(r.Parameters.SurvivorMin))", "1"}},
	{"TestT08TheThresholdIsTwoThirdsOfTheDrawnCohort", "round/open.go", []string{"Threshold: secagg.Threshold(len(cohort)),", "Threshold: 2,"}},
	{"TestT10AnOrganisationHasSoManyParticipantsAndAVoteEach", "membership/participant.go", []string{"own >= parameters.ParticipantsPerOrganisation", "false"}},
	{"TestT10ACohortIsOfThreeOrganisations", "selection/cohort.go", []string{"fresh || left > needed", "fresh || left > 0*needed"}},
	{"TestNoFounderKeepsATrainingFromStarting", "governance/making.go", []string{"missing == 0 || m.expired && len(m.active)-missing >= m.majority", "missing == 0"}},
	{"TestNoFounderKeepsATrainingFromStarting", "governance/making.go", []string{"(m.expired || len(m.unrevealed()) == 0)", "len(m.unrevealed()) == 0"}},
	{"TestWhoCannotPayForAFaultIsNotDrawnUntilItsStakeIsFilledUp", "selection/snapshot.go", []string{"return stake >= minimumStake, err", "return stake >= 0*minimumStake, err"}},
	{"TestAStakeThatOneTrainingMayTakeCountsInNoOther", "round/open.go", []string{"round.Attempt, id, most)", "round.Attempt, id, 0*most)"}},
	{"TestOnlyWhoFinishedIsPaid", "round/finish.go", []string{"return a.reward(proposed, finished)", "return a.reward(proposed, a.status.Survivors)"}},
	{"TestUnstakingWaitsUntilAllAttemptsAreSettled", "membership/stake.go", []string{"err != nil || attempts > 0", "err != nil"}},
	{"TestNoFaultIsFreeOnceAnotherIsOwed", "selection/snapshot.go", []string{"rewards.FreeStake(s, name)", "rewards.StakeOf(s, name)"}},
	{"TestOneOrganisationHasSoManyUndecidedProposals", "governance/proposal.go", []string{"held >= maxOpen || bytes > maxOpenBytes", "false"}},
	{"TestOneOrganisationHasSoManyUndecidedProposals", "governance/proposal.go", []string{"env.TimeMS < item.Record.UntilMS", "false"}},
	{"TestT10SurvivorsOfTwoOrganisationsVoidBeforeAnyReveal", "round/freeze.go", []string{"return len(own) < selection.MinOrganisations, nil", "return len(own) < selection.MinOrganisations-1, nil"}},
	{"TestT10NoOrganisationTakesAnothersCertificateKey", "membership/key.go", []string{`"key", participant.MSPID, keyHash`, `"key", keyHash`, `"key", mspID, keyHash`, `"key", keyHash`}},
	{"TestT10OneOrganisationsSurvivorsLeaveThreeOthers", "round/freeze.go", []string{"own[msp] > 1 && len(", "own[msp] > 9 && len("}},
	{"TestT11TheFirstBeaconIsCommittedByAllBeforeAnyIsRevealed", "governance/beacon.go", []string{"case !m.open():", "case false:"}},
	{"TestT11TheFirstBeaconIsCommittedByAllBeforeAnyIsRevealed", "governance/beacon.go", []string{"ledger.Hex(commitment[:]) != part.Commitment", "len(commitment) == 0"}},
	{"TestT11AnEpochsInputsAreFixedBeforeTheFreezeThatSeedsIt", "round/open.go", []string{"	round, err := fix(", "	if err := selection.TakeSnapshot(s, env, training.Training, training.Epoch, plan.Schema); err != nil {\n\t\treturn Ref{}, none, err\n\t}\n\tround, err := fix(", "if training.Round == training.EpochEnd && training.Snapshots == training.Epoch {", "if false {"}},
	{"TestT11TheBeaconMovesOnWithEveryAttemptAndSeedsTheNextEpoch", "round/finish.go", []string{"a.status.Beacon = beaconAfterVoid(a.round)", "_ = beaconAfterVoid"}},
	{"TestT11ARollBackDrawsFreshCandidatesByABeaconThatNobodyKnewThen", "round/training.go", []string{"training.Snapshots, training.AwaitsBeacon = training.Snapshots+1, true", "training.Snapshots, training.AwaitsBeacon = training.Snapshots+1, false"}},
	{"TestT11ARollBackDrawsFreshCandidatesByABeaconThatNobodyKnewThen", "round/training.go", []string{"training.Snapshots, training.AwaitsBeacon = training.Snapshots+1, true", "training.Snapshots, training.AwaitsBeacon = training.Epoch+1, true"}},
	{"TestALineageLeadsToTheHeadWhicheverRoundsAreRolledBackTo", "round/training.go", []string{"relink(s, training.Training, left, training.Head); err != nil", "relink(s, training.Training, left, Head{}); err != nil"}},
	{"TestALineageLeadsToTheHeadWhicheverRoundsAreRolledBackTo", "round/lineage.go", []string{"depth <= old.Depth && known == round.Ref", "known == round.Ref"}},
	{"TestT11WhoeverComesInAnothersPlaceTakesItsGroup", "round/groups.go", []string{"partition.Of[id]; known {", "partition.Of[id]; known && group < 0 {"}},
	{"TestT12T13ASurvivorSetThatDiffersByOneOnTheSameBaseVoidsBeforeAnyReveal", "round/freeze.go", []string{"difference > 0 && difference <", "difference < 0 && difference <"}},
	{"TestT12AnotherTrainingOnTheSameBaseIsHeldAgainstItToo", "round/freeze.go", []string{`ledger.List[Frozen](s, "base", baseState)`, `ledger.List[Frozen](s, "base", baseState, "twin")`}},
	{"TestT13HoweverTheBadAreBlamedTheHonestRestIsSummedWithoutAVote", "round/freeze.go", []string{"append(excused, without(blamed, excused)...)", "without(blamed, nil)"}},
	{"TestT13ASumOfAGroupThatDiffersByOneOnTheSameBaseVoidsBeforeTheReveal", "round/groups.go", []string{"difference > 0 && (least == 0 ||", "difference > 9 && (least == 0 ||"}},
	{"TestT13AnotherWayToSumOnTheSameBaseNeedsAVote", "round/groups.go", []string{"		return 1\n", "		return 0\n"}},
	{"TestT14TheSurvivorsAreEveryCommittedUpdate", "round/freeze.go", []string{"opened := a.round.opening(found.names)\n\ta.status", "opened := a.round.opening(found.names[:3])\n\ta.status"}},
	{"TestT15AnUpdateIsRefusedWhereItsBlobIsMissingOrAltered", "round/commit.go", []string{"layout, env.Caller.MSPID); err != nil", "layout, env.Caller.MSPID); false"}},
	{"TestT15AnUpdateIsRefusedWhereItsBlobIsMissingOrAltered", "round/commit.go", []string{"req.Length != round.UpdateBytes", "false"}},
	{"TestT15SealedMessagesThatAreCommittedToCannotBeWithheld", "round/commit.go", []string{"len(status.U1), env.Caller.MSPID); err != nil", "len(status.U1), env.Caller.MSPID); false"}},
	{"TestT16AnyOtherAggregateOrCountIsRefused", "round/attest.go", []string{"VerifyAggregate(in, req.Examples); err != nil", "VerifyAggregate(in, req.Examples); false"}},
	{"TestT16AnyOtherAggregateOrCountIsRefused", "round/verifier.go", []string{"result.HasRows && result.Rows != rows", "false"}},
	{"TestT16AStateNeedsAMajorityOfOrganisations", "round/tally.go", []string{"return t.agree >= t.majority", "return t.agree >= min(1, t.majority)"}},
	{"TestT16ASuspendedOrganisationCountsInNoMajority", "round/tally.go", []string{"!slices.Contains(active, item.Parts[4])", "!slices.Contains(active, item.Parts[4]) && false"}},
	{"TestT16HalfOfTheOrganisationsSlashNobodyForAnHonestState", "round/tally.go", []string{"return t.disagree >= t.majority", "return t.voters-t.disagree < t.majority"}},
	{"TestT16HalfOfTheOrganisationsSlashNobodyForAnHonestState", "round/contradiction.go", []string{"!slices.Contains(heard.against, member.MSPID)", "true"}},
	{"TestT16FalseMetricsAreRefutedLikeAFalseState", "round/contradiction.go", []string{" && maps.Equal(p.Metrics, other.Metrics)", " && maps.Equal(p.Metrics, p.Metrics)"}},
	{"TestT17ADealerThatMayNotAnswerIsNoDropout", "round/complaint.go", []string{"overdue && !tooMany", "overdue"}},
	{"TestT16ASuspendedOrganisationCountsInNoMajority", "round/finish.go", []string{"= found.voters, found.majority", "= found.voters+1, found.majority+1"}},
	{"TestT16ASuspendedOrganisationCountsInNoMajority", "round/view.go", []string{"v.Phase != PhaseAttest || slices.Contains(v.active, msp)", "true"}},
	{"TestT16ASuspendedOrganisationCountsInNoMajority", "round/tally.go", []string{"governance.Majority(len(active))", "governance.Majority(len(active) + 1)"}},
	{"TestT17AShareThatItsDealerDidNotCommitToIsRefused", "round/reveal.go", []string{"status.U1, reveal); err != nil", "status.U1, reveal); false"}},
	{"TestT17ABadDealerIsBlamedWithProofAndTheTrainingGoesOn", "round/unmask.go", []string{"return len(found.bad) > 0, err", "return len(found.bad) > 9, err"}},
	{"TestT17AnAnswerIsUnderTheRootAndToAComplaint", "round/complaint.go", []string{"status.U1, reveal, seed); err != nil", "status.U1, reveal, seed); false"}},
	{"TestT17AnAnswerIsUnderTheRootAndToAComplaint", "round/complaint.go", []string{"item.Parts[4] == req.To", "true"}},
	{"TestT17AnHonestDealerAnswersAsManyFalseComplaintsAsThereMayBeAndTheRoundEndsFinal", "round/facts.go", []string{" && !complaints.due, err", " && complaints.blamed == nil, err"}},
	{"TestT17WhatADealerAnsweredStandsInForItsComplainersWord", "round/evidence.go", []string{"e.against[dealer][receiver].share(kind)", `""`}},
	{"TestT17ABadDealerThatAnswersNobodyVoidsBeforeAnyRevealSitsOutAndTheTrainingGoesOn", "round/complaint.go", []string{"if overdue || tooMany {", "if tooMany {"}},
	{"TestT17MoreComplaintsThanMayBeFalseNeedNoAnswer", "round/complaint.go", []string{"len(complaints[dealer]) > round.faulty()", "len(complaints[dealer]) > 99"}},
	{"TestT17WhoWithholdsSharesOfADealerThatSealedGarbageFreezesNoAttemptForNothing", "round/complaint.go", []string{"found.due = true", "found.due = len(complaints[dealer]) > 1"}},
	{"TestT17MoreComplaintsThanMayBeFalseNeedNoAnswer", "round/complaint.go", []string{"|| len(complaints) > round.faulty()", ""}},
	{"TestT17WhoComplainsADealerOutOfTheEpochGainsNothing", "round/pay.go", []string{"range r.KeptOut {", "range r.KeptOut[:0] {"}},
	{"TestT17WhoComesInADealersPlaceIsPaidThatDealersPartAndNobodyElseMore", "round/draw.go", []string{"found.inPlace = names(", "_ = names("}},
	{"TestT08ComplaintsAloneMakeNoCohortSmallerThanTheThreshold", "round/draw.go", []string{"max(limits.Min, secagg.Threshold(len(whole)))", "limits.Min"}},
	{"TestT17InVersion2NobodyComesInADealersPlaceAndItsPartGoesBack", "round/draw.go", []string{"chosen(blameless, names(whole))", "blameless"}},
	{"TestT17InVersion2WhoMustComeInADealersPlaceIsPaidNothingForIt", "round/pay.go", []string{"differ(r.Rules).replaces", "r.Rules > 0"}},
	{"TestInVersion2NoCoalitionIsPaidMoreWhereCandidatesAreLeft", "round/pay.go", []string{"differ(r.Rules).replaces", "r.Rules > 0"}},
	{"TestAVoteForVersion2LetsTheOpenRoundEndByVersion1", "round/versions.go", []string{"version == 1", "version == 3"}},
	{"TestAVoteForVersion2LetsTheOpenRoundEndByVersion1", "round/pay.go", []string{"differ(r.Rules).replaces", "differ(Newest).replaces"}},
	{"TestNoCoalitionOfHalfOfTheOrganisationsSlashesTheHonestOrGains", "round/pay.go", []string{"range r.KeptOut {", "range r.KeptOut[:0] {"}},
	{"TestT18GarbageVoidsWithProofAndTheTrainingGoesOn", "round/verifier.go", []string{"found.Kind == claimed.Kind && found.Participant == claimed.Participant", "found != nil"}},
	{"TestT18GarbageVoidsWithProofAndTheTrainingGoesOn", "aggregate/ranges.go", []string{"return low < least || high > most", "return low < least && high > most"}},
	{"TestT18AnHonestRoundCannotBeVoidedAsGarbage", "round/verifier.go", []string{`return errcode.New(errcode.NotProven, "the inputs do not prove it")`, "return nil"}},
	{"TestT18ASumThatNoStateFollowsFromIsVoidByAMajority", "round/nostate.go", []string{"found.most >= found.majority", "found.most > 99"}},
	{"TestT18NoMinorityVoidsARoundByDenyingItsState", "round/nostate.go", []string{"counts[item.Record.Aggregate]++", "counts[item.Record.Aggregate] += 2"}},
	{"TestT18NoMinorityVoidsARoundByDenyingItsState", "round/nostate.go", []string{"said && given.Agree", "said && given.Agree && false"}},
	{"TestT19AGroupWithFewerThanThreeSurvivorsStaysClosed", "mode/robustgroups/mode.go", []string{"return survivors >= Least &&", "return survivors > 0 ||"}},
	{"TestT19TooFewGroupsForTheFaultyOnesVoidBeforeAnyReveal", "mode/robustgroups/mode.go", []string{"return 2*m.Faulty < open", "return open > 0"}},
	{"TestT19AnotherDigestOfAGroupIsRefused", "aggregate/verify.go", []string{"!slices.Equal(result.Sums, in.Sums)", "false && slices.Equal(result.Sums, in.Sums)"}},
	{"TestT19OtherUpdatesLeftOutThanTheRuleLeavesOutAreRefused", "aggregate/verify.go", []string{"!slices.Equal(result.Outlying, in.Outlying)", "false && slices.Equal(result.Outlying, in.Outlying)"}},
	{"TestT19ACohortTooSmallForTheFaultyOnesIsNotOpenedInPlain", "mode/plain/mode.go", []string{"return m.rule().Bears(open)", "return open > 0"}},
	{"TestT18AnUpdateOutsideItsRangeNamesItsSenderInPlain", "aggregate/taking.go", []string{"len(members) == 1 {", "len(members) == 0 {"}},
	{"TestT13ASumAfterUpdatesOnTheSameBaseNeedsAVote", "round/groups.go", []string{"shown(a) && shown(b) {", "shown(a) || shown(b) {"}},
	{"TestT13UpdatesThatAreShownAnywayMayBeShownAgainWithFewer", "round/groups.go", []string{"shown(a) && shown(b) {", "false {"}},
	{"TestT19OnlyUnweightedPlansAreSummedInGroups", "round/open.go", []string{"checkMode(plan, parameters); err != nil", "checkMode(plan, parameters); false"}},
	{"TestT20ACountAboveTheVettedRowsOrOffTheGranularityIsRefused", "round/commit.go", []string{"examples > most ||", "false ||"}},
	{"TestT20ACountAboveTheVettedRowsOrOffTheGranularityIsRefused", "round/commit.go", []string{"examples%bucket != 0", "false"}},
	{"TestT20AFalseCountIsFlaggedAndPaidByVettedRowsAndNeverVoids", "round/finish.go", []string{"proposed.Examples >= low && proposed.Examples <= high", "low <= high"}},
	{"TestT21ATransactionOfAnotherAttemptOrSentTwiceIsRefused", "round/load.go", []string{"if err == nil && raw != nil {", "if err == nil && raw != nil && false {"}},
	{"TestT21ATransactionOfAnotherAttemptOrSentTwiceIsRefused", "round/flow.go", []string{"err == nil && status.Phase != phase", "false"}},
	{"TestT21AWordOfAnotherRoundOrFunctionOrTwiceIsRefused", "contract/carry.go", []string{" || about != req.Ref", ""}},
	{"TestT21AWordNamesTheFunctionThatItCalls", "contract/carry.go", []string{"word.Function != req.Function", "false"}},
	{"TestT22CarriedWordsAndWhoSpeaksAloneAtOnceDoNotConflict", "contract/carry.go", []string{`req.From == ""`, "false"}},
	{"TestWhoMayAdvanceARoundMayCarryItsWords", "contract/carry.go", []string{"governance.CheckMember(s, env); err != nil", "governance.CheckMember(s, env); false"}},
	{"TestABatchHoldsOneToSoManyWordsOfAKnownFunction", "contract/carry.go", []string{"len(req.Words) > maxWords", "false"}},
	{"TestWordsAreCarriedFromVersion2OfARoundsRulesOn", "round/versions.go", []string{"return differ(version).carries", "return true"}},
	{"TestT22ATransactionEndorsedBeforeThePhaseMovedDoesNotCommit", "round/commit.go", []string{"round, status, err := inPhase(s, req.Ref, PhaseKeys)", "status := Status{}\n\tround, _, err := ledger.Load[Round](s, req.Ref.key(\"round\"))"}},
	{"TestT22ParticipantsOfOnePhaseDoNotConflict", "round/dropout.go", []string{"key = round.key(kind, id)", "key = round.key(kind)"}},
	{"TestT23ASenderWhoseClockIsBehindShortensNobodysPhase", "round/advance.go", []string{"env.TimeMS = max(env.TimeMS, began(round, status))", "_ = began"}},
	{"TestT23NoPhaseIsShorterThanThreeTimeWindows", "governance/parameters.go", []string{"max(1, 3*uint64(p.TimeWindowMS))", "uint64(1)"}},
	{"TestT23InVersion2ALastWordByAClockThatIsBehindShortensNobodysPhase", "round/flow.go", []string{"max(env.TimeMS, began(round, status))", "max(env.TimeMS, 0*began(round, status))"}},
	{"TestT24OnlyTheElectedAggregatorMakesEndorsersSum", "round/attest.go", []string{"turn.Participant == id && env.TimeMS >= turn.FromMS", "turn.Participant == id"}},
	{"TestT24OnlyTheElectedAggregatorMakesEndorsersSum", "round/attest.go", []string{"	if status.Open {\n", "	if false {\n"}},
	{"TestT24ATrainingThatEndorsersCouldNotVerifyInTimeDoesNotStart", "round/training.go", []string{"err = checkCost(plan, int(req.Cohort), parameters)", "_ = checkCost"}},
	{"TestT24ATrainingThatEndorsersCouldNotVerifyInTimeDoesNotStart", "round/open.go", []string{"checkCost(plan, len(cohort), parameters); err != nil", "checkCost(plan, len(cohort), parameters); false"}},
	{"TestT24AReportOfARecordedSumCostsNothing", "round/refused.go", []string{"case len(recorded) == 0:", "case true:"}},
	{"TestT24AnOrganisationReportsNoFaultOfItsOwn", "round/refused.go", []string{"accused.MSPID == env.Caller.MSPID", "false"}},
	{"TestInVersion2WhoeverLooksAtARoundDoesNotReadItsShares", "round/versions.go", []string{"carries: true, marks: true", "carries: true"}},
	{"TestInVersion2WhoeverLooksAtARoundDoesNotReadItsShares", "round/advance.go", []string{"if r.From == PhaseUnmask {", "if false {"}},
	{"TestT24CommittingWhatWasJustCheckedCostsNothing", "aggregate/check.go", []string{"lasting(one.err) && after == version", "after == version && false"}},
	{"TestT24NobodysReportsOrCommitsSlowTheElectedAggregatorDown", "aggregate/check.go", []string{"read(paced{v.blobs, v.pace})", "read(v.blobs)"}},
	{"TestT24NobodysReportsOrCommitsSlowTheElectedAggregatorDown", "round/refused.go", []string{"case len(recorded) == 0:\n\t\treturn verifier.Recheck(in, req.Examples, by)", "case true:\n\t\treturn verifier.VerifyAggregate(in, req.Examples)"}},
	{"TestT27ADropoutsExposureIsRecordedAndFlagged", "round/finish.go", []string{"err := a.flagExposures(); err != nil", "err := error(nil); err != nil"}},
	{"TestT27ASumBeyondTheEpochsBudgetVoidsBeforeAnyReveal", "round/contribution.go", []string{"return sums > f.round", "return sums > 9999*f.round"}},
	{"TestWhatGroupsContributedIsPaidFromTheSumOfTheEpochsRounds", "round/contribution.go", []string{"groups[group] += contribution", "groups[group] = contribution"}},
	{"TestT27AStrictPolicyVoidsBeforeTheReveal", "round/freeze.go", []string{"f.round.Parameters.StrictDifferencing == 0", "true"}},
	{"TestT28OneSurvivorWithNearlyAllExamplesVoidsBeforeAnyReveal", "round/freeze.go", []string{"return exceeds(largest, total, f.round.Parameters.ShareLimitPPM), nil", "return exceeds(largest, total, 1_000_000), nil"}},
	{"TestT28AParticipantWithoutRowsIsNotAdmitted", "membership/profile.go", []string{"p.Rows < minimumRows ||", "false ||"}},
}

// TestTheThreatModelNamesTheTestOfEveryRule keeps the page's table.
func TestTheThreatModelNamesTheTestOfEveryRule(t *testing.T) {
	out, numbers := "| Threat | Rule in | Test that fails without it |\n|---|---|---|\n", regexp.MustCompile(`T\d\d`)
	for _, rule := range rules {
		threats := strings.Join(numbers.FindAllString(rule.test, -1), ", ")
		if row := "| " + threats + " | `" + rule.file + "` | " + rule.test + " |\n"; !strings.HasSuffix(out, row) {
			out += row
		}
	}
	generated(t, "threat-model.md", "tests", out)
}

// TestEveryRuleThatAnswersAThreatHasATestThatFailsWithoutIt runs the test of a rule with the rule taken away, for each.
func TestEveryRuleThatAnswersAThreatHasATestThatFailsWithoutIt(t *testing.T) {
	for _, rule := range rules {
		t.Run(rule.test, func(t *testing.T) {
			overlay := mutated(t, rule)
			if !*mutations {
				return
			}
			out, err := exec.Command("go", "test", "-count=1", "-overlay", overlay, "-run", "^"+rule.test+"$", ".").CombinedOutput()
			if err == nil || !bytes.Contains(out, []byte("--- FAIL: "+rule.test)) {
				t.Errorf("%s: it does not fail without %q: %.600s", rule.file, rule.change[0], out)
			}
		})
	}
}

// mutated writes the changed file, and an overlay that puts it in the place of the original.
func mutated(t *testing.T, rule withoutRule) string {
	t.Helper()
	path, err := filepath.Abs("../" + rule.file)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	source := string(raw)
	for i := 0; i < len(rule.change); i += 2 {
		if strings.Count(source, rule.change[i]) != 1 {
			t.Fatalf("%s: %q is not found exactly once", rule.file, rule.change[i])
		}
		source = strings.Replace(source, rule.change[i], rule.change[i+1], 1)
	}
	folder := t.TempDir()
	changed, overlay := filepath.Join(folder, "changed.go"), filepath.Join(folder, "overlay.json")
	replace, _ := json.Marshal(map[string]any{"Replace": map[string]string{path: changed}})
	for name, content := range map[string][]byte{changed: []byte(source), overlay: replace} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return overlay
}
