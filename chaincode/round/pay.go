package round

import (
	"slices"

	"fedledger/chaincode/rewards"
)

// claim is a member's claim on the budget for so many rows.
func (m Member) claim(volume uint64) rewards.Share {
	return rewards.Share{Participant: m.Participant, Volume: volume, Quality: m.Quality, Reliability: m.Reliability}
}

// pay splits the budget among those who finished. Nobody gains by having others kept out with complaints that nothing proves:
// the part of those kept out, as large as it can have been, is set aside. In version 1 it is for the members that came in their
// place, who would have had nothing; where there are none, and in later versions, it goes back to the treasury.
//
// Scenario, in version 1: seven of equal weight; a, b and c, more than may be faulty, complain of honest g, and g sits out the epoch. The six
// others are paid a seventh each, and a seventh goes back. Had there been an eighth candidate, it would have g's seventh.
func (r Round) pay(finished []rewards.Share) map[string]uint64 {
	claims, inPlace := []rewards.Share{}, []rewards.Share{}
	for _, claim := range finished {
		if slices.Contains(r.InPlace, claim.Participant) {
			inPlace = append(inPlace, claim)
		} else {
			claims = append(claims, claim)
		}
	}
	regular := len(claims)
	for _, member := range r.KeptOut {
		claims = append(claims, member.claim(member.most(r.Parameters.CountBucket)))
	}
	amounts, aside := map[string]uint64{}, uint64(0)
	for i, amount := range rewards.Split(r.Budget, claims) {
		if i < regular {
			amounts[claims[i].Participant] = amount
		} else {
			aside += amount
		}
	}
	if differ(r.Rules).replaces {
		for i, amount := range rewards.Split(aside, inPlace) {
			amounts[inPlace[i].Participant] = amount
		}
	}
	return amounts
}
