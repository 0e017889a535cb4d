package round

import (
	"encoding/hex"

	"fedledger/chaincode/ledger"
)

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

// GetReveals returns the revealed shares of an attempt; what a dealer answered to a complaint counts from the freeze on.
func GetReveals(s ledger.State, ref Ref) (RevealsView, error) {
	ref, err := Resolve(s, ref)
	if err != nil {
		return RevealsView{}, err
	}
	round, status, err := load(s, ref)
	if err != nil {
		return RevealsView{}, err
	}
	found, err := loadEvidence(s, round)
	view := RevealsView{ref, map[string]map[string]ShareView{}}
	for receiver := range found.reveals { // any order: into a map
		view.Reveals[receiver] = map[string]ShareView{}
	}
	names, dealers := round.Names(), status.U2
	if len(status.Survivors) == 0 {
		dealers = nil
	}
	for _, dealer := range dealers {
		kind := status.kindOf(dealer)
		for _, share := range found.revealed(names, dealer, kind) {
			receiver := names[share.Receiver]
			if view.Reveals[receiver] == nil {
				view.Reveals[receiver] = map[string]ShareView{}
			}
			view.Reveals[receiver][dealer] = ShareView{string(kind), hex.EncodeToString(share.Value[:])}
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

// Summarise makes a list's entry of an attempt's status.
func Summarise(item ledger.Item[Status]) (Summary, error) {
	ref, status := Ref{item.Parts[0], number(item.Parts[1]), number(item.Parts[2])}, item.Record
	return Summary{ref, status.Phase, status.Survivors, status.State, status.VoidReason}, nil
}
