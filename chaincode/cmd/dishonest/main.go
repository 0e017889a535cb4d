// Command dishonest serves the contract of an organisation that endorses any sum without a look at a blob. Scenarios put
// it in the place of an honest organisation's process, to see that nothing comes of it.
package main

import (
	"os"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/contract"
	"fedledger/chaincode/shim/process"
)

// anything accepts whatever it is asked to verify.
type anything struct{}

func (anything) CheckSealed(aggregate.Digest, int, string) error              { return nil }
func (anything) CheckUpdate(aggregate.Digest, aggregate.Layout, string) error { return nil }
func (anything) VerifyAggregate(aggregate.Inputs, uint64) error               { return nil }
func (anything) Recheck(aggregate.Inputs, uint64, string) error               { return nil }
func (anything) VerifyFault(aggregate.Inputs, aggregate.Fault) error          { return nil }

func main() {
	os.Exit(process.Run(contract.Chaincode{Contract: contract.Contract{Verifier: anything{}}}))
}
