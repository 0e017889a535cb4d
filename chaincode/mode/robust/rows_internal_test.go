package robust

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestRowsAreSortedSlotBySlotWhateverTheirNumber(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 70 {
		rows, expected := make([][]uint64, n), make([][]uint64, 5)
		for row := range rows {
			for slot := range expected {
				word := random.Uint64N(8) << random.IntN(60)
				rows[row] = append(rows[row], word)
				expected[slot] = append(expected[slot], word)
			}
		}
		sort(rows)
		for slot, words := range expected {
			slices.Sort(words)
			for row := range rows {
				if rows[row][slot] != words[row] {
					t.Fatalf("%d rows: slot %d has %d in place %d, not %d", n, slot, rows[row][slot], row, words[row])
				}
			}
		}
	}
}
