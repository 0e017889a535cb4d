// Command assets keeps assets and who owns them: Fabric's first example of a contract, on this shim.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"fedledger/chaincode/shim"
	"fedledger/chaincode/shim/process"
	"fedledger/chaincode/shim/protos/peer"
)

type asset struct {
	ID    string `json:"id"`
	Owner string `json:"owner"`
	Value string `json:"value"`
}

type contract struct{}

func (contract) Init(shim.ChaincodeStubInterface) *peer.Response { return shim.Success(nil) }

func (contract) Invoke(stub shim.ChaincodeStubInterface) *peer.Response {
	name, args := stub.GetFunctionAndParameters()
	functions := map[string]func(shim.ChaincodeStubInterface, []string) ([]byte, error){
		"CreateAsset": create, "ReadAsset": read, "TransferAsset": transfer, "DeleteAsset": remove, "GetAllAssets": all,
		"Break": func(shim.ChaincodeStubInterface, []string) ([]byte, error) { os.Exit(3); return nil, nil },
	}
	function, known := functions[name]
	if !known {
		return shim.Error("there is no function " + name)
	}
	result, err := function(stub, args)
	if err != nil {
		return shim.Error(err.Error())
	}
	return shim.Success(result)
}

func create(stub shim.ChaincodeStubInterface, args []string) ([]byte, error) {
	if held, err := stub.GetState(args[0]); err != nil || held != nil {
		return nil, fmt.Errorf("the asset %s already exists", args[0])
	}
	return nil, put(stub, asset{args[0], args[1], args[2]})
}

func read(stub shim.ChaincodeStubInterface, args []string) ([]byte, error) {
	held, err := stub.GetState(args[0])
	if err == nil && held == nil {
		err = fmt.Errorf("the asset %s does not exist", args[0])
	}
	return held, err
}

// transfer gives an asset to another owner, and announces it: id, new owner. It returns the old owner.
func transfer(stub shim.ChaincodeStubInterface, args []string) ([]byte, error) {
	held, err := read(stub, args)
	if err != nil {
		return nil, err
	}
	var found asset
	if err := json.Unmarshal(held, &found); err != nil {
		return nil, err
	}
	before := found.Owner
	found.Owner = args[1]
	if err := stub.SetEvent("Transfer", []byte(found.ID)); err != nil {
		return nil, err
	}
	return []byte(before), put(stub, found)
}

func remove(stub shim.ChaincodeStubInterface, args []string) ([]byte, error) {
	if _, err := read(stub, args); err != nil {
		return nil, err
	}
	return nil, stub.DelState(args[0])
}

func all(stub shim.ChaincodeStubInterface, _ []string) ([]byte, error) {
	states, err := stub.GetStateByRange("", "")
	if err != nil {
		return nil, err
	}
	defer func() { _ = states.Close() }()
	found := []json.RawMessage{}
	for states.HasNext() {
		state, err := states.Next()
		if err != nil {
			return nil, err
		}
		found = append(found, state.GetValue())
	}
	return json.Marshal(found)
}

func put(stub shim.ChaincodeStubInterface, held asset) error {
	value, err := json.Marshal(held)
	if err != nil {
		return err
	}
	return stub.PutState(held.ID, value)
}

func main() { os.Exit(process.Run(contract{})) }
