// Command chaincode serves the federation contract as an organisation's own chaincode process.
package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"os"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/contract"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/round"
	"fedledger/chaincode/shim/process"
)

func main() {
	process.Log(os.Stdout)
	rules, err := fromEnvironment()
	if err != nil {
		slog.Error("chaincode not started", "error", err.Error())
		os.Exit(2)
	}
	os.Exit(process.Run(contract.Chaincode{Contract: rules}))
}

// fromEnvironment reads FEDLEDGER_DEFINITION, the organisation's copy of the consortium's definition, and FEDLEDGER_BLOBS,
// its blob folder.
func fromEnvironment() (contract.Contract, error) {
	folder, path := os.Getenv("FEDLEDGER_BLOBS"), os.Getenv("FEDLEDGER_DEFINITION")
	if folder == "" || path == "" {
		return contract.Contract{}, fmt.Errorf("FEDLEDGER_BLOBS and FEDLEDGER_DEFINITION must be set")
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return contract.Contract{}, fmt.Errorf("FEDLEDGER_DEFINITION: %w", err)
	}
	var definition governance.Definition
	if err := json.Unmarshal(raw, &definition); err != nil {
		return contract.Contract{}, fmt.Errorf("FEDLEDGER_DEFINITION: %s: %w", path, err)
	}
	// What a verification may cost is voted, and held before a round opens: one that is open can always be verified.
	verifier := aggregate.NewVerifier(aggregate.Folder(folder), aggregate.Limits{Cost: math.MaxInt64})
	return contract.Contract{
		Definition: definition,
		Verifier:   round.Recompute{Work: verifier},
	}, nil
}
