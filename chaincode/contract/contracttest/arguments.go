package contracttest

import (
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/secagg"
)

// Keys is the argument of PublishKeys.
func (p *Played) Keys(place int) Map {
	m := p.Members[place]
	return p.With(Map{"seal_key": ledger.Hex(m.SealKey[:]), "mask_key": ledger.Hex(m.MaskKey[:])})
}

// Shares is the argument of CommitShares; it puts a sealed bundle of the right length, which nobody opens.
func (p *Played) Shares(place int) Map {
	m := p.Members[place]
	bundle := make([]byte, secagg.BundleBytes(len(p.Members)))
	copy(bundle, m.ID)
	sealed := p.f.Blobs.Put(bundle)
	return p.With(Map{
		"seed_commitment": ledger.Hex(m.SeedCommitment[:]), "shares_root": ledger.Hex(m.SharesRoot[:]),
		"sealed": ledger.Hex(sealed[:]),
	})
}

// Complaint is the argument of ReportFault by which a member complains of a dealer's sealed shares.
func (p *Played) Complaint(dealer int) Map {
	return p.With(Map{"kind": "bad_seal", "accused": p.Members[dealer].ID, "evidence": Map{}})
}

// Answer is the argument of AnswerComplaint.
func (p *Played) Answer(dealer, to int) Map {
	mask, seed, path := p.Dealt(dealer, to)
	hashes := []string{}
	for _, hash := range path {
		hashes = append(hashes, ledger.Hex(hash[:]))
	}
	return p.With(Map{"to": p.Members[to].ID, "mask": ledger.Hex(mask[:]), "seed": ledger.Hex(seed[:]), "path": hashes})
}

// Update is the argument of CommitUpdate; it puts the blob.
func (p *Played) Update(place int) Map {
	view, examples := p.View(), 100
	if declared, own := p.Examples[place]; own {
		examples = declared
	}
	digest := p.f.Blobs.Put(p.Updates[place])
	return p.With(Map{
		"digest": ledger.Hex(digest[:]), "length": len(p.Updates[place]), "examples": examples,
		"plan": view.Plan, "base_state": view.BaseState,
	})
}

// Reveal is the argument of RevealShares.
func (p *Played) Reveal(place int) Map {
	shares := []Map{}
	for _, reveal := range p.Reveals[place] {
		proof := []string{}
		for _, digest := range reveal.Proof {
			proof = append(proof, ledger.Hex(digest[:]))
		}
		shares = append(shares, Map{
			"dealer": reveal.Dealer, "kind": string(reveal.Kind), "value": ledger.Hex(reveal.Value[:]), "proof": proof,
		})
	}
	return p.With(Map{"shares": shares})
}

// Proposal is the argument of ProposeAggregate.
func (p *Played) Proposal() Map {
	examples := 0
	for _, member := range p.Opened().Cohort {
		if member.Survivor {
			examples += 100
		}
	}
	proposal := p.With(Map{
		"aggregate": ledger.Hex(p.Inputs.Aggregate[:]), "state": p.State(), "metrics": Map{"loss": "0.5"}, "examples": examples,
	})
	sums := []string{}
	for _, sum := range p.Inputs.Sums {
		sums = append(sums, ledger.Hex(sum[:]))
	}
	if p.Inputs.Rule != nil {
		proposal["sums"] = sums
	}
	if len(p.Inputs.Outlying) > 0 {
		proposal["outlying"] = p.Inputs.Outlying
	}
	return proposal
}
