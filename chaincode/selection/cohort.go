package selection

import (
	"slices"

	"fedledger/chaincode/errcode"
)

// Limits bound a cohort.
type Limits struct {
	Size            int // wanted
	Min             int // cohort_min
	PerOrganisation int // participants_per_organisation
	SurvivorMin     int
	Threshold       func(n int) int // of secure aggregation
}

// MinOrganisations is how many organisations a cohort, and its survivors, are of at least: of two, each would know the other's
// sum. No vote can lower it.
const MinOrganisations = 3

// Cohort takes the largest cohort up to the wanted size from a draw's order, and returns it sorted by id. One
// organisation's members stay below the threshold, and without them survivor_min remain. Three organisations take part.
func Cohort(order []Candidate, limits Limits) ([]Candidate, error) {
	for n := min(limits.Size, len(order)); n >= limits.Min; n-- {
		most := min(limits.PerOrganisation, limits.Threshold(n)-1, n-limits.SurvivorMin)
		if cohort := take(order, n, most); len(cohort) == n {
			slices.SortFunc(cohort, byID)
			return cohort, nil
		}
	}
	return nil, errcode.New(errcode.TooFewCandidates, "%d eligible participants of %d organisations make no cohort of %d to %d of three: "+
		"reinstate some or add to their stakes; or admit some, and vote to roll back to the head: that begins an epoch with the new candidates",
		len(order), organisations(order), limits.Min, limits.Size)
}

// take takes n in order, at most so many of one organisation, and keeps places for the organisations that are still needed.
func take(order []Candidate, n, most int) []Candidate {
	cohort, own := []Candidate{}, map[string]int{}
	for _, candidate := range order {
		left, needed := n-len(cohort), MinOrganisations-len(own)
		if fresh := own[candidate.MSPID] == 0; left > 0 && own[candidate.MSPID] < most && (fresh || left > needed) {
			cohort = append(cohort, candidate)
			own[candidate.MSPID]++
		}
	}
	return cohort
}

func organisations(candidates []Candidate) int {
	own := map[string]bool{}
	for _, candidate := range candidates {
		own[candidate.MSPID] = true
	}
	return len(own)
}

func byID(a, b Candidate) int {
	switch {
	case a.Participant < b.Participant:
		return -1
	case a.Participant > b.Participant:
		return 1
	}
	return 0
}
