// Package rewards keeps the token: balances by organisation, stakes by participant, the treasury, each round's escrow and
// what is folded from finished rounds. Minted = balances + treasury + stakes + escrows, always.
package rewards

import (
	"math"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
)

// Treasury is the account that pays the rounds and receives what is slashed; only a vote spends from it.
const Treasury = "treasury"

// Amount is a record that holds tokens.
type Amount struct {
	Amount uint64 `json:"amount"`
}

// TransferRequest is the argument of Transfer.
type TransferRequest struct {
	To     string `json:"to"`
	Amount uint64 `json:"amount"`
}

// TransferEvent says what moved between accounts; a stake's account is "stake:" and the participant.
type TransferEvent struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Amount uint64 `json:"amount"`
}

var supplyKey = ledger.Key("supply")

func balanceKey(account string) string { return ledger.Key("balance", account) }

func read(s ledger.State, key string) (uint64, error) {
	record, _, err := ledger.Load[Amount](s, key)
	return record.Amount, err
}

// move takes amount out of one record and puts it into another.
func move(s ledger.State, from, to string, amount uint64) error {
	if amount == 0 || from == to {
		return nil
	}
	held, err := read(s, from)
	if err != nil {
		return err
	}
	if held < amount {
		return errcode.New(errcode.InsufficientBalance, "the account holds %d, not %d", held, amount)
	}
	if err := ledger.Store(s, from, Amount{held - amount}); err != nil {
		return err
	}
	return add(s, to, amount)
}

func add(s ledger.State, key string, amount uint64) error {
	held, err := read(s, key)
	if err != nil {
		return err
	}
	if amount > math.MaxInt64-held {
		return errcode.New(errcode.BadAmount, "the account would overflow")
	}
	return ledger.Store(s, key, Amount{held + amount})
}

// Mint creates tokens in an account: at founding only.
func Mint(s ledger.State, account string, amount uint64) error {
	if amount == 0 {
		return nil
	}
	if err := add(s, supplyKey, amount); err != nil {
		return err
	}
	return add(s, balanceKey(account), amount)
}

// MintFounding creates the founders' grants and the treasury.
func MintFounding(s ledger.State) error {
	federation, err := governance.CurrentFederation(s)
	if err != nil {
		return err
	}
	parameters, err := governance.CurrentParameters(s)
	if err != nil {
		return err
	}
	for _, msp := range federation.Founders {
		if err := Mint(s, msp, parameters.FoundingGrant); err != nil {
			return err
		}
	}
	return Mint(s, Treasury, parameters.TreasuryGrant)
}

// BalanceOf returns what an account holds: an organisation's by MSP id, or the treasury.
func BalanceOf(s ledger.State, account string) (uint64, error) {
	return read(s, balanceKey(account))
}

// TotalSupply returns what has been minted.
func TotalSupply(s ledger.State) (uint64, error) { return read(s, supplyKey) }

// Transfer moves tokens from the caller's organisation to another member or the treasury.
func Transfer(s ledger.State, env ledger.Env, req TransferRequest) (TransferEvent, ledger.Event, error) {
	if err := governance.CheckAdmin(s, env); err != nil {
		return TransferEvent{}, ledger.Event{}, err
	}
	moved := TransferEvent{env.Caller.MSPID, req.To, req.Amount}
	if err := checkAccount(s, req.To); err != nil {
		return moved, ledger.Event{}, err
	}
	if req.Amount == 0 {
		return moved, ledger.Event{}, errcode.New(errcode.BadAmount, "the amount must be at least 1")
	}
	if err := Pace(s, env); err != nil {
		return moved, ledger.Event{}, err
	}
	return moved, ledger.Event{Name: "Transfer", Payload: moved}, move(s, balanceKey(moved.From), balanceKey(moved.To), moved.Amount)
}

// Moved says when an organisation last moved tokens.
type Moved struct {
	TimeMS int64 `json:"time_ms"`
}

// Pace lets the caller's organisation move tokens once in transfer_ms. OpenRound reads the treasury and stakes, Settle the
// balances that it pays: one administrator could otherwise make each of them conflict, for nothing but its own tokens.
func Pace(s ledger.State, env ledger.Env) error {
	parameters, err := governance.CurrentParameters(s)
	if err != nil {
		return err
	}
	key := ledger.Key("moved", env.Caller.MSPID)
	last, found, err := ledger.Load[Moved](s, key)
	if err != nil {
		return err
	}
	if found && env.TimeMS < last.TimeMS+parameters.TransferMS {
		return errcode.New(errcode.TooSoon, "%s moved tokens less than %d ms ago: wait", env.Caller.MSPID, parameters.TransferMS)
	}
	return ledger.Store(s, key, Moved{env.TimeMS})
}

func checkAccount(s ledger.State, account string) error {
	if account == Treasury {
		return nil
	}
	if ledger.CheckMSPID(account) != nil {
		return errcode.New(errcode.UnknownAccount, "an account is a member's MSP id or %q", Treasury)
	}
	_, err := governance.LoadOrganisation(s, account)
	if err != nil && errcode.Of(err) == errcode.UnknownOrganisation {
		return errcode.New(errcode.UnknownAccount, "%s is no member", account)
	}
	return err
}
