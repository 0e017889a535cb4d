package round_test

import (
	"encoding/json"
	"os"
	"testing"

	"fedledger/chaincode/round"
)

// TestAccountsAddUpAsTheirReadersSay runs the vectors that fl_node/privacy/integers.py runs too.
func TestAccountsAddUpAsTheirReadersSay(t *testing.T) {
	raw, err := os.ReadFile("../../tests/vectors/privacy.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name      string
		Promise   round.Privacy
		Survivors []int
		Spent     round.Spent
	}
	if err := json.Unmarshal(raw, &cases); err != nil || len(cases) < 5 {
		t.Fatal(len(cases), err)
	}
	for _, c := range cases {
		if err := c.Promise.Check(); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		var spent round.Spent
		for _, survivors := range c.Survivors {
			spent = spent.Add(c.Promise.Loss(survivors))
		}
		if spent != c.Spent {
			t.Errorf("%s: %v, not %v", c.Name, spent, c.Spent)
		}
	}
}
