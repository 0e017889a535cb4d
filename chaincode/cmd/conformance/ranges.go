package main

import (
	"encoding/json"
	"errors"
	"strconv"

	"fedledger/chaincode/shim"
)

// collect reads an iterator to its end.
func collect(results shim.StateQueryIteratorInterface) (pairs []pair, err error) {
	defer func() { err = errors.Join(err, results.Close()) }()
	pairs = []pair{}
	for results.HasNext() {
		result, err := results.Next()
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, pair{result.GetKey(), string(result.GetValue())})
	}
	return pairs, nil
}

// rangeOf returns keys and values: start, end.
func rangeOf(s stub, args []string) ([]byte, error) {
	results, err := s.GetStateByRange(args[0], args[1])
	if err != nil {
		return nil, err
	}
	pairs, err := collect(results)
	if err != nil {
		return nil, err
	}
	return json.Marshal(pairs)
}

// countInto counts the keys of a range and writes the number, so that the range is validated: start, end, key.
func countInto(s stub, args []string) ([]byte, error) {
	results, err := s.GetStateByRange(args[0], args[1])
	if err != nil {
		return nil, err
	}
	pairs, err := collect(results)
	if err != nil {
		return nil, err
	}
	number := []byte(strconv.Itoa(len(pairs)))
	return number, s.PutState(args[2], number)
}

// countThenIncrement reads a range and then increments a key: start, end, key.
func countThenIncrement(s stub, args []string) ([]byte, error) {
	results, err := s.GetStateByRange(args[0], args[1])
	if err != nil {
		return nil, err
	}
	if _, err := collect(results); err != nil {
		return nil, err
	}
	return increment(s, args[2:])
}

// onePage is a page in a JSON result.
type onePage struct {
	Items    []pair `json:"items"`
	Bookmark string `json:"bookmark"`
	Fetched  int32  `json:"fetched"`
}

// page returns one page of a range: start, end, size, bookmark.
func page(s stub, args []string) ([]byte, error) {
	size, err := strconv.ParseInt(args[2], 10, 32)
	if err != nil {
		return nil, err
	}
	results, metadata, err := s.GetStateByRangeWithPagination(args[0], args[1], int32(size), args[3])
	if err != nil {
		return nil, err
	}
	pairs, err := collect(results)
	if err != nil {
		return nil, err
	}
	return json.Marshal(onePage{pairs, metadata.GetBookmark(), metadata.GetFetchedRecordsCount()})
}

// putComposite writes a composite key: value, type, attributes…
func putComposite(s stub, args []string) ([]byte, error) {
	if len(args) < 2 {
		return nil, errors.New("FL0002: PutComposite takes a value, a type and attributes")
	}
	key, err := s.CreateCompositeKey(args[1], args[2:])
	if err != nil {
		return nil, err
	}
	return nil, s.PutState(key, []byte(args[0]))
}

// compositeRange returns the attributes and values under a partial composite key: type, attributes…
func compositeRange(s stub, args []string) ([]byte, error) {
	if len(args) < 1 {
		return nil, errors.New("FL0002: CompositeRange takes a type and attributes")
	}
	results, err := s.GetStateByPartialCompositeKey(args[0], args[1:])
	if err != nil {
		return nil, err
	}
	pairs, err := collect(results)
	if err != nil {
		return nil, err
	}
	rows := make([][]string, len(pairs))
	for n, pair := range pairs {
		objectType, attributes, err := s.SplitCompositeKey(pair.Key)
		if err != nil {
			return nil, err
		}
		rows[n] = append(append([]string{objectType}, attributes...), pair.Value)
	}
	return json.Marshal(rows)
}

// compositePage returns one page under a partial composite key: type, attribute, size, bookmark.
func compositePage(s stub, args []string) ([]byte, error) {
	size, err := strconv.ParseInt(args[2], 10, 32)
	if err != nil {
		return nil, err
	}
	results, metadata, err := s.GetStateByPartialCompositeKeyWithPagination(args[0], args[1:2], int32(size), args[3])
	if err != nil {
		return nil, err
	}
	pairs, err := collect(results)
	if err != nil {
		return nil, err
	}
	return json.Marshal(onePage{pairs, metadata.GetBookmark(), metadata.GetFetchedRecordsCount()})
}
