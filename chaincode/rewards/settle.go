package rewards

import (
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

// Reward is what a Final grants one participant; Settle pays it to the account.
type Reward struct {
	Account string `json:"account"`
	Amount  uint64 `json:"amount"`
}

// Outcome is what an attempt showed of one participant: objective facts only. Slash is what Settle takes of its stake.
type Outcome struct {
	Outcome string `json:"outcome"`
	Slash   uint64 `json:"slash"`
}

// Outcomes of an attempt.
const (
	Finished = "finished"
	Dropout  = "dropout"
	Fault    = "fault"
)

// Score is a participant's standing, in ppm: exponentially forgetting averages of its outcomes.
type Score struct {
	Reputation   uint64 `json:"reputation_ppm"`
	Availability uint64 `json:"availability_ppm"`
	Finished     uint64 `json:"finished"`
	Dropouts     uint64 `json:"dropouts"`
	Faults       uint64 `json:"faults"`
}

const ppm = 1_000_000

// Fold returns the score after one more outcome; decay is the share, in ppm, that the new outcome weighs.
func (score Score) Fold(outcome string, decay uint64) Score {
	up := func(value uint64) uint64 { return value + (ppm-value)*decay/ppm }
	down := func(value uint64) uint64 { return value - value*decay/ppm }
	switch outcome {
	case Finished:
		score.Reputation, score.Availability, score.Finished = up(score.Reputation), up(score.Availability), score.Finished+1
	case Dropout:
		score.Reputation, score.Availability, score.Dropouts = down(score.Reputation), down(score.Availability), score.Dropouts+1
	case Fault:
		score.Reputation, score.Faults = down(score.Reputation)/2, score.Faults+1
	}
	return score
}

func scoreKey(participant string) string { return ledger.Key("score", participant) }

// LoadScore reads a participant's score; newcomers start in the middle.
func LoadScore(s ledger.State, participant string) (Score, error) {
	score, found, err := ledger.Load[Score](s, scoreKey(participant))
	if err == nil && !found {
		return Score{Reputation: ppm / 2, Availability: ppm}, nil
	}
	return score, err
}

// PutReward records a Final's grant.
func PutReward(s ledger.State, training string, round uint64, participant string, reward Reward) error {
	return ledger.Store(s, ledger.Key("reward", training, ledger.Number(round), participant), reward)
}

// PutOutcome records what an attempt showed of a participant; from now on it owes the slash, no more.
func PutOutcome(s ledger.State, training string, round, attempt uint64, participant string, outcome Outcome) error {
	if err := Engage(s, training, round, attempt, participant, outcome.Slash); err != nil {
		return err
	}
	return ledger.Store(s, ledger.Key("outcome", training, ledger.Number(round), ledger.Number(attempt), participant), outcome)
}

// Settlement is what Settle folded.
type Settlement struct {
	Training string `json:"training"`
	Round    uint64 `json:"round"`
	Paid     uint64 `json:"paid"`
	Returned uint64 `json:"returned"`
	Slashed  uint64 `json:"slashed"`
}

// Settled tells whether a round's entries have been folded.
func Settled(s ledger.State, training string, round uint64) (bool, error) {
	_, settled, err := ledger.Load[Settlement](s, settledKey(training, round))
	return settled, err
}

func settledKey(training string, round uint64) string {
	return ledger.Key("settled", training, ledger.Number(round))
}

// Settle pays the rewards of a round that has ended for good, returns what is left of its escrow to the treasury, takes
// the slashes from the stakes and folds the outcomes into the scores.
func Settle(s ledger.State, training string, round, decay uint64) (Settlement, ledger.Event, error) {
	settlement, none := Settlement{Training: training, Round: round}, ledger.Event{}
	if settled, err := Settled(s, training, round); err != nil {
		return settlement, none, err
	} else if settled {
		return settlement, none, errcode.New(errcode.AlreadySettled, "round %d of %s is settled", round, training)
	}
	for _, fold := range []func(ledger.State, *Settlement, uint64) error{pay, giveBack, foldOutcomes} {
		if err := fold(s, &settlement, decay); err != nil {
			return settlement, none, err
		}
	}
	return settlement, ledger.Event{Name: "RoundSettled", Payload: settlement}, ledger.Store(s, settledKey(training, round), settlement)
}

func pay(s ledger.State, settlement *Settlement, _ uint64) error {
	rewards, err := ledger.List[Reward](s, "reward", settlement.Training, ledger.Number(settlement.Round))
	if err != nil {
		return err
	}
	escrow := escrowKey(settlement.Training, settlement.Round)
	for _, reward := range rewards {
		if err := move(s, escrow, balanceKey(reward.Record.Account), reward.Record.Amount); err != nil {
			return err
		}
		settlement.Paid += reward.Record.Amount
	}
	return nil
}

func giveBack(s ledger.State, settlement *Settlement, _ uint64) error {
	escrow := escrowKey(settlement.Training, settlement.Round)
	left, err := read(s, escrow)
	if err != nil {
		return err
	}
	settlement.Returned = left
	if err := move(s, escrow, balanceKey(Treasury), left); err != nil {
		return err
	}
	return s.Del(escrow)
}

func foldOutcomes(s ledger.State, settlement *Settlement, decay uint64) error {
	outcomes, err := ledger.List[Outcome](s, "outcome", settlement.Training, ledger.Number(settlement.Round))
	if err != nil {
		return err
	}
	keys := []string{}
	for _, item := range outcomes {
		keys = append(keys, scoreKey(item.Parts[3]), stakeKey(item.Parts[3]))
	}
	if err := s.Ahead(keys...); err != nil {
		return err
	}
	for _, item := range outcomes {
		slash, err := Fold(s, item.Parts[3], item.Record, decay)
		if err != nil {
			return err
		}
		settlement.Slashed += slash
	}
	return nil
}

// Fold takes an outcome's slash from the participant's stake, all of it or what there is, and folds it into its score. It
// returns what was taken.
func Fold(s ledger.State, participant string, outcome Outcome, decay uint64) (uint64, error) {
	score, err := LoadScore(s, participant)
	if err != nil {
		return 0, err
	}
	if err := ledger.Store(s, scoreKey(participant), score.Fold(outcome.Outcome, decay)); err != nil {
		return 0, err
	}
	staked, err := StakeOf(s, participant)
	if err != nil {
		return 0, err
	}
	slash := min(outcome.Slash, staked)
	return slash, move(s, stakeKey(participant), balanceKey(Treasury), slash)
}
