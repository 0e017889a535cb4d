package aggregate

import (
	"crypto/ecdh"
	"errors"
	"fmt"

	"fedledger/chaincode/secagg"
)

// secrets are what the revealed shares rebuild.
type secrets struct {
	seeds map[int][32]byte // b of each survivor, by place in the cohort
	keys  map[int][32]byte // secret mask key of each dropout
}

// rebuild turns shares into secrets and checks each against its commitment or public key, in cohort order: the first
// failure is the same on every endorser.
func (in Inputs) rebuild() (secrets, error) {
	result := secrets{map[int][32]byte{}, map[int][32]byte{}}
	var rebuilder secagg.Rebuilder
	for i, p := range in.Cohort {
		var err error
		switch {
		case p.Survivor:
			result.seeds[i], err = rebuilder.Seed(in.Session, p.ID, p.SeedCommitment, in.Threshold, p.Shares)
		case p.Shared:
			result.keys[i], err = rebuilder.MaskKey(p.MaskKey, in.Threshold, p.Shares)
		}
		switch {
		case errors.Is(err, secagg.ErrSecret):
			return secrets{}, &Fault{Kind: FaultDealer, Participant: p.ID, Reason: err.Error()}
		case errors.Is(err, secagg.ErrShare):
			return secrets{}, fmt.Errorf("%w: shares of %s: %w", ErrInputs, p.ID, err)
		case err != nil:
			return secrets{}, fmt.Errorf("shares of %s: %w", p.ID, err)
		}
	}
	return result, nil
}

// selfKey is the key of a survivor's own mask.
func (in Inputs) selfKey(known secrets, survivor int) [32]byte {
	p := in.Cohort[survivor]
	return secagg.SelfKey(in.Session, p.ID, known.seeds[survivor], p.MaskKey)
}

// pairMasks are the keystreams between dropouts and survivors of a group, left in Σ y. Those between two survivors cancel.
func (in Inputs) pairMasks(known secrets) ([]mask, error) {
	survivors, dropouts := in.survivors(), in.dropouts()
	masks := make([]mask, 0, len(survivors)*len(dropouts))
	for _, dropout := range dropouts {
		private := secagg.Private(known.keys[dropout])
		for _, survivor := range survivors {
			if in.Cohort[survivor].Group != in.Cohort[dropout].Group {
				continue
			}
			key, err := in.pairKey(dropout, survivor, private)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", ErrInputs, err)
			}
			// y of a survivor adds the masks it shares with those after it and subtracts those with those before it.
			masks = append(masks, mask{key, dropout > survivor, in.Cohort[dropout].Group})
		}
	}
	return masks, nil
}

func (in Inputs) pairKey(dropout, survivor int, private *ecdh.PrivateKey) ([32]byte, error) {
	low, high := in.Cohort[min(dropout, survivor)], in.Cohort[max(dropout, survivor)]
	return secagg.PairKey(in.Session, secagg.Peer{ID: low.ID, Key: low.MaskKey}, secagg.Peer{ID: high.ID, Key: high.MaskKey},
		private, in.Cohort[survivor].MaskKey)
}
