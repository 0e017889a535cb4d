package contract

import (
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/membership"
	"fedledger/chaincode/rewards"
	"fedledger/chaincode/round"
)

func queries() map[string]entry {
	return map[string]entry{
		"GetFederation":     query(getFederation),
		"GetBeacon":         query(getBeacon),
		"GetParameters":     query(getParameters),
		"ListOrganisations": query(listOrganisations),
		"GetParticipant":    query(getParticipant),
		"ListParticipants":  query(listParticipants),
		"GetProposal":       query(getProposal),
		"ListProposals":     query(listProposals),
		"GetPlan":           query(getPlan),
		"ListPlans":         query(listPlans),
		"GetTraining":       query(getTraining),
		"ListTrainings":     query(listTrainings),
		"GetRound":          query(round.GetRound),
		"GetReveals":        query(round.GetReveals),
		"ListRounds":        query(listRounds),
		"GetDraw":           query(getDraw),
		"GetLineage":        query(getLineage),
		"BalanceOf":         query(balanceOf),
		"TotalSupply":       query(totalSupply),
		"ListRewards":       query(listRewards),
		"GetReputation":     query(getReputation),
		"ListFlags":         query(listFlags),
	}
}

type nothing struct{}

type federationView struct {
	governance.Federation
	Beacon string `json:"beacon"`
	Rules  uint64 `json:"rules"`
}

func getFederation(s ledger.State, _ nothing) (federationView, error) {
	federation, err := governance.CurrentFederation(s)
	if err != nil {
		return federationView{}, err
	}
	rules, err := governance.RulesVersion(s)
	if err != nil {
		return federationView{}, err
	}
	beacon, err := governance.GetBeacon(s)
	return federationView{federation, beacon.Value, rules}, err
}

func getBeacon(s ledger.State, _ nothing) (governance.BeaconView, error) {
	if _, err := governance.CurrentFederation(s); err != nil {
		return governance.BeaconView{}, err
	}
	return governance.GetBeacon(s)
}

func getParameters(s ledger.State, _ nothing) (governance.Parameters, error) {
	return governance.CurrentParameters(s)
}

func listOrganisations(s ledger.State, page Page) (Listing[governance.Organisation], error) {
	return paged(s, page, record[governance.Organisation], "organisation")
}

type participantRequest struct {
	Participant string `json:"participant"`
}

type participantView struct {
	membership.Bound
	Stake   uint64        `json:"stake"`
	Quality uint64        `json:"quality"`
	Score   rewards.Score `json:"score"`
}

func viewParticipant(s ledger.State, participant membership.Participant) (participantView, error) {
	bound, err := membership.Bind(s, participant)
	if err != nil {
		return participantView{}, err
	}
	stake, err := rewards.StakeOf(s, participant.ID)
	if err != nil {
		return participantView{}, err
	}
	score, err := rewards.LoadScore(s, participant.ID)
	return participantView{bound, stake, participant.Profile.Quality(), score}, err
}

func getParticipant(s ledger.State, req participantRequest) (participantView, error) {
	participant, err := membership.Load(s, req.Participant)
	if err != nil {
		return participantView{}, err
	}
	return viewParticipant(s, participant)
}

func listParticipants(s ledger.State, page Page) (Listing[participantView], error) {
	return paged(s, page, func(item ledger.Item[membership.Participant]) (participantView, error) {
		return viewParticipant(s, item.Record)
	}, "participant")
}

func getReputation(s ledger.State, req participantRequest) (rewards.Score, error) {
	if _, err := membership.Load(s, req.Participant); err != nil {
		return rewards.Score{}, err
	}
	return rewards.LoadScore(s, req.Participant)
}

type proposalRequest struct {
	Proposal string `json:"proposal"`
}

type proposalView struct {
	governance.Proposal
	Votes map[string]governance.Ballot `json:"votes"`
}

func getProposal(s ledger.State, req proposalRequest) (proposalView, error) {
	proposal, err := governance.LoadProposal(s, req.Proposal)
	if err != nil {
		return proposalView{}, err
	}
	votes, err := governance.Votes(s, proposal.ID)
	return proposalView{proposal, votes}, err
}

func listProposals(s ledger.State, page Page) (Listing[governance.Proposal], error) {
	return paged(s, page, record[governance.Proposal], "proposal")
}
