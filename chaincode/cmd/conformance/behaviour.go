package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"fedledger/chaincode/shim"
	"fedledger/chaincode/shim/protos/peer"
)

// gates hold the calls that wait until Release; they live in this process, outside the ledger.
var gates sync.Map

func gate(name string) chan struct{} {
	opened, _ := gates.LoadOrStore(name, make(chan struct{}))
	return opened.(chan struct{})
}

// putRandom writes another value at every endorsement: key.
func putRandom(s stub, args []string) ([]byte, error) {
	value := make([]byte, 16)
	if _, err := rand.Read(value); err != nil {
		return nil, err
	}
	return nil, s.PutState(args[0], []byte(hex.EncodeToString(value)))
}

func pause(milliseconds string) error {
	wait, err := strconv.Atoi(milliseconds)
	if err != nil {
		return err
	}
	time.Sleep(time.Duration(wait) * time.Millisecond)
	return nil
}

// readTwice reads before and after a pause and returns both values: key, milliseconds.
func readTwice(s stub, args []string) ([]byte, error) {
	before, err := s.GetState(args[0])
	if err != nil {
		return nil, err
	}
	if err := pause(args[1]); err != nil {
		return nil, err
	}
	after, err := s.GetState(args[0])
	if err != nil {
		return nil, err
	}
	return json.Marshal([]string{string(before), string(after)})
}

// slowPut reads, pauses and writes: key, value, milliseconds.
func slowPut(s stub, args []string) ([]byte, error) {
	if _, err := s.GetState(args[0]); err != nil {
		return nil, err
	}
	if err := pause(args[2]); err != nil {
		return nil, err
	}
	return nil, s.PutState(args[0], []byte(args[1]))
}

// readWait waits until Release opens a gate in this process, then reads: gate, key.
func readWait(s stub, args []string) ([]byte, error) {
	select {
	case <-gate(args[0]):
		return s.GetState(args[1])
	case <-time.After(20 * time.Second):
		return nil, errors.New("FL0007: the gate stayed shut for 20 seconds")
	}
}

// release opens a gate: gate.
func release(_ stub, args []string) ([]byte, error) {
	close(gate(args[0]))
	return nil, nil
}

// fail answers with a stable code: code, sentence.
func fail(_ stub, args []string) ([]byte, error) { return nil, errors.New(args[0] + ": " + args[1]) }

// status answers with any status: status, message.
func status(args []string) *peer.Response {
	if len(args) != 2 {
		return shim.Error("FL0002: Status takes 2 arguments")
	}
	number, err := strconv.ParseInt(args[0], 10, 32)
	if err != nil {
		return shim.Error(err.Error())
	}
	return &peer.Response{Status: int32(number), Message: args[1], Payload: []byte("status")}
}

// panics never returns: message.
func panics(_ stub, args []string) ([]byte, error) { panic(args[0]) }

// longError fails with that many bytes behind a code: code, number.
func longError(_ stub, args []string) ([]byte, error) {
	number, err := strconv.Atoi(args[1])
	if err != nil {
		return nil, err
	}
	return nil, errors.New(args[0] + ": " + strings.Repeat("e", number))
}

// badText fails with bytes that are no text.
func badText(stub, []string) ([]byte, error) { return nil, errors.New("bytes \xff\xfe") }

// exit ends the process in the middle of a transaction.
func exit(stub, []string) ([]byte, error) {
	os.Exit(3)
	return nil, nil
}

// large returns that many bytes: number.
func large(_ stub, args []string) ([]byte, error) {
	number, err := strconv.Atoi(args[0])
	if err != nil {
		return nil, err
	}
	return bytes.Repeat([]byte{'x'}, number), nil
}

// leaveAGoroutine returns while a goroutine of it still asks the peer; that must harm no transaction: key.
func leaveAGoroutine(s stub, args []string) ([]byte, error) {
	go func() {
		for range 50 {
			if _, err := s.GetState(args[0]); err != nil {
				return
			}
		}
	}()
	return []byte("left"), nil
}
