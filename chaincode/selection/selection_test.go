package selection

import (
	"fmt"
	"slices"
	"testing"
	"testing/quick"
)

func candidates(n int) []Candidate {
	list := make([]Candidate, n)
	for i := range list {
		list[i] = Candidate{fmt.Sprintf("p%02d", i), fmt.Sprintf("Org%d", i/2), 1000, 1000, 100, uint64(100 * (i%10 + 1))}
	}
	return list
}

func threshold(n int) int { return 2*n/3 + 1 }

func TestADrawHoldsEveryCandidateOnceWhateverTheirOrder(t *testing.T) {
	property := func(seed [32]byte, size uint8) bool {
		list := candidates(int(size % 30))
		reversed := slices.Clone(list)
		slices.Reverse(reversed)
		draw := Draw(seed[:], "t", 1, list)
		seen := map[string]bool{}
		for _, candidate := range draw {
			seen[candidate.Participant] = true
		}
		return len(seen) == len(list) && slices.Equal(draw, Draw(seed[:], "t", 1, reversed))
	}
	if err := quick.Check(property, nil); err != nil {
		t.Fatal(err)
	}
}

func TestTheFirstPlaceFollowsTheWeights(t *testing.T) {
	list := []Candidate{{"a", "A", 10, 10, 10, 10}, {"b", "B", 10, 10, 10, 30}}
	first := 0
	const draws = 4000
	for i := range draws {
		seed := [32]byte{byte(i), byte(i >> 8)}
		if Draw(seed[:], "t", 1, list)[0].Participant == "b" {
			first++
		}
	}
	if first < draws*3/4-150 || first > draws*3/4+150 { // five standard deviations
		t.Fatalf("three quarters of the weight came first %d times of %d", first, draws)
	}
}

func TestAnotherSeedTrainingOrEpochDrawsAnotherOrder(t *testing.T) {
	list, seed := candidates(20), make([]byte, 32)
	base := Draw(seed, "t", 1, list)
	other := slices.Clone(seed)
	other[0] = 1
	for _, draw := range [][]Candidate{Draw(other, "t", 1, list), Draw(seed, "u", 1, list), Draw(seed, "t", 2, list)} {
		if slices.Equal(base, draw) {
			t.Fatal("the same order")
		}
	}
}

func TestT10OneOrganisationStaysBelowTheThresholdAndLeavesThreeSurvivors(t *testing.T) {
	for n := 4; n <= 20; n++ {
		for own := range n + 1 {
			order := candidates(n)
			for i := range order {
				order[i].MSPID = fmt.Sprintf("Org%d", i)
				if i < own {
					order[i].MSPID = "Big"
				}
			}
			cohort, err := Cohort(order, Limits{Size: n, Min: 4, PerOrganisation: 100, SurvivorMin: 3, Threshold: threshold})
			if err != nil {
				continue
			}
			big := 0
			for _, candidate := range cohort {
				if candidate.MSPID == "Big" {
					big++
				}
			}
			if big >= threshold(len(cohort)) || len(cohort)-big < 3 {
				t.Fatalf("%d of %d belong to one organisation", big, len(cohort))
			}
		}
	}
}

func TestACohortIsTheFirstOfTheDrawWithinTheLimits(t *testing.T) {
	order := candidates(8) // two of each organisation
	cohort, err := Cohort(order, Limits{Size: 6, Min: 4, PerOrganisation: 1, SurvivorMin: 3, Threshold: threshold})
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, candidate := range cohort {
		names = append(names, candidate.Participant)
	}
	if want := []string{"p00", "p02", "p04", "p06"}; !slices.Equal(want, names) {
		t.Fatalf("want %v, got %v", want, names)
	}
	if _, err := Cohort(order[:6], Limits{Size: 6, Min: 4, PerOrganisation: 1, SurvivorMin: 3, Threshold: threshold}); err == nil {
		t.Fatal("three organisations made a cohort of four")
	}
}
