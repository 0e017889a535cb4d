package contract_test

import (
	"encoding/json"
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

func founding(f *contracttest.Federation) object {
	definition := f.Contract.Definition
	return object{"members": definition.Members, "regulators": definition.Regulators, "parameters": definition.Parameters}
}

func TestFoundingNeedsEachEndorsersOwnDefinitionToAgree(t *testing.T) {
	f := contracttest.New(4, `{"cohort_min":5}`)
	admin := contracttest.Admin(0)
	refused(t, f, admin, "Found", changed(founding(f), "parameters", object{"cohort_min": 6}), errcode.DefinitionDiffers)
	refused(t, f, admin, "Found", changed(founding(f), "members", f.Members[:3]), errcode.DefinitionDiffers)
	refused(t, f, admin, "Found", changed(founding(f), "regulators", []string{}), errcode.DefinitionDiffers)
	refused(t, f, admin, "Found", changed(founding(f), "rules", 2), errcode.DefinitionDiffers)
	refused(t, f, admin, "Found", changed(founding(f), "members", []string{}), errcode.LimitExceeded)
	refused(t, f, admin, "Found", changed(founding(f), "members", []string{"A", "A"}), errcode.BadArgument)
	refused(t, f, admin, "Found", changed(founding(f), "members", []string{"A\u0000B"}), errcode.BadArgument)
	refused(t, f, admin, "Found", changed(founding(f), "members", []string{"A", "treasury"}), errcode.BadArgument)
	refused(t, f, contracttest.Node(0), "Found", founding(f), errcode.NotPermitted)
	f.Must(admin, "Found", founding(f), nil)
	refused(t, f, admin, "Found", founding(f), errcode.AlreadyFounded)
}

func TestAFederationBeginsUnderTheVersionOfTheRulesThatItsDefinitionsName(t *testing.T) {
	for _, wanted := range []uint64{0, 1, round.Newest} {
		f := contracttest.New(4, `{}`)
		f.Contract.Definition.Rules = wanted
		f.Must(contracttest.Admin(0), "Found", changed(founding(f), "rules", wanted), nil)
		version, err := governance.RulesVersion(f.State.Begin())
		if err != nil {
			t.Fatal(err)
		}
		equal(t, max(1, wanted), version)
	}
	f := contracttest.New(4, `{}`)
	f.Contract.Definition.Rules = round.Newest + 1
	refused(t, f, contracttest.Admin(0), "Found", changed(founding(f), "rules", round.Newest+1), errcode.RulesVersion)
}

func TestNothingWorksBeforeFounding(t *testing.T) {
	f := contracttest.New(4, `{}`)
	refused(t, f, contracttest.Admin(0), "Propose", object{"kind": "admit", "body": object{}}, errcode.NotAMember)
	refused(t, f, contracttest.Admin(0), "CommitBeacon", object{"commitment": contracttest.Digest("x")}, errcode.NotFounded)
	refused(t, f, contracttest.Admin(0), "GetFederation", object{}, errcode.NotFounded)
	refused(t, f, contracttest.Admin(0), "GetParameters", object{}, errcode.NotFounded)
}

func TestT11TheFirstBeaconIsCommittedByAllBeforeAnyIsRevealed(t *testing.T) {
	f := contracttest.New(2, `{}`)
	f.Must(contracttest.Admin(0), "Found", founding(f), nil)
	value, wrong := contracttest.Digest("value"), contracttest.Digest("wrong")
	refused(t, f, contracttest.Admin(5), "CommitBeacon", object{"commitment": wrong}, errcode.NotAMember)
	f.Must(contracttest.Admin(0), "CommitBeacon", object{"commitment": wrong}, nil)
	refused(t, f, contracttest.Admin(0), "CommitBeacon", object{"commitment": wrong}, errcode.BeaconDone)
	refused(t, f, contracttest.Admin(0), "RevealBeacon", object{"value": value}, errcode.BeaconNotReady)
	f.Must(contracttest.Admin(1), "CommitBeacon", object{"commitment": wrong}, nil)
	refused(t, f, contracttest.Admin(0), "RevealBeacon", object{"value": value}, errcode.BeaconMismatch)
	refused(t, f, contracttest.Admin(0), "RevealBeacon", object{"value": "short"}, errcode.BadArgument)
}

func TestARevealedBeaconIsNotRevealedAgain(t *testing.T) {
	f := contracttest.New(2, `{}`)
	f.Found()
	refused(t, f, contracttest.Admin(0), "RevealBeacon", object{"value": contracttest.Digest("value")}, errcode.BeaconDone)
}

func proposal(kind string, body any) object {
	return object{"kind": kind, "body": body, "deadline_ms": 0, "reason": ""}
}

func TestNobodyActsAlone(t *testing.T) {
	f := contracttest.New(4, `{}`)
	f.Found()
	f.Apply(0)
	admit := proposal("admit", object{"participant": contracttest.ID(0)})
	refused(t, f, contracttest.Node(0), "Propose", admit, errcode.NotPermitted)
	var answer governance.ProposalResponse
	f.Must(contracttest.Admin(0), "Propose", admit, &answer)
	equal(t, governance.Open, answer.Status)
	vote := object{"proposal": answer.Proposal, "approve": true}
	refused(t, f, contracttest.Admin(0), "Vote", vote, errcode.AlreadyVoted)
	refused(t, f, ledger.Caller{MSPID: "RegulatorMSP", Role: ledger.Admin}, "Vote", vote, errcode.NotAMember)
	f.Must(contracttest.Admin(1), "Vote", vote, &answer)
	equal(t, governance.Open, answer.Status) // two of four are no majority
	f.Must(contracttest.Admin(2), "Vote", vote, &answer)
	equal(t, governance.Executed, answer.Status)
	refused(t, f, contracttest.Admin(3), "Vote", vote, errcode.ProposalClosed)
	refused(t, f, contracttest.Admin(3), "Vote", object{"proposal": "unknown", "approve": true}, errcode.UnknownProposal)
	refused(t, f, contracttest.Admin(3), "Vote", object{"proposal": "a/b", "approve": true}, errcode.BadArgument)
}

func TestAProposalThatCannotPassAnyMoreIsRejected(t *testing.T) {
	f := contracttest.New(4, `{}`)
	f.Found()
	var answer governance.ProposalResponse
	f.Must(contracttest.Admin(0), "Propose", proposal("set_parameters", object{"parameters": object{"cohort_min": 5}}), &answer)
	f.Must(contracttest.Admin(1), "Vote", object{"proposal": answer.Proposal, "approve": false}, &answer)
	equal(t, governance.Open, answer.Status)
	f.Must(contracttest.Admin(2), "Vote", object{"proposal": answer.Proposal, "approve": false}, &answer)
	equal(t, governance.Rejected, answer.Status)
}

func TestAProposalHasADeadline(t *testing.T) {
	f := contracttest.New(4, `{"proposal_ms":1000}`)
	f.Found()
	late := proposal("set_parameters", object{"parameters": object{}})
	refused(t, f, contracttest.Admin(0), "Propose", changed(late, "deadline_ms", f.TimeMS), errcode.BadDeadline)
	refused(t, f, contracttest.Admin(0), "Propose", changed(late, "deadline_ms", f.TimeMS+1001), errcode.BadDeadline)
	var answer governance.ProposalResponse
	f.Must(contracttest.Admin(0), "Propose", changed(late, "deadline_ms", f.TimeMS+10), &answer)
	f.TimeMS += 11
	refused(t, f, contracttest.Admin(1), "Vote", object{"proposal": answer.Proposal, "approve": true}, errcode.ProposalClosed)
}

func TestAProposalIsBounded(t *testing.T) {
	f := contracttest.New(4, `{}`)
	f.Found()
	admin := contracttest.Admin(0)
	refused(t, f, admin, "Propose", proposal("abolish", object{}), errcode.UnknownKind)
	refused(t, f, admin, "Propose", object{"kind": "admit"}, errcode.LimitExceeded)
	long := make([]byte, 2000)
	for i := range long {
		long[i] = 'x'
	}
	refused(t, f, admin, "Propose", changed(proposal("admit", object{}), "reason", string(long)), errcode.LimitExceeded)
}

func TestWhatCannotBeMeantIsRefusedBeforeAnybodyVotesOnIt(t *testing.T) {
	f := contracttest.New(4, `{}`)
	f.Found()
	plan := contracttest.Digest("plan")
	for kind, bodies := range map[string]map[string]errcode.Code{
		"admit":              {`{}`: errcode.BadArgument, `{"participant":"A"}`: errcode.BadArgument, `{"organisation":"treasury"}`: errcode.BadArgument},
		"suspend":            {`{"participant":"a","organisation":"B"}`: errcode.BadArgument, `{"name":"a"}`: errcode.BadArgument},
		"set_parameters":     {`{"cohort_min":5}`: errcode.BadArgument, `{"parameters":{"cohort_min":3}}`: errcode.BadParameter, `{"parameters":{"x":1}}`: errcode.BadParameter},
		"set_rules_version":  {`{"version":"2"}`: errcode.BadArgument},
		"register_plan":      {`{"plan":"` + plan + `"}`: errcode.BadArgument},
		"retire_plan":        {`{"plan":"tumour"}`: errcode.BadArgument},
		"start_training":     {`{"training":"a/b","plan":"` + plan + `","rounds":1,"cohort":4}`: errcode.BadArgument, `{"training":"a","plan":"` + plan + `","rounds":0,"cohort":4}`: errcode.LimitExceeded, `{"training":"a","plan":"` + plan + `","rounds":1,"cohort":3}`: errcode.LimitExceeded, `{"training":"a","plan":"tumour","rounds":1,"cohort":4}`: errcode.BadArgument},
		"stop_training":      {`{"training":""}`: errcode.BadArgument},
		"roll_back_training": {`{"training":"a","round":-1}`: errcode.BadArgument},
		"lift_differencing":  {`{}`: errcode.BadArgument},
		"treasury":           {`{"to":"treasury","amount":1}`: errcode.BadArgument, `{"to":"AMSP","amount":0}`: errcode.BadAmount},
	} {
		for body, code := range bodies {
			refused(t, f, contracttest.Admin(0), "Propose", proposal(kind, json.RawMessage(body)), code)
		}
	}
}

func TestASuspendedOrganisationHasNoVoteAndCountsForNoMajority(t *testing.T) {
	f := training(5, `{}`)
	agree(t, f, "suspend", object{"organisation": contracttest.MSP(4)})
	refused(t, f, contracttest.Admin(4), "Propose", proposal("retire_plan", object{"plan": contracttest.Digest("plan")}), errcode.OrganisationSuspended)
	refused(t, f, contracttest.Node(4), "OpenRound", object{"training": "tumour"}, errcode.OrganisationSuspended)
	refused(t, f, contracttest.Admin(4), "Transfer", object{"to": contracttest.MSP(0), "amount": 1}, errcode.OrganisationSuspended)
	equal(t, errcode.WrongStatus, errcode.Of(f.Agree("suspend", object{"organisation": contracttest.MSP(4)})))
	p := f.Open("tumour", options{})
	equal(t, 4, len(p.View().Cohort))
	agree(t, f, "reinstate", object{"organisation": contracttest.MSP(4)})
	f.Must(contracttest.Admin(4), "Transfer", object{"to": contracttest.MSP(0), "amount": 1}, nil)
	agree(t, f, "remove", object{"organisation": contracttest.MSP(4)})
	agree(t, f, "admit", object{"organisation": contracttest.MSP(4)})
	equal(t, errcode.WrongStatus, errcode.Of(f.Agree("admit", object{"organisation": contracttest.MSP(4)})))
	agree(t, f, "admit", object{"organisation": "NewcomerMSP"})
	equal(t, errcode.UnknownOrganisation, errcode.Of(f.Agree("suspend", object{"organisation": "NobodyMSP"})))
}

func TestAParticipantIsSuspendedReinstatedAndRemovedByVote(t *testing.T) {
	f := training(5, `{}`)
	who := object{"participant": contracttest.ID(4)}
	agree(t, f, "suspend", who)
	equal(t, 4, len(f.Open("tumour", options{}).View().Cohort))
	equal(t, errcode.WrongStatus, errcode.Of(f.Agree("admit", who)))
	agree(t, f, "reinstate", who)
	agree(t, f, "remove", who)
	equal(t, errcode.WrongStatus, errcode.Of(f.Agree("reinstate", who)))
	equal(t, errcode.BadArgument, errcode.Of(f.Agree("suspend", object{})))
	equal(t, errcode.BadArgument, errcode.Of(f.Agree("suspend", object{"participant": "a", "organisation": "B"})))
	equal(t, errcode.UnknownParticipant, errcode.Of(f.Agree("suspend", object{"participant": "nobody"})))
}

func TestParametersAreChangedByVoteForWhatIsOpenedNext(t *testing.T) {
	f := training(4, `{}`)
	before := f.Open("tumour", options{})
	agree(t, f, "set_parameters", object{"parameters": object{"keys_ms": 77}})
	equal(t, f.TimeMS+8000, before.View().DeadlineMS)
	before.Ended()
	equal(t, f.TimeMS+77, f.Open("tumour", options{}).View().DeadlineMS)
	equal(t, errcode.BadParameter, errcode.Of(f.Agree("set_parameters", object{"parameters": object{"mode": "plain"}})))
	equal(t, errcode.BadParameter, errcode.Of(f.Agree("set_parameters", object{"parameters": object{"keys_ms": -1}})))
}

func TestWhatIsNotInTheTableIsRefused(t *testing.T) {
	f := contracttest.New(4, `{}`)
	refused(t, f, contracttest.Admin(0), "Execute", object{}, errcode.UnknownFunction)
	refused(t, f, contracttest.Admin(0), "found", object{}, errcode.UnknownFunction)
	for _, raw := range []string{`{"training":"a","training":"b"}`, `{"x":1}`, `[]`, `{"training":1.5}`, `{`, `{} {}`} {
		refused(t, f, contracttest.Admin(0), "OpenRound", []byte(raw), errcode.BadArgument)
	}
	for _, id := range []string{"", "UPPER", "a\u0000b", "a/b", "12345678901234567890123456789012345678901"} {
		raw, _ := json.Marshal(object{"training": id})
		refused(t, f, contracttest.Admin(0), "GetTraining", raw, errcode.BadArgument)
	}
}

func agree(t *testing.T, f *contracttest.Federation, kind string, body any) {
	t.Helper()
	if err := f.Agree(kind, body); err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
}

func TestT23NoPhaseIsShorterThanThreeTimeWindows(t *testing.T) {
	f := contracttest.New(4, `{}`)
	f.Found()
	production := object{"time_window_ms": 60_000, "aggregator_lease_ms": 1}
	phases := []string{"keys_ms", "shares_ms", "updates_ms", "unmask_ms", "attest_ms", "proposal_ms", "beacon_ms"}
	for _, phase := range phases {
		production[phase] = 180_000
	}
	for _, phase := range phases {
		production[phase] = 179_999
		equal(t, errcode.BadParameter, errcode.Of(f.Agree("set_parameters", object{"parameters": production})))
		production[phase] = 180_000
	}
	agree(t, f, "set_parameters", object{"parameters": production})
	equal(t, errcode.BadParameter, errcode.Of(f.Agree("set_parameters", object{"parameters": object{"keys_ms": 1000}})))
	equal(t, errcode.BadParameter, errcode.Of(f.Agree("set_parameters", object{"parameters": object{"time_window_ms": -1}})))
}

func TestT16ASuspendedOrganisationCountsInNoMajority(t *testing.T) {
	f := training(6, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	equal(t, 6, p.View().Voters)
	equal(t, 4, p.View().Majority)
	p.Propose()
	p.Attest(5)
	agree(t, f, "suspend", object{"organisation": contracttest.MSP(5)})
	equal(t, 5, p.View().Voters)
	equal(t, 3, p.View().Majority)
	equal(t, 0, len(p.View().Attestations))
	p.Attest(0, 1)
	var answer round.AdvanceResponse
	f.Must(contracttest.Node(0), "Advance", p.Ref, &answer)
	equal(t, false, answer.Moved)
	p.Attest(2)
	p.Advance(round.Final)
	equal(t, 4, len(p.View().Attestations))
	agree(t, f, "reinstate", object{"organisation": contracttest.MSP(5)})
	equal(t, 5, p.View().Voters)
	equal(t, 3, p.View().Majority)
}
