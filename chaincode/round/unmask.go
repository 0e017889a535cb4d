package round

import (
	"errors"

	"fedledger/chaincode/secagg"
)

// rebuild rebuilds the secret of every dealer in U2 once. All shares stand under their dealer's root, so what does not fit
// is the dealer's fault.
func (t *turn) rebuild() error {
	if t.seeds != nil || t.lacking || t.badNames != nil {
		return nil
	}
	found, err := loadEvidence(t.state, t.round)
	if err != nil {
		return err
	}
	var rebuilder secagg.Rebuilder
	for _, id := range t.status.U2 {
		dealer := found.participant(t.round, t.status, id)
		var seed [32]byte
		if dealer.Survivor {
			seed, err = rebuilder.Seed(bytes32(t.round.Session), id, dealer.SeedCommitment, t.round.Threshold, dealer.Shares)
		} else {
			_, err = rebuilder.MaskKey(dealer.MaskKey, t.round.Threshold, dealer.Shares)
		}
		switch {
		case errors.Is(err, secagg.ErrTooFew):
			t.lacking = true
		case err != nil:
			t.badNames = append(t.badNames, id)
		case dealer.Survivor:
			t.seeds = append(t.seeds, seed[:])
		}
	}
	return nil
}

func (t *turn) badDealer() (bool, error) {
	over, err := t.complete()
	if err != nil || !over {
		return false, err
	}
	err = t.rebuild()
	return len(t.badNames) > 0, err
}

func (t *turn) notUnmaskable() (bool, error) {
	if !t.late() {
		return false, nil
	}
	err := t.rebuild()
	return t.lacking, err
}

func (t *turn) unmaskable() (bool, error) {
	over, err := t.complete()
	if err != nil || !over {
		return false, err
	}
	err = t.rebuild()
	return !t.lacking, err
}

func (t *turn) startAttest() error {
	t.status.Beacon = beaconAfter(t.round, t.seeds)
	t.status.Turn = Turn{0, t.env.TimeMS}
	t.status.DeadlineMS = t.env.TimeMS + t.round.Parameters.AggregatorLeaseMS
	return nil
}
