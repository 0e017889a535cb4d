// Package contract is the edge between the rules and the world: it decodes strictly, calls a rule, encodes canonically.
// What is not in its table is refused.
package contract

import (
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// Contract is the rules as one endorser runs them.
type Contract struct {
	// Definition is this endorser's own copy of the consortium's definition.
	Definition governance.Definition
	// Verifier recomputes from this endorser's own blobs.
	Verifier round.Verifier

	later []func(Contract) map[string]entry // versions after round.Newest, as tests bring them
}

// rules returns the table of the version that decides: that under which the round was opened which the argument names,
// else the one in force.
func (c Contract) rules(s ledger.State, argument []byte) (map[string]entry, error) {
	version, err := governance.RulesVersion(s)
	if err != nil {
		return nil, err
	}
	if err := governance.CheckRules(version, c.latest()); err != nil {
		return nil, err
	}
	if version > 1 {
		if version, err = round.RulesOf(s, argument, version); err != nil {
			return nil, err
		}
	}
	if version <= round.Newest {
		return c.table(version), nil
	}
	return c.later[version-round.Newest-1](c), nil
}

// latest is the newest version that this build holds. It holds all since 1, so that old history replays for ever.
func (c Contract) latest() uint64 { return round.Newest + uint64(len(c.later)) }

// Execute runs one transaction or query and returns its response as JSON, canonical where it is a transaction's. Where it fails, nothing that it wrote
// may be kept.
func (c Contract) Execute(s ledger.State, env ledger.Env, function string, argument []byte) ([]byte, ledger.Event, error) {
	table, err := c.rules(s, argument)
	if err != nil {
		return nil, ledger.Event{}, err
	}
	entry, known := table[function]
	if !known {
		return nil, ledger.Event{}, errcode.New(errcode.UnknownFunction, "%.40q", function)
	}
	if entry.query {
		s = readOnly{s}
	}
	response, event, err := entry.handle(s, env, argument)
	if err != nil {
		return nil, ledger.Event{}, errcode.Wrap(errcode.Internal, err)
	}
	raw, err := entry.encode(response)
	if err != nil {
		return nil, ledger.Event{}, errcode.New(errcode.Internal, "the response cannot be encoded: %v", err)
	}
	return raw, event, nil
}

// Functions lists the names of all transactions and queries.
func (c Contract) Functions() (transactions, queries []string) {
	table := c.table(round.Newest)
	for _, name := range sorted(table) {
		if table[name].query {
			queries = append(queries, name)
		} else {
			transactions = append(transactions, name)
		}
	}
	return transactions, queries
}

// Kinds lists the names of all kinds of proposals.
func Kinds() []string { return sorted(Contract{}.kinds(round.Newest)) }

// readOnly is the state as a query sees it.
type readOnly struct{ ledger.State }

func (readOnly) Put(string, []byte) error {
	return errcode.New(errcode.ReadOnly, "a query may not write")
}

func (readOnly) Del(string) error { return errcode.New(errcode.ReadOnly, "a query may not write") }
