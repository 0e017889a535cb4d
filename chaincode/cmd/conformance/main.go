// Command conformance is the contract that the suite in tests/contract runs: each function does one thing that
// fedledger relies on a Fabric network for, or one thing that a network must refuse.
//
// Arguments are plain strings, results are text or JSON. It runs as any chaincode process (package process).
package main

import (
	"fmt"
	"os"

	"fedledger/chaincode/shim"
	"fedledger/chaincode/shim/process"
	"fedledger/chaincode/shim/protos/peer"
)

// function is one entry of the contract: its number of arguments (-1 for any) and what it does.
type function struct {
	arguments int
	call      func(stub shim.ChaincodeStubInterface, args []string) ([]byte, error)
}

var functions = map[string]function{
	"Put":                {2, put},
	"Get":                {1, get},
	"Delete":             {1, remove},
	"Increment":          {1, increment},
	"PutMany":            {2, putMany},
	"GetMany":            {-1, getMany},
	"PutBatch":           {2, putBatch},
	"ReadYourWrite":      {2, readYourWrite},
	"Range":              {2, rangeOf},
	"CountInto":          {3, countInto},
	"CountThenIncrement": {3, countThenIncrement},
	"Page":               {4, page},
	"PutComposite":       {-1, putComposite},
	"CompositeRange":     {-1, compositeRange},
	"CompositePage":      {4, compositePage},
	"PutWithEvent":       {4, putWithEvent},
	"Creator":            {0, creator},
	"RequireRole":        {2, requireRole},
	"Proposal":           {0, proposalFacts},
	"PutTime":            {1, putTime},
	"Transient":          {1, transient},
	"PutDigestOf":        {2, putDigestOf},
	"ProcessMSP":         {0, processMSP},
	"PutProcessMSP":      {1, putProcessMSP},
	"PutIfProcessOf":     {-1, putIfProcessOf},
	"PutRandom":          {1, putRandom},
	"ReadTwice":          {2, readTwice},
	"SlowPut":            {3, slowPut},
	"ReadWait":           {2, readWait},
	"Release":            {1, release},
	"Fail":               {2, fail},
	"Panic":              {1, panics},
	"LongError":          {2, longError},
	"BadText":            {0, badText},
	"Exit":               {0, exit},
	"Large":              {1, large},
	"BadKeys":            {0, badKeys},
	"LeaveAGoroutine":    {1, leaveAGoroutine},
	"SetPolicy":          {2, setPolicy},
	"Policy":             {1, policy},
	"SetPrivatePolicy":   {3, setPrivatePolicy},
	"PrivatePolicy":      {2, privatePolicy},
	"History":            {1, history},
	"RichQuery":          {1, richQuery},
	"RichPrivate":        {2, richPrivate},
	"Call":               {-1, call},
	"CallAndPut":         {-1, callAndPut},
	"PutPrivate":         {2, putPrivate},
	"PutPrivateInBoth":   {3, putPrivateInBoth},
	"PutPrivateMany":     {3, putPrivateMany},
	"IncrementPrivate":   {2, incrementPrivate},
	"GetPrivate":         {2, getPrivate},
	"GetPrivateMany":     {-1, getPrivateMany},
	"PrivateHash":        {2, privateHash},
	"PutIfPrivateHash":   {3, putIfPrivateHash},
	"DeletePrivate":      {2, deletePrivate},
	"PurgePrivate":       {2, purgePrivate},
	"PrivateRange":       {3, privateRange},
	"PrivateRangeThen":   {2, privateRangeThen},
}

type contract struct{}

func (contract) Init(shim.ChaincodeStubInterface) *peer.Response { return shim.Success(nil) }

func (contract) Invoke(stub shim.ChaincodeStubInterface) *peer.Response {
	name, args := stub.GetFunctionAndParameters()
	switch name {
	case "Status":
		return status(args)
	case "Nothing": // no response at all
		return nil
	}
	chosen, known := functions[name]
	if !known {
		return shim.Error(fmt.Sprintf("FL0001: unknown function %q", name))
	}
	if chosen.arguments >= 0 && chosen.arguments != len(args) {
		return shim.Error(fmt.Sprintf("FL0002: %s takes %d arguments, not %d", name, chosen.arguments, len(args)))
	}
	result, err := chosen.call(stub, args)
	if err != nil {
		return shim.Error(err.Error())
	}
	return shim.Success(result)
}

func main() { os.Exit(process.Run(contract{})) }
