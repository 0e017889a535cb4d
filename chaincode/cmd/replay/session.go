package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/contract"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
)

type start struct {
	State      [][2]*string           `json:"state"`
	Definition *governance.Definition `json:"definition"`
	Blobs      *string                `json:"blobs"`
}

type creator struct {
	MSPID   string `json:"msp_id"`
	CertPEM string `json:"cert_pem"`
}

// line is a transaction or, with evaluate, a query or, with correct, values to take over.
type line struct {
	Evaluate    bool     `json:"evaluate"`
	TxID        string   `json:"txid"`
	TimestampMS int64    `json:"timestamp_ms"`
	Creator     *creator `json:"creator"`
	Channel     string   `json:"channel"`
	Chaincode   string   `json:"chaincode"`
	Args        []string `json:"args"`
	Block       uint64   `json:"block"`
	Index       int      `json:"index"`
	// Refusal is why, as the ledger says, endorsers refused the sum that a report brings.
	Refusal string `json:"refusal"`
	// Correct holds keys and values, nil for none, to take over as the ledger has them.
	Correct [][2]*string `json:"correct"`
}

// result answers a transaction.
type result struct {
	TxID      string     `json:"txid"`
	Writes    [][2]any   `json:"writes"`
	Response  string     `json:"response"`
	Event     *[2]string `json:"event"`
	Error     *string    `json:"error"`
	Checked   []string   `json:"checked"`
	Unchecked []string   `json:"unchecked"`
}

// evaluation answers a query.
type evaluation struct {
	Result string  `json:"result"`
	Error  *string `json:"error"`
}

// correction answers values to take over.
type correction struct {
	Error *string `json:"error"`
}

// session holds the replayed state.
type session struct {
	state      *ledger.Memory
	definition *governance.Definition
	verifier   *recorder
}

func open(first start) (*session, error) {
	s := &session{ledger.NewMemory(), first.Definition, newRecorder(first.Blobs)}
	return s, s.take(first.State)
}

// take puts entries into the state; one without a value is deleted.
func (s *session) take(pairs [][2]*string) error {
	entries := []ledger.Entry{}
	for _, pair := range pairs {
		if pair[0] == nil {
			return errors.New("an entry without a key")
		}
		entry := ledger.Entry{Key: *pair[0]}
		if pair[1] != nil {
			value, err := base64.StdEncoding.DecodeString(*pair[1])
			if err != nil {
				return fmt.Errorf("state %q: %w", entry.Key, err)
			}
			entry.Value = value
		}
		entries = append(entries, entry)
	}
	s.state.Load(entries)
	return nil
}

func (s *session) answer(next line) any {
	if next.Correct != nil {
		return correction{text(s.take(next.Correct))}
	}
	if next.Evaluate {
		_, response, _, err := s.execute(next)
		return evaluation{base64.StdEncoding.EncodeToString(response), text(err)}
	}
	s.verifier.reset(next.Refusal)
	tx, response, event, err := s.execute(next)
	answer := result{
		TxID: next.TxID, Writes: [][2]any{}, Error: text(err),
		Checked: s.verifier.checked, Unchecked: s.verifier.unchecked,
	}
	if err != nil {
		return answer
	}
	if answer.Event, err = encodeEvent(event); err != nil {
		answer.Error = text(err)
		return answer
	}
	answer.Response = base64.StdEncoding.EncodeToString(response)
	for _, write := range tx.Writes() {
		var value any
		if write.Value != nil {
			value = base64.StdEncoding.EncodeToString(write.Value)
		}
		answer.Writes = append(answer.Writes, [2]any{write.Key, value})
	}
	s.state.Commit(tx) // cannot conflict: transactions are replayed one at a time
	return answer
}

// execute runs a line on the present state without applying it.
func (s *session) execute(next line) (*ledger.Tx, []byte, ledger.Event, error) {
	tx := s.state.Begin()
	function, argument, err := arguments(next.Args)
	if err != nil {
		return tx, nil, ledger.Event{}, err
	}
	env := ledger.Env{TxID: next.TxID, TimeMS: next.TimestampMS, Channel: next.Channel, Chaincode: next.Chaincode}
	if next.Creator != nil {
		if env.Caller, _, err = contract.CallerFrom(next.Creator.MSPID, []byte(next.Creator.CertPEM)); err != nil {
			return tx, nil, ledger.Event{}, err
		}
	}
	rules := contract.Contract{Definition: s.ownDefinition(next.Channel, function, argument), Verifier: s.verifier}
	response, event, err := rules.Execute(tx, env, function, argument)
	return tx, response, event, err
}

func arguments(encoded []string) (function string, argument []byte, err error) {
	if len(encoded) < 1 || len(encoded) > 2 {
		return "", nil, errcode.New(errcode.BadArgument, "a function takes exactly one argument, a JSON object")
	}
	decoded := make([][]byte, 2)
	for i, text := range encoded {
		if decoded[i], err = base64.StdEncoding.DecodeString(text); err != nil {
			return "", nil, errcode.New(errcode.BadArgument, "argument %d: %v", i, err)
		}
	}
	return string(decoded[0]), decoded[1], nil
}

// ownDefinition is the definition given, or else whatever the founders agreed on.
func (s *session) ownDefinition(channel, function string, argument []byte) governance.Definition {
	if s.definition != nil {
		return *s.definition
	}
	definition := governance.Definition{Channel: channel}
	if function == "Found" {
		_ = json.Unmarshal(argument, &definition) // a malformed one is refused by Found itself
	}
	definition.Channel = channel
	return definition
}

func encodeEvent(event ledger.Event) (*[2]string, error) {
	if event.Name == "" {
		return nil, nil
	}
	payload, err := codec.Canonical(event.Payload)
	return &[2]string{event.Name, base64.StdEncoding.EncodeToString(payload)}, err
}

func text(err error) *string {
	if err == nil {
		return nil
	}
	message := err.Error()
	return &message
}
