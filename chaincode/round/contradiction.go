package round

import (
	"maps"
	"slices"

	"fedledger/chaincode/ledger"
)

// claims says whether two proposals claim the same. An honest organisation says the same of both: it computes state and
// metrics once, and compares every claim with them.
func (p Proposed) claims(other Proposed) bool {
	return p.Aggregate == other.Aggregate && p.State == other.State && p.Examples == other.Examples && maps.Equal(p.Metrics, other.Metrics)
}

// voices are those who spoke for and against what became the result, here or in an earlier proposal that claimed the same.
type voices struct {
	cleared      []string // participants that were passed over with it
	yes, against []string // organisations, by MSP id; to propose it is to say yes
}

// listen gathers the voices on the result from this proposal and the earlier ones that claim the same.
func listen(s ledger.Reader, round Round, result Proposed) (voices, error) {
	heard := voices{}
	for number := uint64(1); number <= result.Number; number++ {
		proposed, _, err := ledger.Load[Proposed](s, round.key("proposed", ledger.Number(number)))
		if err != nil {
			return heard, err
		}
		if !proposed.claims(result) {
			continue
		}
		if number < result.Number {
			heard.cleared = append(heard.cleared, proposed.Proposer)
		}
		heard.yes = append(heard.yes, round.member(proposed.Proposer).MSPID)
		attestations, err := ledger.List[Attestation](s, "attest", append(round.parts(), ledger.Number(number))...)
		if err != nil {
			return heard, err
		}
		for _, item := range attestations {
			if item.Record.Agree {
				heard.yes = append(heard.yes, item.Parts[4])
			} else {
				heard.against = append(heard.against, item.Parts[4])
			}
		}
	}
	return heard, nil
}

// judge names the members at fault now that there is a result: only what digests prove. An organisation that said both yes and
// no to one claim lied once. One that only disagreed may have a machine that computes otherwise.
//
// Scenario: a and b are honest, c and d are not. a proposes the true state; c and d disagree. Two of four are no majority, so
// the turn passes on and nobody is at fault. Then c proposes the same state; a, b and c agree, and it is Final. c had disagreed
// with what it now proposed and is at fault; so would d be, had it agreed. a is paid as if nothing had been.
func (a *advance) judge(result Proposed) ([]string, error) {
	heard, err := listen(a.state, a.round, result)
	if err != nil {
		return nil, err
	}
	faults, err := a.faults(heard.cleared)
	if err != nil {
		return nil, err
	}
	for _, member := range a.round.Cohort {
		if !slices.Contains(heard.yes, member.MSPID) || !slices.Contains(heard.against, member.MSPID) {
			continue
		}
		faults = append(faults, member.Participant)
		detail := describe("%s disagreed with the state of proposal %d, and also proposed it or agreed to it", member.MSPID, result.Number)
		if err := a.flag(member.Participant, FlagContradiction, detail); err != nil {
			return nil, err
		}
	}
	return faults, nil
}
