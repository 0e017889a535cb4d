package round

import (
	"slices"

	"fedledger/chaincode/ledger"
)

// said are the kinds of records that members of a round put on the ledger, one each, as far as a view of the round shows them.
func said(round Round) []string {
	if differ(round.Rules).marks {
		return []string{"keys", "shares", "update", "revealed", "dropout"}
	}
	return []string{"keys", "shares", "update", "reveal"}
}

// reading is the state for a query of a round. What its members have said is read by their keys, all in one message, where a
// transaction reads ranges: a query needs no protection against records to come.
type reading struct {
	ledger.State
	round Round
}

// readingOf reads ahead what the members of a round have said.
func readingOf(s ledger.State, round Round) (reading, error) {
	keys := []string{}
	for _, member := range round.Names() {
		for _, kind := range said(round) {
			keys = append(keys, round.key(kind, member))
		}
	}
	return reading{s, round}, s.Ahead(keys...)
}

// Range implements ledger.State.
func (r reading) Range(prefix string) ([]ledger.Entry, error) {
	kind, parts := ledger.Parts(prefix)
	if !slices.Contains(said(r.round), kind) || !slices.Equal(parts, r.round.parts()) {
		return r.State.Range(prefix)
	}
	entries := []ledger.Entry{}
	for _, member := range slices.Sorted(slices.Values(r.round.Names())) {
		key := r.round.key(kind, member)
		value, err := r.Get(key)
		if err != nil {
			return nil, err
		}
		if value != nil {
			entries = append(entries, ledger.Entry{Key: key, Value: value})
		}
	}
	return entries, nil
}
