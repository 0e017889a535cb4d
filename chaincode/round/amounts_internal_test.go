package round

import (
	"testing"

	"fedledger/chaincode/governance"
)

func TestSharesOfAWholeAreHeldAgainstTheirLimitWithoutOverflow(t *testing.T) {
	const most = 1 << 41 // rows that a participant may declare: 2^40, rounded up to a bucket of as many
	for _, c := range []struct {
		part, whole, ppm uint64
		expected         bool
	}{
		{7, 10, 700_000, false}, {71, 100, 700_000, true}, {0, 0, 700_000, false},
		{most, 17 * most, 999_999, false}, {most, 100 * most, 10_000, false}, {most, 100 * most, 9_999, true},
	} {
		if got := exceeds(c.part, c.whole, c.ppm); got != c.expected {
			t.Errorf("%d of %d at %d ppm: expected %v, got %v", c.part, c.whole, c.ppm, c.expected, got)
		}
	}
}

func TestSlashesOfTheLargestStakesDoNotOverflow(t *testing.T) {
	for _, c := range []struct{ amount, ppm, expected uint64 }{
		{1_000_000, 10_000, 10_000}, {1_999_999, 500_000, 999_999}, {1 << 53, 1_000_000, 1 << 53}, {1 << 53, 500_000, 1 << 52}, {3, 333_333, 0},
	} {
		if got := (governance.Parameters{MinimumStake: c.amount, SlashFaultPPM: c.ppm}).FaultSlash(); got != c.expected {
			t.Errorf("%d ppm of %d: expected %d, got %d", c.ppm, c.amount, c.expected, got)
		}
	}
}
