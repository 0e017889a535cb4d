package round

import "fedledger/chaincode/ledger"

// RevealsView is what was revealed in an attempt, by receiver and dealer.
type RevealsView struct {
	Ref
	Reveals map[string]map[string]ShareView `json:"reveals"`
}

// ShareView is a revealed share.
type ShareView struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

// GetReveals returns the revealed shares of an attempt.
func GetReveals(s ledger.State, ref Ref) (RevealsView, error) {
	ref, err := Resolve(s, ref)
	if err != nil {
		return RevealsView{}, err
	}
	if _, _, err := load(s, ref); err != nil {
		return RevealsView{}, err
	}
	reveals, err := byMember[Reveal](s, ref, "reveal")
	view := RevealsView{ref, map[string]map[string]ShareView{}}
	for receiver, reveal := range reveals { // any order: into a map
		view.Reveals[receiver] = map[string]ShareView{}
		for _, share := range reveal.Shares {
			view.Reveals[receiver][share.Dealer] = ShareView{share.Kind, share.Value}
		}
	}
	return view, err
}

// Summary is a round in a list.
type Summary struct {
	Ref
	Phase      Phase    `json:"phase"`
	Survivors  []string `json:"survivors"`
	State      string   `json:"state"`
	VoidReason string   `json:"void_reason"`
}

// Summaries lists every attempt of a training, oldest first.
func Summaries(s ledger.State, training string) ([]Summary, error) {
	if _, err := LoadTraining(s, training); err != nil {
		return nil, err
	}
	items, err := ledger.List[Status](s, "phase", training)
	summaries := []Summary{}
	for _, item := range items {
		round, status, err := load(s, Ref{training, number(item.Parts[1]), number(item.Parts[2])})
		if err != nil {
			return nil, err
		}
		summaries = append(summaries, Summary{round.Ref, status.Phase, status.Survivors, status.State, status.VoidReason})
	}
	return summaries, err
}
