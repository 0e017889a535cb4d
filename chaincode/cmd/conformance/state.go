package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"fedledger/chaincode/shim"
)

type stub = shim.ChaincodeStubInterface

// pair is a key and its value in a JSON result.
type pair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// put writes a value: key, value.
func put(s stub, args []string) ([]byte, error) {
	return []byte(args[1]), s.PutState(args[0], []byte(args[1]))
}

// get returns a value, empty where there is none: key.
func get(s stub, args []string) ([]byte, error) { return s.GetState(args[0]) }

func remove(s stub, args []string) ([]byte, error) { return nil, s.DelState(args[0]) }

// increment reads a decimal number and writes the next: key.
func increment(s stub, args []string) ([]byte, error) {
	value, err := s.GetState(args[0])
	if err != nil {
		return nil, err
	}
	number := 0
	if value != nil {
		if number, err = strconv.Atoi(string(value)); err != nil {
			return nil, fmt.Errorf("FL0003: %s holds no number", args[0])
		}
	}
	next := []byte(strconv.Itoa(number + 1))
	return next, s.PutState(args[0], next)
}

// putMany writes prefix0000 … : prefix, number.
func putMany(s stub, args []string) ([]byte, error) {
	number, err := strconv.Atoi(args[1])
	if err != nil {
		return nil, err
	}
	return nil, writeMany(s, args[0], number)
}

func writeMany(s stub, prefix string, number int) error {
	for n := range number {
		key := fmt.Sprintf("%s%04d", prefix, n)
		if err := s.PutState(key, []byte(strconv.Itoa(n))); err != nil {
			return err
		}
	}
	return nil
}

// getMany returns the values of all keys as a JSON list, null where there is none.
func getMany(s stub, args []string) ([]byte, error) {
	values, err := s.GetMultipleStates(args...)
	if err != nil {
		return nil, err
	}
	return texts(values)
}

// texts returns values as a JSON list, null where there is none.
func texts(values [][]byte) ([]byte, error) {
	found := make([]*string, len(values))
	for n, value := range values {
		if value != nil {
			text := string(value)
			found[n] = &text
		}
	}
	return json.Marshal(found)
}

// putBatch is putMany in write batches; it deletes the last key within the batch: prefix, number.
func putBatch(s stub, args []string) ([]byte, error) {
	number, err := strconv.Atoi(args[1])
	if err != nil {
		return nil, err
	}
	s.StartWriteBatch()
	if err := writeMany(s, args[0], number); err != nil {
		return nil, err
	}
	if err := s.DelState(fmt.Sprintf("%s%04d", args[0], number-1)); err != nil {
		return nil, err
	}
	return nil, s.FinishWriteBatch()
}

// readYourWrite writes and returns what a read then sees, which is the committed value: key, value.
func readYourWrite(s stub, args []string) ([]byte, error) {
	if err := s.PutState(args[0], []byte(args[1])); err != nil {
		return nil, err
	}
	return s.GetState(args[0])
}

// badKeys tries keys that must be refused and returns the refusals; a key that is taken is an error.
func badKeys(s stub, _ []string) ([]byte, error) {
	_, composite := s.CreateCompositeKey("type", []string{"a\x00b"})
	_, open := s.GetStateByRange("\x00type", "")
	refusals := map[string]error{
		"empty":                s.PutState("", []byte("x")),
		"not UTF-8":            s.PutState("\xff", []byte("x")),
		"U+0000 in a part":     composite,
		"U+0000 opens a range": open,
	}
	texts := map[string]string{}
	for name, refusal := range refusals {
		if refusal == nil {
			return nil, errors.New("FL0004: taken: " + name)
		}
		texts[name] = refusal.Error()
	}
	return json.Marshal(texts)
}
