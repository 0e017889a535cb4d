package ledger

import (
	"fedledger/chaincode/errcode"
)

// overlay holds a transaction's own writes, which Fabric does not show to the transaction that made them.
type overlay struct{ values map[string][]byte }

func newOverlay() *overlay { return &overlay{map[string][]byte{}} }

func (o *overlay) get(key string) (value []byte, own bool) {
	value, own = o.values[key]
	return value, own
}

func (o *overlay) put(key string, value []byte) error {
	if value != nil && len(value) == 0 {
		return errcode.New(errcode.Internal, "record %q is empty", printable(key))
	}
	o.values[key] = value
	return nil
}

// merge lays the own writes under prefix over the committed entries.
func (o *overlay) merge(prefix string, committed []Entry) []Entry {
	merged := map[string][]byte{}
	for _, entry := range committed {
		merged[entry.Key] = entry.Value
	}
	for _, own := range prefixed(o.values, prefix) {
		if own.Value == nil {
			delete(merged, own.Key)
			continue
		}
		merged[own.Key] = own.Value
	}
	return prefixed(merged, "")
}

// writes returns the own writes sorted by key; a nil value is a deletion.
func (o *overlay) writes() []Entry { return prefixed(o.values, "") }
