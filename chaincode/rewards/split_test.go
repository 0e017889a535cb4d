package rewards

import (
	"testing"
	"testing/quick"
)

func TestSplitGivesTheWholeBudgetAndNobodyAWholeUnitMoreOrLessThanItsQuota(t *testing.T) {
	property := func(budget uint32, volumes [5]uint16, qualities [5]uint8) bool {
		shares, weight := []Share{}, uint64(0)
		for i := range volumes {
			share := Share{Volume: uint64(volumes[i]), Quality: uint64(qualities[i]), Reliability: 500}
			shares, weight = append(shares, share), weight+share.Volume*share.Quality
		}
		total := uint64(0)
		for i, part := range Split(uint64(budget), shares) {
			total += part
			if weight == 0 {
				continue
			}
			quota := uint64(budget) * shares[i].Volume * shares[i].Quality / weight
			if part < quota || part > quota+1 {
				return false
			}
		}
		return total == uint64(budget) || weight == 0 && total == 0
	}
	if err := quick.Check(property, nil); err != nil {
		t.Fatal(err)
	}
}

func TestSplitByHand(t *testing.T) {
	shares := []Share{{"a", 1, 1, 1}, {"b", 1, 1, 1}, {"c", 1, 1, 1}}
	want := []uint64{4, 3, 3}
	for i, part := range Split(10, shares) {
		if part != want[i] {
			t.Fatalf("want %v, got %d at %d", want, part, i)
		}
	}
}

func TestAScoreForgetsAndNeverLeavesItsRange(t *testing.T) {
	property := func(outcomes []uint8, decay uint32) bool {
		score := Score{Reputation: ppm / 2, Availability: ppm}
		for _, outcome := range outcomes {
			score = score.Fold([]string{Finished, Dropout, Fault}[outcome%3], uint64(decay)%ppm+1)
			if score.Reputation > ppm || score.Availability > ppm {
				return false
			}
		}
		return true
	}
	if err := quick.Check(property, nil); err != nil {
		t.Fatal(err)
	}
	good, bad := Score{Reputation: ppm / 2, Availability: ppm}, Score{Reputation: ppm / 2, Availability: ppm}
	for range 100 {
		good, bad = good.Fold(Finished, 100_000), bad.Fold(Fault, 100_000)
	}
	if good.Reputation < 990_000 || bad.Reputation > 10 {
		t.Fatalf("good %d, bad %d", good.Reputation, bad.Reputation)
	}
}
