package membership

import (
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/rewards"
)

// StakeRequest is the argument of Stake and Unstake.
type StakeRequest struct {
	Participant string `json:"participant"`
	Amount      uint64 `json:"amount"`
}

// StakeResponse tells what is staked now.
type StakeResponse struct {
	Participant string `json:"participant"`
	Stake       uint64 `json:"stake"`
}

// Stake adds to a participant's stake from its organisation's balance.
func Stake(s ledger.State, env ledger.Env, req StakeRequest) (StakeResponse, ledger.Event, error) {
	participant, err := staking(s, env, req)
	if err != nil {
		return StakeResponse{}, ledger.Event{}, err
	}
	if err := rewards.Lock(s, participant.MSPID, participant.ID, req.Amount); err != nil {
		return StakeResponse{}, ledger.Event{}, err
	}
	return staked(s, participant, rewards.TransferEvent{From: participant.MSPID, To: "stake:" + participant.ID, Amount: req.Amount})
}

// Unstake returns what exceeds the minimum; all of it once the participant has been removed for stake_lock_ms. Nothing is
// returned while an attempt that the participant was drawn for is not settled: its slash comes first.
func Unstake(s ledger.State, env ledger.Env, req StakeRequest) (StakeResponse, ledger.Event, error) {
	participant, err := staking(s, env, req)
	if err != nil {
		return StakeResponse{}, ledger.Event{}, err
	}
	if err := checkLock(s, env, participant, req.Amount); err != nil {
		return StakeResponse{}, ledger.Event{}, err
	}
	if err := rewards.Unlock(s, participant.MSPID, participant.ID, req.Amount); err != nil {
		return StakeResponse{}, ledger.Event{}, err
	}
	return staked(s, participant, rewards.TransferEvent{From: "stake:" + participant.ID, To: participant.MSPID, Amount: req.Amount})
}

func staking(s ledger.State, env ledger.Env, req StakeRequest) (Participant, error) {
	participant, err := owned(s, env, req.Participant)
	switch {
	case err != nil:
		return participant, err
	case req.Amount == 0:
		return participant, errcode.New(errcode.BadAmount, "the amount must be at least 1")
	}
	return participant, rewards.Pace(s, env)
}

func checkLock(s ledger.State, env ledger.Env, participant Participant, amount uint64) error {
	parameters, err := governance.CurrentParameters(s)
	if err != nil {
		return err
	}
	held, err := rewards.StakeOf(s, participant.ID)
	if err != nil {
		return err
	}
	if owed, attempts, err := rewards.Unsettled(s, participant.ID); err != nil || attempts > 0 {
		return firstOf(err, errcode.New(errcode.StakeLocked, "%d attempts of %s are not settled, and may cost %d: "+
			"unstake after their rounds have ended and Settle was sent", attempts, participant.ID, owed))
	}
	left := participant.Status == governance.Removed && env.TimeMS >= participant.SinceMS+parameters.StakeLockMS
	if !left && (amount > held || held-amount < parameters.MinimumStake) {
		return errcode.New(errcode.StakeLocked, "%d is staked, %d of it stay until %d ms after removal",
			held, parameters.MinimumStake, parameters.StakeLockMS)
	}
	return nil
}

func staked(s ledger.State, participant Participant, moved rewards.TransferEvent) (StakeResponse, ledger.Event, error) {
	held, err := rewards.StakeOf(s, participant.ID)
	return StakeResponse{participant.ID, held}, ledger.Event{Name: "Transfer", Payload: moved}, err
}

func firstOf(err error, otherwise *errcode.Error) error {
	if err != nil {
		return err
	}
	return otherwise
}
