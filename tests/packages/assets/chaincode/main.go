// Command assets keeps assets and who owns them: Fabric's first example of a contract, on this shim.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"

	"fedledger/chaincode/shim"
	"fedledger/chaincode/shim/process"
	"fedledger/chaincode/shim/protos/peer"
)

type asset struct {
	AppraisedValue int
	Color          string
	ID             string
	Owner          string
	Size           int
}

type contract struct{}

type function struct {
	arguments int
	call      func(shim.ChaincodeStubInterface, []string) ([]byte, error)
}

var functions = map[string]function{
	"InitLedger":    {0, first},
	"CreateAsset":   {5, create},
	"ReadAsset":     {1, read},
	"UpdateAsset":   {5, update},
	"DeleteAsset":   {1, remove},
	"AssetExists":   {1, exists},
	"TransferAsset": {2, transfer},
	"GetAllAssets":  {0, all},
	"Break":         {0, func(shim.ChaincodeStubInterface, []string) ([]byte, error) { os.Exit(3); return nil, nil }},
}

func (contract) Init(shim.ChaincodeStubInterface) *peer.Response { return shim.Success(nil) }

func (contract) Invoke(stub shim.ChaincodeStubInterface) *peer.Response {
	name, args := stub.GetFunctionAndParameters()
	function, known := functions[name]
	if !known || len(args) != function.arguments {
		return shim.Error("there is no function " + name + " of so many arguments")
	}
	result, err := function.call(stub, args)
	if err != nil {
		return shim.Error(err.Error())
	}
	return shim.Success(result)
}

func first(stub shim.ChaincodeStubInterface, _ []string) ([]byte, error) {
	return nil, errors.Join(
		put(stub, asset{300, "blue", "asset1", "Tomoko", 5}),
		put(stub, asset{400, "red", "asset2", "Brad", 5}),
		put(stub, asset{500, "green", "asset3", "Jin Soo", 10}),
	)
}

// described reads what CreateAsset and UpdateAsset are given: id, colour, size, owner, value.
func described(args []string) (asset, error) {
	size, wrongSize := strconv.Atoi(args[2])
	value, wrongValue := strconv.Atoi(args[4])
	return asset{value, args[1], args[0], args[3], size}, errors.Join(wrongSize, wrongValue)
}

func create(stub shim.ChaincodeStubInterface, args []string) ([]byte, error) {
	if held, err := stub.GetState(args[0]); err != nil || held != nil {
		return nil, errors.Join(err, fmt.Errorf("the asset %s already exists", args[0]))
	}
	made, err := described(args)
	if err != nil {
		return nil, err
	}
	return nil, put(stub, made)
}

func update(stub shim.ChaincodeStubInterface, args []string) ([]byte, error) {
	if _, err := read(stub, args); err != nil {
		return nil, err
	}
	made, err := described(args)
	if err != nil {
		return nil, err
	}
	return nil, put(stub, made)
}

func exists(stub shim.ChaincodeStubInterface, args []string) ([]byte, error) {
	held, err := stub.GetState(args[0])
	return strconv.AppendBool(nil, held != nil), err
}

func read(stub shim.ChaincodeStubInterface, args []string) ([]byte, error) {
	held, err := stub.GetState(args[0])
	if err == nil && held == nil {
		err = fmt.Errorf("the asset %s does not exist", args[0])
	}
	return held, err
}

// transfer gives an asset to another owner, and announces it; it returns the old owner.
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
