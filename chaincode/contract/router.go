package contract

import (
	"maps"

	"fedledger/chaincode/consortia"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/membership"
	"fedledger/chaincode/release"
	"fedledger/chaincode/rewards"
	"fedledger/chaincode/round"
)

// table names every function of a version of the rules; what it does not name is refused. Versions differ in what round/versions.go
// says.
func (c Contract) table(version uint64) map[string]entry {
	table := c.transactions()
	maps.Copy(table, queries())
	if round.HasReleases(version) {
		maps.Copy(table, releases())
	}
	if round.HasAccounts(version) {
		table["ListPrivacy"] = query(listPrivacy)
	}
	if round.HasDropouts(version) {
		table["DropOut"] = transaction(round.DropOut)
	}
	if round.HasWords(version) {
		table["CarryWords"] = transaction(carrier(table).carry)
	}
	return table
}

// releases are the functions of packages release and consortia.
func releases() map[string]entry {
	return map[string]entry{
		"SignRelease":  transaction(release.Sign),
		"GetRelease":   query(release.Get),
		"ListReleases": query(listReleases),

		"BringWithdrawal": transaction(consortia.Bring),
		"GetConsortium":   query(consortia.Get),
		"ListConsortia":   query(listConsortia),
		"ListWithdrawals": query(listWithdrawals),
	}
}

func (c Contract) transactions() map[string]entry {
	return map[string]entry{
		"Found":        transaction(c.found),
		"CommitBeacon": transaction(governance.CommitBeacon),
		"RevealBeacon": transaction(governance.RevealBeacon),
		"Propose":      transaction(c.propose),
		"Vote":         transaction(c.vote),

		"Apply":     transaction(membership.Apply),
		"RotateKey": transaction(membership.RotateKey),

		"OpenRound":        transaction(round.OpenRound),
		"PublishKeys":      transaction(round.PublishKeys),
		"CommitShares":     transaction(c.commitShares),
		"CommitUpdate":     transaction(c.commitUpdate),
		"Advance":          transaction(round.Advance),
		"RevealShares":     transaction(round.RevealShares),
		"ProposeAggregate": transaction(c.proposeAggregate),
		"Attest":           transaction(round.Attest),
		"AttestNoState":    transaction(round.AttestNoState),
		"ReportFault":      transaction(c.reportFault),
		"AnswerComplaint":  transaction(round.AnswerComplaint),

		"Settle":   transaction(settle),
		"Transfer": transaction(rewards.Transfer),
		"Stake":    transaction(membership.Stake),
		"Unstake":  transaction(membership.Unstake),
	}
}

// kinds names every kind of proposal that a version of the rules knows.
func (c Contract) kinds(version uint64) governance.Kinds {
	kinds := governance.Kinds{
		"admit":              governance.KindOf(membership.Admit),
		"suspend":            membership.Moving("suspend"),
		"reinstate":          membership.Moving("reinstate"),
		"remove":             membership.Moving("remove"),
		"set_parameters":     governance.SetParameters(round.Modes(version)...),
		"set_rules_version":  governance.SetRulesVersion(c.latest()),
		"register_plan":      governance.KindOf(round.RegisterPlan).Large(),
		"retire_plan":        governance.KindOf(round.RetirePlan),
		"start_training":     governance.KindOf(round.StartTraining),
		"stop_training":      governance.KindOf(round.StopTraining),
		"roll_back_training": governance.KindOf(round.RollBackTraining),
		"lift_differencing":  governance.KindOf(round.LiftDifferencing),
		"treasury":           governance.KindOf(rewards.Spend),
	}
	if round.HasReleases(version) {
		kinds["release_model"] = governance.KindOf(release.Model)
		kinds["withdraw_model"] = governance.KindOf(release.Withdraw)
		kinds["register_plan"] = governance.KindOf(consortia.RegisterPlan).Large()
		kinds["trust_consortium"] = governance.KindOf(consortia.Trust).Large()
		kinds["distrust_consortium"] = governance.KindOf(consortia.Distrust)
	}
	return kinds
}

func (c Contract) propose(s ledger.State, env ledger.Env, req governance.ProposeRequest) (governance.ProposalResponse, ledger.Event, error) {
	version, err := governance.RulesVersion(s)
	if err != nil {
		return governance.ProposalResponse{}, ledger.Event{}, err
	}
	return governance.Propose(s, env, c.kinds(version), req)
}

func (c Contract) vote(s ledger.State, env ledger.Env, req governance.VoteRequest) (governance.ProposalResponse, ledger.Event, error) {
	version, err := governance.RulesVersion(s)
	if err != nil {
		return governance.ProposalResponse{}, ledger.Event{}, err
	}
	return governance.Vote(s, env, c.kinds(version), req)
}

func (c Contract) found(s ledger.State, env ledger.Env, req governance.FoundRequest) (governance.Federation, ledger.Event, error) {
	federation, event, err := governance.Found(s, env, c.Definition, c.latest(), req)
	if err != nil {
		return federation, event, err
	}
	return federation, event, rewards.MintFounding(s)
}

func (c Contract) commitShares(s ledger.State, env ledger.Env, req round.SharesRequest) (round.Response, ledger.Event, error) {
	return round.CommitShares(s, env, c.Verifier, req)
}

func (c Contract) commitUpdate(s ledger.State, env ledger.Env, req round.UpdateRequest) (round.Response, ledger.Event, error) {
	return round.CommitUpdate(s, env, c.Verifier, req)
}

func (c Contract) proposeAggregate(s ledger.State, env ledger.Env, req round.AggregateRequest) (round.ProposalResponse, ledger.Event, error) {
	return round.ProposeAggregate(s, env, c.Verifier, req)
}

func (c Contract) reportFault(s ledger.State, env ledger.Env, req round.FaultRequest) (round.Response, ledger.Event, error) {
	return round.ReportFault(s, env, c.Verifier, openSigned(env), req)
}

// SettleRequest is the argument of Settle.
type SettleRequest struct {
	Training string `json:"training"`
	Round    uint64 `json:"round"`
}

func settle(s ledger.State, env ledger.Env, req SettleRequest) (rewards.Settlement, ledger.Event, error) {
	if err := governance.CheckMember(s, env); err != nil {
		return rewards.Settlement{}, ledger.Event{}, err
	}
	if err := round.CheckEnded(s, req.Training, req.Round); err != nil {
		return rewards.Settlement{}, ledger.Event{}, err
	}
	parameters, err := governance.CurrentParameters(s)
	if err != nil {
		return rewards.Settlement{}, ledger.Event{}, err
	}
	settlement, event, err := rewards.Settle(s, req.Training, req.Round, parameters.ReputationDecayPPM)
	if err != nil {
		return settlement, event, err
	}
	return settlement, event, round.Release(s, req.Training, req.Round)
}
