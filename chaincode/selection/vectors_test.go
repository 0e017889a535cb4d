package selection

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"

	"fedledger/chaincode/codec"
)

var rewrite = flag.Bool("rewrite", false, "write the vectors as they come out")

const vectorsPath = "../../tests/vectors/selection.json"

// vector is a draw that tests/unit/rules/test_selection.py makes again in Python.
type vector struct {
	Seed        string      `json:"seed"`
	Training    string      `json:"training"`
	Epoch       uint64      `json:"epoch"`
	Candidates  []Candidate `json:"candidates"`
	Order       []string    `json:"order"`
	Round       uint64      `json:"round"`
	Attempt     uint64      `json:"attempt"`
	Aggregators []string    `json:"aggregators"`
}

func TestVectorsOfDrawsAreWhatPythonDrawsToo(t *testing.T) {
	vectors := []vector{}
	for n := range 12 {
		seed := codec.Hash("test/seed", codec.U64(uint64(n)))
		v := vector{Seed: hex.EncodeToString(seed[:]), Training: fmt.Sprintf("training-%d", n), Epoch: uint64(n + 1), Round: uint64(5 * n), Attempt: 2, Candidates: []Candidate{}, Order: []string{}}
		for i := range n {
			factor := func(k int) uint64 { return uint64(seed[(4*i+k)%32])*3 + 1 }
			v.Candidates = append(v.Candidates, Candidate{fmt.Sprintf("hospital-%02d", i), fmt.Sprintf("H%02dMSP", i), factor(0), factor(1), factor(2), factor(3)})
		}
		for _, candidate := range Draw(seed[:], v.Training, v.Epoch, v.Candidates) {
			v.Order = append(v.Order, candidate.Participant)
		}
		v.Aggregators = Shuffle(seed[:], v.Training, v.Round, v.Attempt, v.Order)
		vectors = append(vectors, v)
	}
	want, err := json.MarshalIndent(map[string]any{
		"origin": "go test ./selection -run Vectors -rewrite; checked by tests/unit/rules/test_selection.py", "cases": vectors,
	}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if *rewrite {
		if err := os.WriteFile(vectorsPath, append(want, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(vectorsPath)
	if err != nil || !bytes.Equal(append(want, '\n'), have) {
		t.Fatal("the vectors are others", err)
	}
}
