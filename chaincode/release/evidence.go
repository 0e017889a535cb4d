package release

import (
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

// Evidence is what the rules cannot see of themselves: blocks and the plan's bundle. Each node holds it against its own peer's
// blocks and the plan before it signs.
type Evidence struct {
	Genesis    string `json:"genesis"`
	FinalBlock uint64 `json:"final_block"`
	FinalHash  string `json:"final_hash"`
	FinalTx    string `json:"final_transaction"`
	Framework  string `json:"framework"`
	Noise      Noise  `json:"noise"`
	Code       Code   `json:"code"`
	// NotAudited is what no audit of the blocks can make again: sentences that follow from the plan.
	NotAudited []string `json:"not_audited"`
}

func (e Evidence) check() error {
	if err := ledger.Digests("genesis", e.Genesis, "final_hash", e.FinalHash, "final_transaction", e.FinalTx); err != nil {
		return err
	}
	if err := e.Noise.check(); err != nil {
		return err
	}
	if err := e.Code.check(); err != nil {
		return err
	}
	if e.Noise.Spent == nil || e.NotAudited == nil {
		return errcode.New(errcode.BadArgument, "spent and not_audited must be there, though they be empty")
	}
	return checkNotAudited(e.NotAudited)
}

// Code is which chaincode the organisations run, as their package.lock has it: SHA-256 of its sources and of the package whose
// id they approved. Both are empty where an organisation has no lock.
type Code struct {
	Source  string `json:"source"`
	Package string `json:"package"`
}

func (c Code) check() error {
	if c == (Code{}) {
		return nil
	}
	return ledger.Digests("source", c.Source, "package", c.Package)
}

// Noise is what the plan promises by differential privacy; Unit is empty where it promises nothing. Numbers are decimal texts.
type Noise struct {
	Unit    string `json:"unit"`
	Epsilon string `json:"epsilon"`
	Delta   string `json:"delta"`
	Clip    string `json:"clip"`
	Rounds  uint64 `json:"rounds"`
	// Spent is each participant's ε over all rounds of the training up to this one, void ones too, at Delta.
	Spent map[string]string `json:"spent"`
}

func (n Noise) check() error {
	for _, text := range []string{n.Unit, n.Epsilon, n.Delta, n.Clip} {
		if err := ledger.CheckText("noise", text, maxNoise); err != nil {
			return err
		}
	}
	for _, id := range sortedKeys(n.Spent) {
		if err := ledger.CheckID("participant", id); err != nil {
			return err
		}
		if err := ledger.CheckText("spent", n.Spent[id], maxNoise); err != nil {
			return err
		}
	}
	return nil
}

func checkNotAudited(texts []string) error {
	if len(texts) > maxTexts {
		return errcode.New(errcode.LimitExceeded, "%d sentences, at most %d", len(texts), maxTexts)
	}
	for _, text := range texts {
		if err := ledger.CheckText("not_audited", text, maxReason); err != nil {
			return err
		}
	}
	return nil
}
