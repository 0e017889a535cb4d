// Package governance holds who the consortium is, what it has agreed on, and how it agrees: founding, the first beacon,
// parameters, proposals and votes. Nobody acts alone.
package governance

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

// Definition is an endorser's own copy of the consortium's definition; founding must agree with it.
type Definition struct {
	Channel    string          `json:"channel"`
	Members    []string        `json:"members"`
	Regulators []string        `json:"regulators"`
	Parameters json.RawMessage `json:"parameters"`
}

// Federation is the founding record.
type Federation struct {
	Channel    string   `json:"channel"`
	Founders   []string `json:"founders"`
	Regulators []string `json:"regulators"`
	FoundedMS  int64    `json:"founded_ms"`
}

// FoundRequest is the argument of Found.
type FoundRequest struct {
	Members    []string        `json:"members"`
	Regulators []string        `json:"regulators"`
	Parameters json.RawMessage `json:"parameters"`
}

var federationKey = ledger.Key("federation")

// Found writes the members, regulators and parameters, once, and only where this endorser's definition says the same.
func Found(s ledger.State, env ledger.Env, own Definition, req FoundRequest) (Federation, ledger.Event, error) {
	none := ledger.Event{}
	if _, found, err := ledger.Load[Federation](s, federationKey); err != nil || found {
		return Federation{}, none, firstOf(err, errcode.New(errcode.AlreadyFounded, "the federation was founded before"))
	}
	parameters, err := agree(env, own, req)
	if err != nil {
		return Federation{}, none, err
	}
	federation := Federation{env.Channel, sorted(req.Members), sorted(req.Regulators), env.TimeMS}
	if !slices.Contains(federation.Founders, env.Caller.MSPID) || env.Caller.Role != ledger.Admin {
		return federation, none, errcode.New(errcode.NotPermitted, "only an administrator of a founding member may found")
	}
	for _, msp := range federation.Founders {
		if err := putOrganisation(s, Organisation{msp, Active, env.TimeMS}); err != nil {
			return federation, none, err
		}
	}
	if err := ledger.Store(s, parametersKey, parameters); err != nil {
		return federation, none, err
	}
	if err := ledger.Store(s, rulesKey, Rules{1}); err != nil {
		return federation, none, err
	}
	if err := putBeacon(s, Beacon{Number: 1, SinceMS: env.TimeMS}); err != nil {
		return federation, none, err
	}
	return federation, ledger.Event{Name: "Founded", Payload: federation}, ledger.Store(s, federationKey, federation)
}

// agree holds the request against the endorser's own definition.
func agree(env ledger.Env, own Definition, req FoundRequest) (Parameters, error) {
	wanted, err := Defaults().With(req.Parameters)
	if err != nil {
		return wanted, err
	}
	mine, err := Defaults().With(own.Parameters)
	if err != nil {
		return wanted, err
	}
	if err := checkOrganisations(req); err != nil {
		return wanted, err
	}
	a, errA := codec.Canonical([]any{env.Channel, sorted(req.Members), sorted(req.Regulators), wanted})
	b, errB := codec.Canonical([]any{own.Channel, sorted(own.Members), sorted(own.Regulators), mine})
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		return wanted, errcode.New(errcode.DefinitionDiffers,
			"channel, members, regulators or parameters differ from this endorser's definition")
	}
	return wanted, nil
}

func checkOrganisations(req FoundRequest) error {
	all := append(slices.Clone(req.Members), req.Regulators...)
	if len(req.Members) < 1 || len(all) > maxOrganisations {
		return errcode.New(errcode.LimitExceeded, "%d members, must be 1 to %d", len(req.Members), maxOrganisations)
	}
	for _, msp := range all {
		if err := CheckName(msp); err != nil {
			return err
		}
	}
	if slices.Sort(all); len(slices.Compact(all)) != len(req.Members)+len(req.Regulators) {
		return errcode.New(errcode.BadArgument, "an organisation is named twice")
	}
	return nil
}

// CurrentFederation reads the founding record.
func CurrentFederation(s ledger.State) (Federation, error) {
	federation, found, err := ledger.Load[Federation](s, federationKey)
	if err == nil && !found {
		err = errcode.New(errcode.NotFounded, "send Found first")
	}
	return federation, err
}

func sortedKeys[T any](records map[string]T) []string { return slices.Sorted(maps.Keys(records)) }

func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }

func firstOf(err error, otherwise *errcode.Error) error {
	if err != nil {
		return err
	}
	return otherwise
}
