package contract

import (
	"fedledger/chaincode/consortia"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/release"
	"fedledger/chaincode/rewards"
	"fedledger/chaincode/round"
	"fedledger/chaincode/selection"
)

type planRequest struct {
	Plan string `json:"plan"`
}

func getPlan(s ledger.State, req planRequest) (round.Plan, error) { return round.LoadPlan(s, req.Plan) }

func listPlans(s ledger.State, page Page) (Listing[round.Plan], error) {
	return paged(s, page, record[round.Plan], "plan")
}

type trainingRequest struct {
	Training string `json:"training"`
}

func getTraining(s ledger.State, req trainingRequest) (round.TrainingView, error) {
	return round.GetTraining(s, req.Training)
}

func listTrainings(s ledger.State, page Page) (Listing[round.TrainingView], error) {
	return paged(s, page, func(item ledger.Item[round.Training]) (round.TrainingView, error) {
		return round.GetTraining(s, item.Record.Training)
	}, "training")
}

type lineageView struct {
	round.Lineage
	Bookmark string `json:"bookmark"`
}

// getLineage returns the whole lineage, or a page of it where the request names a page_size: a page reads its own steps only.
func getLineage(s ledger.State, req roundsRequest) (lineageView, error) {
	lineage, last, err := round.GetLineage(s, req.Training)
	if err != nil {
		return lineageView{lineage, ""}, err
	}
	page, err := numbered(req.Page, last, func(depth uint64) (round.Step, error) { return round.StepAt(s, req.Training, depth) })
	lineage.Steps = page.Items
	return lineageView{lineage, page.Bookmark}, err
}

type roundsRequest struct {
	Training string `json:"training"`
	Page
}

func listRounds(s ledger.State, req roundsRequest) (Listing[round.Summary], error) {
	if _, err := round.LoadTraining(s, req.Training); err != nil {
		return Listing[round.Summary]{}, err
	}
	return paged(s, req.Page, round.Summarise, "phase", req.Training)
}

type drawRequest struct {
	Training string `json:"training"`
	Epoch    uint64 `json:"epoch"`
}

type drawView struct {
	selection.DrawRecord
	Weights map[string]uint64 `json:"weights"`
}

func getDraw(s ledger.State, req drawRequest) (drawView, error) {
	if _, err := round.LoadTraining(s, req.Training); err != nil {
		return drawView{}, err
	}
	record, found, err := selection.LoadDraw(s, req.Training, req.Epoch)
	if err == nil && !found {
		err = errcode.New(errcode.NoDraw, "%s has no draw for epoch %d", req.Training, req.Epoch)
	}
	view := drawView{record, map[string]uint64{}}
	for _, candidate := range record.Candidates {
		view.Weights[candidate.Participant] = candidate.Weight()
	}
	return view, err
}

type accountRequest struct {
	Account string `json:"account"`
}

type balanceView struct {
	Account string `json:"account"`
	Balance uint64 `json:"balance"`
}

func balanceOf(s ledger.State, req accountRequest) (balanceView, error) {
	if ledger.CheckMSPID(req.Account) != nil {
		return balanceView{}, errcode.New(errcode.UnknownAccount, "an account is a member's MSP id or %q", rewards.Treasury)
	}
	balance, err := rewards.BalanceOf(s, req.Account)
	return balanceView{req.Account, balance}, err
}

type supplyView struct {
	TotalSupply uint64 `json:"total_supply"`
}

func totalSupply(s ledger.State, _ nothing) (supplyView, error) {
	supply, err := rewards.TotalSupply(s)
	return supplyView{supply}, err
}

type rewardView struct {
	Participant string `json:"participant"`
	rewards.Reward
}

type rewardsRequest struct {
	SettleRequest
	Page
}

func listRewards(s ledger.State, req rewardsRequest) (Listing[rewardView], error) {
	if err := ledger.CheckID("training", req.Training); err != nil {
		return Listing[rewardView]{}, err
	}
	return paged(s, req.Page, func(item ledger.Item[rewards.Reward]) (rewardView, error) {
		return rewardView{item.Parts[2], item.Record}, nil
	}, "reward", req.Training, ledger.Number(req.Round))
}

func listPrivacy(s ledger.State, req roundsRequest) (Listing[round.SpentBy], error) {
	if _, err := round.LoadTraining(s, req.Training); err != nil {
		return Listing[round.SpentBy]{}, err
	}
	return paged(s, req.Page, round.SummariseSpent, "privacy", req.Training)
}

func listFlags(s ledger.State, page Page) (Listing[round.Flag], error) {
	return paged(s, page, record[round.Flag], "flag")
}

func listReleases(s ledger.State, page Page) (Listing[release.Summary], error) {
	return paged(s, page, release.Summarise, "release")
}

func listConsortia(s ledger.State, page Page) (Listing[consortia.Summary], error) {
	return paged(s, page, consortia.Summarise, "consortium")
}

func listWithdrawals(s ledger.State, page Page) (Listing[consortia.Withdrawn], error) {
	return paged(s, page, consortia.SummariseWithdrawn, "foreign-withdrawal")
}
