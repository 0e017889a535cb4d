package rewards

import (
	"fedledger/chaincode/ledger"
)

// Engagement ties a participant's stake to an attempt from its opening until Settle has folded the round.
//
// Invariant: what the attempt may still take of the stake is in Owed: while it is open the most that a fault costs, after it
// what its outcome costs. So the stake that is left, FreeStake, is spent by nothing that has happened.
type Engagement struct {
	Owed uint64 `json:"owed"`
}

func engagementKey(participant, training string, round, attempt uint64) string {
	return ledger.Key("engagement", participant, training, ledger.Number(round), ledger.Number(attempt))
}

// Engage records what an attempt may take of a participant's stake.
func Engage(s ledger.State, training string, round, attempt uint64, participant string, owed uint64) error {
	return ledger.Store(s, engagementKey(participant, training, round, attempt), Engagement{owed})
}

// Release forgets an engagement whose round is settled.
func Release(s ledger.State, training string, round, attempt uint64, participant string) error {
	return s.Del(engagementKey(participant, training, round, attempt))
}

// Unsettled returns what a participant may owe, and for how many attempts that are not settled.
func Unsettled(s ledger.Reader, participant string) (owed uint64, attempts int, err error) {
	items, err := ledger.List[Engagement](s, "engagement", participant)
	for _, item := range items {
		owed += item.Record.Owed
	}
	return owed, len(items), err
}

// FreeStake returns what is staked for a participant beyond what it may owe.
func FreeStake(s ledger.State, participant string) (uint64, error) {
	staked, err := StakeOf(s, participant)
	if err != nil {
		return 0, err
	}
	owed, _, err := Unsettled(s, participant)
	return staked - min(owed, staked), err
}
