package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// putPrivate writes the transient data "value": collection, key.
func putPrivate(s stub, args []string) ([]byte, error) {
	value, err := transient(s, []string{"value"})
	if err != nil {
		return nil, err
	}
	return nil, s.PutPrivateData(args[0], args[1], value)
}

// putPrivateInBoth writes the transient data "value" into two collections: collection, collection, key.
func putPrivateInBoth(s stub, args []string) ([]byte, error) {
	if _, err := putPrivate(s, []string{args[0], args[2]}); err != nil {
		return nil, err
	}
	return putPrivate(s, args[1:])
}

// putPrivateMany writes prefix0000 … in one batch: collection, prefix, number.
func putPrivateMany(s stub, args []string) ([]byte, error) {
	number, err := strconv.Atoi(args[2])
	if err != nil {
		return nil, err
	}
	s.StartWriteBatch()
	for n := range number {
		if err := s.PutPrivateData(args[0], fmt.Sprintf("%s%04d", args[1], n), []byte(strconv.Itoa(n))); err != nil {
			return nil, err
		}
	}
	return nil, s.FinishWriteBatch()
}

// incrementPrivate reads a decimal number and writes the next: collection, key.
func incrementPrivate(s stub, args []string) ([]byte, error) {
	value, err := s.GetPrivateData(args[0], args[1])
	if err != nil {
		return nil, err
	}
	number := 0
	if value != nil {
		if number, err = strconv.Atoi(string(value)); err != nil {
			return nil, err
		}
	}
	return nil, s.PutPrivateData(args[0], args[1], []byte(strconv.Itoa(number+1)))
}

func getPrivate(s stub, args []string) ([]byte, error) { return s.GetPrivateData(args[0], args[1]) }

// getPrivateMany returns values as a JSON list, null where there is none: collection, keys…
func getPrivateMany(s stub, args []string) ([]byte, error) {
	if len(args) < 1 {
		return nil, errors.New("FL0002: GetPrivateMany takes a collection and keys")
	}
	values, err := s.GetMultiplePrivateData(args[0], args[1:]...)
	if err != nil {
		return nil, err
	}
	return texts(values)
}

func privateHash(s stub, args []string) ([]byte, error) {
	digest, err := s.GetPrivateDataHash(args[0], args[1])
	return []byte(hex.EncodeToString(digest)), err
}

// putIfPrivateHash writes the hash of a private value to a public key: collection, private key, key.
func putIfPrivateHash(s stub, args []string) ([]byte, error) {
	digest, err := privateHash(s, args[:2])
	if err != nil {
		return nil, err
	}
	return digest, s.PutState(args[2], digest)
}

func deletePrivate(s stub, args []string) ([]byte, error) {
	return nil, s.DelPrivateData(args[0], args[1])
}

func purgePrivate(s stub, args []string) ([]byte, error) {
	return nil, s.PurgePrivateData(args[0], args[1])
}

// privateRange returns keys and values: collection, start, end.
func privateRange(s stub, args []string) ([]byte, error) {
	results, err := s.GetPrivateDataByRange(args[0], args[1], args[2])
	if err != nil {
		return nil, err
	}
	pairs, err := collect(results)
	if err != nil {
		return nil, err
	}
	return json.Marshal(pairs)
}

// privateRangeThen reads a whole collection and writes, which peers refuse: collection, key.
func privateRangeThen(s stub, args []string) ([]byte, error) {
	if _, err := privateRange(s, []string{args[0], "", ""}); err != nil {
		return nil, err
	}
	return nil, s.PutState(args[1], []byte("written"))
}
