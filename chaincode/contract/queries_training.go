package contract

import (
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/rewards"
	"fedledger/chaincode/round"
	"fedledger/chaincode/selection"
)

type planRequest struct {
	Plan string `json:"plan"`
}

func getPlan(s ledger.State, req planRequest) (round.Plan, error) { return round.LoadPlan(s, req.Plan) }

func listPlans(s ledger.State, page Page) (Listing[round.Plan], error) {
	all, err := records[round.Plan](s, "plan")
	if err != nil {
		return Listing[round.Plan]{}, err
	}
	return list(all, page, func(p round.Plan) string { return p.Plan })
}

type trainingRequest struct {
	Training string `json:"training"`
}

func getTraining(s ledger.State, req trainingRequest) (round.TrainingView, error) {
	return round.GetTraining(s, req.Training)
}

func listTrainings(s ledger.State, page Page) (Listing[round.TrainingView], error) {
	all, err := round.Trainings(s)
	if err != nil {
		return Listing[round.TrainingView]{}, err
	}
	return list(all, page, func(t round.TrainingView) string { return t.Training.Training })
}

type lineageView struct {
	round.Lineage
	Bookmark string `json:"bookmark"`
}

// getLineage returns the whole lineage, or a page of it where the request names a page_size.
func getLineage(s ledger.State, req roundsRequest) (lineageView, error) {
	lineage, err := round.GetLineage(s, req.Training)
	if err != nil || req.PageSize == 0 {
		return lineageView{lineage, ""}, err
	}
	page, err := list(lineage.Steps, req.Page, func(step round.Step) string { return ledger.Number(step.Round) })
	lineage.Steps = page.Items
	return lineageView{lineage, page.Bookmark}, err
}

type roundsRequest struct {
	Training string `json:"training"`
	Page
}

func listRounds(s ledger.State, req roundsRequest) (Listing[round.Summary], error) {
	all, err := round.Summaries(s, req.Training)
	if err != nil {
		return Listing[round.Summary]{}, err
	}
	return list(all, req.Page, func(r round.Summary) string { return ledger.Number(r.Round) + "." + ledger.Number(r.Attempt) })
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
	items, err := rewards.Rewards(s, req.Training, req.Round)
	if err != nil {
		return Listing[rewardView]{}, err
	}
	views := []rewardView{}
	for _, item := range items {
		views = append(views, rewardView{item.Parts[2], item.Record})
	}
	return list(views, req.Page, func(r rewardView) string { return r.Participant })
}

func listFlags(s ledger.State, page Page) (Listing[round.Flag], error) {
	all, err := records[round.Flag](s, "flag")
	if err != nil {
		return Listing[round.Flag]{}, err
	}
	return list(all, page, flagName)
}

// flagName sorts as the keys of flags do.
func flagName(flag round.Flag) string {
	who := flag.Participant
	if who == "" {
		who = "-"
	}
	return flag.Training + "\x00" + ledger.Number(flag.Round) + "\x00" + ledger.Number(flag.Attempt) + "\x00" + who + "\x00" + flag.Kind
}
