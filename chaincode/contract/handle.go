package contract

import (
	"encoding/json"
	"maps"
	"slices"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

// entry is one line of the table.
type entry struct {
	query  bool
	handle func(s ledger.State, env ledger.Env, argument []byte) (any, ledger.Event, error)
}

// encode returns a response as JSON. A transaction's is canonical, since it goes into its block; a query's need not be, and a round is
// asked for often.
func (e entry) encode(response any) ([]byte, error) {
	if e.query {
		return json.Marshal(response)
	}
	return codec.Canonical(response)
}

// transaction makes an entry of a rule that may write.
func transaction[Req, Resp any](rule func(ledger.State, ledger.Env, Req) (Resp, ledger.Event, error)) entry {
	return entry{false, func(s ledger.State, env ledger.Env, argument []byte) (any, ledger.Event, error) {
		var req Req
		if err := decode(argument, &req); err != nil {
			return nil, ledger.Event{}, err
		}
		return rule(s, env, req)
	}}
}

// query makes an entry of a rule that only reads.
func query[Req, Resp any](rule func(ledger.State, Req) (Resp, error)) entry {
	return entry{true, func(s ledger.State, _ ledger.Env, argument []byte) (any, ledger.Event, error) {
		var req Req
		if err := decode(argument, &req); err != nil {
			return nil, ledger.Event{}, err
		}
		response, err := rule(s, req)
		return response, ledger.Event{}, err
	}}
}

// decode reads an argument; an empty one is an empty object.
func decode(argument []byte, into any) error {
	if len(argument) == 0 {
		return nil
	}
	if err := codec.DecodeStrict(argument, into); err != nil {
		return errcode.New(errcode.BadArgument, "%v", err)
	}
	return nil
}

func sorted[T any](table map[string]T) []string { return slices.Sorted(maps.Keys(table)) }
