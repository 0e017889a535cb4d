package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"fedledger/chaincode/shim"
)

// setPolicy gives a key an endorsement policy of its own: key, policy in hex.
func setPolicy(s stub, args []string) ([]byte, error) {
	policy, err := hex.DecodeString(args[1])
	if err != nil {
		return nil, err
	}
	return nil, s.SetStateValidationParameter(args[0], policy)
}

// policy returns a key's own endorsement policy in hex: key.
func policy(s stub, args []string) ([]byte, error) {
	policy, err := s.GetStateValidationParameter(args[0])
	return []byte(hex.EncodeToString(policy)), err
}

// setPrivatePolicy gives a private key an endorsement policy of its own: collection, key, policy in hex.
func setPrivatePolicy(s stub, args []string) ([]byte, error) {
	policy, err := hex.DecodeString(args[2])
	if err != nil {
		return nil, err
	}
	return nil, s.SetPrivateDataValidationParameter(args[0], args[1], policy)
}

// privatePolicy returns a private key's own endorsement policy in hex: collection, key.
func privatePolicy(s stub, args []string) ([]byte, error) {
	policy, err := s.GetPrivateDataValidationParameter(args[0], args[1])
	return []byte(hex.EncodeToString(policy)), err
}

// change is one write of a key in a JSON result.
type change struct {
	TxID    string `json:"txid"`
	Value   string `json:"value"`
	Seconds int64  `json:"seconds"`
	Deleted bool   `json:"deleted"`
}

// history returns the writes of a key, the newest first: key.
func history(s stub, args []string) (result []byte, err error) {
	results, err := s.GetHistoryForKey(args[0])
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, results.Close()) }()
	changes := []change{}
	for results.HasNext() {
		found, err := results.Next()
		if err != nil {
			return nil, err
		}
		at := found.GetTimestamp().GetSeconds()
		changes = append(changes, change{found.GetTxId(), string(found.GetValue()), at, found.GetIsDelete()})
	}
	return json.Marshal(changes)
}

// richQuery asks the state database in its own language: query.
func richQuery(s stub, args []string) ([]byte, error) {
	results, err := s.GetQueryResult(args[0])
	if err != nil {
		return nil, err
	}
	pairs, err := collect(results)
	if err != nil {
		return nil, err
	}
	return json.Marshal(pairs)
}

// richPrivate does so in a collection: collection, query.
func richPrivate(s stub, args []string) ([]byte, error) {
	results, err := s.GetPrivateDataQueryResult(args[0], args[1])
	if err != nil {
		return nil, err
	}
	pairs, err := collect(results)
	if err != nil {
		return nil, err
	}
	return json.Marshal(pairs)
}

// call calls another chaincode and returns its result: chaincode, channel, function, arguments…
func call(s stub, args []string) ([]byte, error) {
	if len(args) < 3 {
		return nil, errors.New("FL0002: Call takes a chaincode, a channel, a function and arguments")
	}
	inner := make([][]byte, 0, len(args)-2)
	for _, arg := range args[2:] {
		inner = append(inner, []byte(arg))
	}
	response := s.InvokeChaincode(args[0], inner, args[1])
	if response.GetStatus() != shim.OK {
		return nil, fmt.Errorf("FL0008: %d %s", response.GetStatus(), response.GetMessage())
	}
	return response.GetPayload(), nil
}

// callAndPut writes a key and calls another chaincode: key, value, chaincode, channel, function, arguments…
func callAndPut(s stub, args []string) ([]byte, error) {
	if len(args) < 5 {
		return nil, errors.New("FL0002: CallAndPut takes a key, a value and what Call takes")
	}
	if err := s.PutState(args[0], []byte(args[1])); err != nil {
		return nil, err
	}
	return call(s, args[2:])
}
