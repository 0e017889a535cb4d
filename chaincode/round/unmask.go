package round

import (
	"errors"

	"fedledger/chaincode/ledger"
	"fedledger/chaincode/secagg"
)

// secrets is what the revealed shares rebuild to, of every dealer whose group is opened.
type secrets struct {
	seeds   [][]byte // those of the survivors, in cohort order; complete where nothing is lacking and nobody bad
	bad     []string // dealers whose secret does not fit its commitment, in cohort order
	lacking bool     // some secret has too few shares so far
}

// rebuild rebuilds the secret of every dealer whose group is opened. All shares stand under their dealer's root, so what does not fit is the
// dealer's fault.
func rebuild(s ledger.Reader, round Round, status Status) (secrets, error) {
	evidence, err := loadEvidence(s, round)
	if err != nil {
		return secrets{}, err
	}
	var rebuilder secagg.Rebuilder
	found := secrets{}
	for _, id := range status.dealers(round) {
		dealer := evidence.participant(round, status, id)
		var seed [32]byte
		if dealer.Survivor {
			seed, err = rebuilder.Seed(bytes32(round.Session), id, dealer.SeedCommitment, round.Threshold, dealer.Shares)
		} else {
			_, err = rebuilder.MaskKey(dealer.MaskKey, round.Threshold, dealer.Shares)
		}
		switch {
		case errors.Is(err, secagg.ErrTooFew):
			found.lacking = true
		case err != nil:
			found.bad = append(found.bad, id)
		case dealer.Survivor:
			found.seeds = append(found.seeds, seed[:])
		}
	}
	return found, nil
}

func (f facts) badDealer() (bool, error) {
	if over, err := f.complete(); err != nil || !over {
		return false, err
	}
	found, err := f.secrets()
	return len(found.bad) > 0, err
}

func (f facts) notUnmaskable() (bool, error) {
	if !f.late() {
		return false, nil
	}
	found, err := f.secrets()
	return found.lacking, err
}

func (f facts) unmaskable() (bool, error) {
	if over, err := f.complete(); err != nil || !over {
		return false, err
	}
	found, err := f.secrets()
	return err == nil && !found.lacking, err
}

func (a *advance) startAttest() error {
	found, err := a.facts.secrets()
	a.status.Beacon = beaconAfter(a.round, found.seeds)
	a.status.Turn = Turn{0, a.env.TimeMS}
	a.status.DeadlineMS = a.env.TimeMS + a.round.Parameters.AggregatorLeaseMS
	return err
}
