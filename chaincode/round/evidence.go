package round

import (
	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/secagg"
)

// evidence is what the members of a round put on the ledger, by member.
type evidence struct {
	keys    map[string]Keys
	shares  map[string]Shares
	updates map[string]Update
	reveals map[string]Reveal
	against map[string]map[string]Complaint
}

func loadEvidence(s ledger.Reader, round Round) (evidence, error) {
	found, err := saidIn(s, round)
	if err != nil {
		return found, err
	}
	if found.reveals, err = byMember[Reveal](s, round.Ref, "reveal"); err != nil {
		return found, err
	}
	found.against, err = against(s, round.Ref)
	return found, err
}

// saidIn reads all of it but reveals and complaints.
func saidIn(s ledger.Reader, round Round) (found evidence, err error) {
	if found.keys, err = byMember[Keys](s, round.Ref, "keys"); err != nil {
		return found, err
	}
	if found.shares, err = byMember[Shares](s, round.Ref, "shares"); err != nil {
		return found, err
	}
	found.updates, err = byMember[Update](s, round.Ref, "update")
	return found, err
}

func (e evidence) participant(round Round, status Status, id string) aggregate.Participant {
	participant := aggregate.Participant{ID: id, Group: round.groupOf(id)}
	shares, shared := e.shares[id]
	if !shared || status.closed(round, id) {
		return participant // of a group that stays closed nothing is rebuilt
	}
	participant.Shared = true
	participant.MaskKey, participant.SeedCommitment = bytes32(e.keys[id].MaskKey), bytes32(shares.SeedCommitment)
	participant.Shares = e.revealed(round.Names(), id, status.kindOf(id))
	if among(status.Survivors, id, "") == nil {
		participant.Survivor, participant.Update = true, bytes32(e.updates[id].Digest)
	}
	return participant
}

// revealed gathers what is known of one dealer's shares of a kind, in cohort order of the receivers: what they revealed, and
// what the dealer answered to those that complained.
func (e evidence) revealed(cohort []string, dealer string, kind secagg.Kind) []secagg.Share {
	shares := []secagg.Share{}
	for place, receiver := range cohort {
		text := e.against[dealer][receiver].share(kind)
		for _, share := range e.reveals[receiver].Shares {
			if share.Dealer == dealer {
				text = share.Value
			}
		}
		if text == "" {
			continue
		}
		value, err := shareValue(text)
		if err != nil {
			panic("round: internal error: unchecked share")
		}
		shares = append(shares, secagg.Share{Receiver: place, Value: value})
	}
	return shares
}
