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
	// Rules is the version of the rules to begin under, 0 for the first.
	Rules uint64 `json:"rules,omitempty"`
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
	// Rules is the version of the rules to begin under, 0 for the first: members vote only for later ones.
	Rules uint64 `json:"rules,omitempty"`
}

var federationKey = ledger.Key("federation")

// Found writes the members, regulators, parameters and version of the rules, once, and only where this endorser's definition says
// the same. Its build holds the versions 1 to latest.
func Found(s ledger.State, env ledger.Env, own Definition, latest uint64, req FoundRequest) (Federation, ledger.Event, error) {
	none := ledger.Event{}
	if _, found, err := ledger.Load[Federation](s, federationKey); err != nil || found {
		return Federation{}, none, firstOf(err, errcode.New(errcode.AlreadyFounded, "the federation was founded before"))
	}
	parameters, err := agree(env, own, req)
	if err != nil {
		return Federation{}, none, err
	}
	rules := Rules{max(1, req.Rules)}
	if err := CheckRules(rules.Version, latest); err != nil {
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
	if err := ledger.Store(s, rulesKey, rules); err != nil {
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
	a, errA := codec.Canonical([]any{env.Channel, sorted(req.Members), sorted(req.Regulators), wanted, max(1, req.Rules)})
	b, errB := codec.Canonical([]any{own.Channel, sorted(own.Members), sorted(own.Regulators), mine, max(1, own.Rules)})
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		return wanted, errcode.New(errcode.DefinitionDiffers,
			"channel, members, regulators, parameters or version of the rules differ from this endorser's definition")
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
