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

// Cohort takes the largest cohort up to the wanted size from a draw's order, and returns it sorted by id. One
// organisation's members stay below the threshold, and without them survivor_min remain.
func Cohort(order []Candidate, limits Limits) ([]Candidate, error) {
	for n := min(limits.Size, len(order)); n >= limits.Min; n-- {
		most := min(limits.PerOrganisation, limits.Threshold(n)-1, n-limits.SurvivorMin)
		if cohort := take(order, n, most); len(cohort) == n {
			slices.SortFunc(cohort, byID)
			return cohort, nil
		}
	}
	return nil, errcode.New(errcode.TooFewCandidates, "%d eligible participants make no cohort of %d to %d: admit or reinstate some; "+
		"a vote to roll back to the head begins an epoch with new candidates", len(order), limits.Min, limits.Size)
}

func take(order []Candidate, n, most int) []Candidate {
	cohort, own := []Candidate{}, map[string]int{}
	for _, candidate := range order {
		if len(cohort) < n && own[candidate.MSPID] < most {
			cohort = append(cohort, candidate)
			own[candidate.MSPID]++
		}
	}
	return cohort
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
