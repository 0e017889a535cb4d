package membership

import (
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

const (
	maxLabels = 1_000
	maxRows   = 1 << 40
)

// Profile describes a participant's data as the consortium vetted it: rows, missing values in ppm, rows by label, and the
// digest of the schema that they follow.
type Profile struct {
	Rows       uint64   `json:"rows"`
	MissingPPM uint64   `json:"missing_ppm"`
	Labels     []uint64 `json:"labels"`
	Schema     string   `json:"schema"`
}

func (p Profile) check(minimumRows uint64) error {
	if err := ledger.CheckDigest("schema", p.Schema); err != nil {
		return err
	}
	if len(p.Labels) > maxLabels {
		return errcode.New(errcode.LimitExceeded, "%d labels, at most %d", len(p.Labels), maxLabels)
	}
	labelled := uint64(0)
	for _, rows := range p.Labels {
		if rows > maxRows {
			return errcode.New(errcode.BadProfile, "a label counts more than %d rows", uint64(maxRows))
		}
		labelled += rows
	}
	if p.Rows < minimumRows || p.Rows > maxRows || p.MissingPPM > 1_000_000 || labelled > p.Rows {
		return errcode.New(errcode.BadProfile, "%d rows (at least %d), %d ppm missing, %d labelled",
			p.Rows, minimumRows, p.MissingPPM, labelled)
	}
	return nil
}

// Quality is the profile's score, 1 to 1000: the share of values present, times a half and half the balance of the
// labels (the rarest against an even split; 1 where there are no labels). A masked round shows no more of a participant.
func (p Profile) Quality() uint64 {
	balance := uint64(1000)
	if len(p.Labels) > 0 {
		total, rarest := uint64(0), p.Labels[0]
		for _, rows := range p.Labels {
			total, rarest = total+rows, min(rarest, rows)
		}
		if total > 0 {
			balance = 1000 * rarest * uint64(len(p.Labels)) / total
		}
	}
	return max(1, (1_000_000-p.MissingPPM)/1000*(500+balance/2)/1000)
}
