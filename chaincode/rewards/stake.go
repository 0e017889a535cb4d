package rewards

import (
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
)

func stakeKey(participant string) string { return ledger.Key("stake", participant) }

func escrowKey(training string, round uint64) string {
	return ledger.Key("escrow", training, ledger.Number(round))
}

// StakeOf returns what is staked for a participant.
func StakeOf(s ledger.State, participant string) (uint64, error) {
	return read(s, stakeKey(participant))
}

// Lock moves tokens from an organisation's balance into its participant's stake.
func Lock(s ledger.State, msp, participant string, amount uint64) error {
	return move(s, balanceKey(msp), stakeKey(participant), amount)
}

// Unlock moves tokens back; who may, and how much, is membership's to say.
func Unlock(s ledger.State, msp, participant string, amount uint64) error {
	return move(s, stakeKey(participant), balanceKey(msp), amount)
}

// Reserve sets a round's budget aside, or what the treasury still has. It is done once a round, when it is opened, so
// that Final writes nothing outside its round.
func Reserve(s ledger.State, training string, round, budget uint64) error {
	if _, reserved, err := ledger.Load[Amount](s, escrowKey(training, round)); err != nil || reserved {
		return err
	}
	held, err := read(s, balanceKey(Treasury))
	if err != nil {
		return err
	}
	if budget = min(budget, held); budget == 0 {
		return ledger.Store(s, escrowKey(training, round), Amount{0})
	}
	return move(s, balanceKey(Treasury), escrowKey(training, round), budget)
}

// Reserved returns what a round may pay.
func Reserved(s ledger.State, training string, round uint64) (uint64, error) {
	return read(s, escrowKey(training, round))
}

type treasuryBody struct {
	To     string `json:"to"`
	Amount uint64 `json:"amount"`
}

// Check implements governance.Body.
func (b treasuryBody) Check(governance.Parameters) error {
	if b.Amount == 0 {
		return errcode.New(errcode.BadAmount, "the amount must be at least 1")
	}
	return governance.CheckName(b.To)
}

// Spend executes treasury{to, amount}.
func Spend(s ledger.State, _ ledger.Env, spend treasuryBody) error {
	if _, err := governance.LoadOrganisation(s, spend.To); err != nil {
		return err
	}
	return move(s, balanceKey(Treasury), balanceKey(spend.To), spend.Amount)
}
