package round

import (
	"slices"

	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
)

// electorate are the organisations whose attestations count, and how many of them make a majority.
func electorate(s ledger.Reader) (active []string, majority int, err error) {
	active, err = governance.Voters(s)
	return active, governance.Majority(len(active)), err
}

// tally is how the attestations of active organisations to one proposal stand.
type tally struct {
	agree, disagree  int
	voters, majority int
	deviation        uint64 // the largest among those that agree, in units of 10^-9
}

func (t tally) carried() bool { return t.agree >= t.majority }

// refuted says that a majority computed something else. Fewer prove nothing: half of the organisations may be against one.
func (t tally) refuted() bool { return t.disagree >= t.majority }

// split says that all have attested, and neither side is a majority.
func (t tally) split() bool { return !t.carried() && !t.refuted() && t.agree+t.disagree >= t.voters }

func verdicts(s ledger.Reader, ref Ref, number uint64) (tally, error) {
	active, majority, err := electorate(s)
	if err != nil {
		return tally{}, err
	}
	attestations, err := ledger.List[Attestation](s, "attest", append(ref.parts(), ledger.Number(number))...)
	found := tally{voters: len(active), majority: majority}
	for _, item := range attestations {
		switch {
		case !slices.Contains(active, item.Parts[4]):
		case item.Record.Agree:
			found.agree, found.deviation = found.agree+1, max(found.deviation, item.Record.DeviationE9)
		default:
			found.disagree++
		}
	}
	return found, err
}
