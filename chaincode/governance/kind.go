package governance

import (
	"encoding/json"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

// Body is what a proposal of one kind asks for.
type Body interface {
	// Check refuses what cannot be carried out under these parameters, whatever else the ledger holds.
	Check(parameters Parameters) error
}

// Kind is a kind of proposal. A body is checked when it is proposed, so that nobody votes on an invalid one, and again
// when it is carried out.
type Kind struct {
	largest int // bytes of a body
	check   func(raw json.RawMessage, parameters Parameters) error
	execute func(s ledger.State, env ledger.Env, raw json.RawMessage, parameters Parameters) error
}

// Large is the kind with bodies of up to 256 KiB.
func (k Kind) Large() Kind {
	k.largest = maxBody
	return k
}

// Kinds are the proposals that the contract can carry out.
type Kinds map[string]Kind

// KindOf makes a kind of what carries out its bodies.
func KindOf[B Body](execute func(s ledger.State, env ledger.Env, body B) error) Kind {
	decode := func(raw json.RawMessage, parameters Parameters) (B, error) {
		var body B
		if err := codec.DecodeStrict(raw, &body); err != nil {
			return body, errcode.New(errcode.BadArgument, "body: %v", err)
		}
		return body, body.Check(parameters)
	}
	return Kind{
		largest: smallBody,
		check: func(raw json.RawMessage, parameters Parameters) error {
			_, err := decode(raw, parameters)
			return err
		},
		execute: func(s ledger.State, env ledger.Env, raw json.RawMessage, parameters Parameters) error {
			body, err := decode(raw, parameters)
			if err != nil {
				return err
			}
			return execute(s, env, body)
		},
	}
}
