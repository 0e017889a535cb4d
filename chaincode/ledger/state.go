// Package ledger is the contract's only view of the world: a key-value state, the transaction's environment, and one
// event. fabric.go adapts the peer's stub, memory.go is its twin in memory; no rule knows which of them it runs on.
package ledger

import (
	"encoding/json"
	"fmt"
	"strings"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
)

// Reader is the world state for those that only read it.
type Reader interface {
	// Get returns the value of key, nil where there is none.
	Get(key string) ([]byte, error)
	// Ahead names keys that will be read, so that they come in one message; it changes no transaction's reads.
	Ahead(keys ...string) error
	// Range returns the entries whose keys start with prefix (from Key), sorted by key.
	Range(prefix string) ([]Entry, error)
	// Page returns up to limit committed entries whose keys start with prefix (from Key) and come after the key after ("":
	// from the first), sorted by key. For queries: a peer does not check a page again at commit.
	Page(prefix, after string, limit int) ([]Entry, error)
}

// State is the world state as one transaction sees it, its own writes included. Keys come from Key.
type State interface {
	Reader
	// Put writes value, which must not be empty.
	Put(key string, value []byte) error
	// Del removes key.
	Del(key string) error
}

// ReadOnly returns s without its methods that write; no type assertion gets them back.
func ReadOnly(s State) Reader { return struct{ Reader }{s} }

// Entry is a key with its value.
type Entry struct {
	Key   string
	Value []byte
}

// Event is the one event of a transaction: what happened, with a payload that codec.Canonical encodes.
type Event struct {
	Name    string
	Payload any
}

// Env is what a rule may know beside the state.
type Env struct {
	TxID    string
	TimeMS  int64 // the transaction's timestamp, held honest by the peers' time window
	Channel string
	// Chaincode is the name under which the channel knows this contract.
	Chaincode string
	Caller    Caller
}

// Role is what the caller's certificate says in its organisational unit.
type Role string

// Roles of certificates (NodeOUs).
const (
	Admin  Role = "admin"
	Client Role = "client"
)

// Caller is the identity that signed the transaction. The peer has checked its certificate against its organisation.
type Caller struct {
	MSPID   string
	Role    Role
	KeyHash string // SHA-256 of the certificate's SubjectPublicKeyInfo, hex
}

const separator = "\x00"

// Key builds a composite key as Fabric's CreateCompositeKey does. Parts are identifiers, digests and padded numbers,
// which never hold the separator.
func Key(kind string, parts ...string) string {
	return separator + kind + separator + strings.Join(append(parts, ""), separator)
}

// Parts splits a key into its kind and attributes.
func Parts(key string) (kind string, parts []string) {
	fields := strings.Split(strings.Trim(key, separator), separator)
	return fields[0], fields[1:]
}

// Number pads n so that keys sort by it.
func Number(n uint64) string { return fmt.Sprintf("%010d", n) }

// Load reads the record under key; found is false where there is none.
func Load[T any](s Reader, key string) (record T, found bool, err error) {
	raw, err := s.Get(key)
	if err != nil || raw == nil {
		return record, false, err
	}
	return record, true, decode(key, raw, &record)
}

// Store writes the record under key in canonical form.
func Store(s State, key string, record any) error {
	raw, err := codec.Canonical(record)
	if err != nil {
		return errcode.New(errcode.Internal, "record %q cannot be encoded: %v", printable(key), err)
	}
	return s.Put(key, raw)
}

// Item is a decoded entry of a range.
type Item[T any] struct {
	Parts  []string
	Record T
}

// List reads every record under the prefix, sorted by key.
func List[T any](s Reader, kind string, parts ...string) ([]Item[T], error) {
	entries, err := s.Range(Key(kind, parts...))
	if err != nil {
		return nil, err
	}
	return items[T](entries)
}

// ListPage reads up to limit records under the prefix that come after the key after, sorted by key.
func ListPage[T any](s State, after string, limit int, kind string, parts ...string) ([]Item[T], error) {
	entries, err := s.Page(Key(kind, parts...), after, limit)
	if err != nil {
		return nil, err
	}
	return items[T](entries)
}

func items[T any](entries []Entry) ([]Item[T], error) {
	items := make([]Item[T], len(entries))
	for i, entry := range entries {
		_, items[i].Parts = Parts(entry.Key)
		if err := decode(entry.Key, entry.Value, &items[i].Record); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// decode reads a record that this contract wrote: strictness is for what comes from outside, and costs three times as much.
func decode(key string, raw []byte, record any) error {
	if err := json.Unmarshal(raw, record); err != nil {
		return errcode.New(errcode.BadRecord, "record %q: %v", printable(key), err)
	}
	return nil
}

func printable(key string) string {
	return strings.Trim(strings.ReplaceAll(key, separator, "/"), "/")
}
