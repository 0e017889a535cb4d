// Package contracttest runs a whole federation in one process for tests: the contract over the in-memory ledger, its
// members' callers, a clock that tests move, and participants played by package aggregatetest. Only blobs are fakes.
package contracttest

import (
	"encoding/json"
	"fmt"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/aggregate/aggregatetest"
	"fedledger/chaincode/codec"
	"fedledger/chaincode/contract"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// The channel and the chaincode's name in every test.
const (
	Channel   = "fedchannel"
	Chaincode = "fedledger"
)

// Federation is a consortium under test.
type Federation struct {
	Contract contract.Contract
	State    *ledger.Memory
	Blobs    aggregatetest.Memory
	TimeMS   int64
	Members  []string
	// Layout is that of the plan; package's Layout unless a test says otherwise.
	Layout string
	Log    []Entry

	count  int
	owners map[string]int // member by participant

	certified map[string]Identity // by participant: those that can sign
}

// Entry is one committed transaction.
type Entry struct {
	Env      ledger.Env
	Function string
	Argument []byte
	Response []byte
	Event    ledger.Event
	Writes   []ledger.Entry
}

// New returns a federation of n members that has not been founded. parameters is JSON.
func New(n int, parameters string) *Federation {
	f := &Federation{State: ledger.NewMemory(), Blobs: aggregatetest.Memory{}, TimeMS: 1_000_000, owners: map[string]int{}, certified: map[string]Identity{}, Layout: Layout}
	for i := range n {
		f.Members = append(f.Members, MSP(i))
	}
	f.Contract = contract.Contract{
		Definition: governance.Definition{
			Channel: Channel, Members: f.Members, Regulators: []string{"RegulatorMSP"}, Parameters: json.RawMessage(parameters),
		},
		Verifier: round.Recompute{Work: aggregate.Plain{Blobs: f.Blobs}},
	}
	return f
}

// MSP is the MSP id of the i-th member; its participant is ID(i).
func MSP(i int) string { return fmt.Sprintf("Hospital%03dMSP", i) }

// ID is the id of the i-th participant.
func ID(i int) string { return fmt.Sprintf("hospital-%03d", i) }

// KeyHash is a made-up certificate key hash.
func KeyHash(name string) string {
	hash := codec.Hash("test/key", []byte(name))
	return ledger.Hex(hash[:])
}

// Digest is a made-up digest.
func Digest(name string) string {
	hash := codec.Hash("test/digest", []byte(name))
	return ledger.Hex(hash[:])
}

// Admin is the administrator of the i-th member.
func Admin(i int) ledger.Caller {
	return ledger.Caller{MSPID: MSP(i), Role: ledger.Admin, KeyHash: KeyHash("admin" + MSP(i))}
}

// Node is the certificate of the i-th participant.
func Node(i int) ledger.Caller {
	return ledger.Caller{MSPID: MSP(i), Role: ledger.Client, KeyHash: KeyHash(ID(i))}
}

// Prepare runs a transaction without committing it.
func (f *Federation) Prepare(caller ledger.Caller, function string, argument any) (*ledger.Tx, Entry, error) {
	raw, ok := argument.([]byte)
	if !ok {
		var err error
		if raw, err = codec.Canonical(argument); err != nil {
			panic(err)
		}
	}
	f.count++
	env := ledger.Env{TxID: fmt.Sprintf("tx%04d", f.count), TimeMS: f.TimeMS, Channel: Channel, Chaincode: Chaincode, Caller: caller}
	tx := f.State.Begin()
	response, event, err := f.Contract.Execute(tx, env, function, raw)
	return tx, Entry{env, function, raw, response, event, tx.Writes()}, err
}

// Do runs and commits a transaction.
func (f *Federation) Do(caller ledger.Caller, function string, argument any) (Entry, error) {
	tx, entry, err := f.Prepare(caller, function, argument)
	if err != nil {
		return entry, err
	}
	if !f.State.Commit(tx) {
		panic("contracttest: a lone transaction conflicts")
	}
	if _, transaction := entry.Event.Payload, entry.Event.Name != ""; transaction {
		f.Log = append(f.Log, entry)
	}
	return entry, nil
}

// Must is Do for what has to succeed; it decodes the response into out unless that is nil.
func (f *Federation) Must(caller ledger.Caller, function string, argument, out any) {
	entry, err := f.Do(caller, function, argument)
	if err != nil {
		panic(fmt.Sprintf("%s by %s: %v", function, caller.MSPID, err))
	}
	if out != nil {
		if err := json.Unmarshal(entry.Response, out); err != nil {
			panic(err)
		}
	}
}

// Try is Do for what may be refused.
func (f *Federation) Try(caller ledger.Caller, function string, argument any) {
	_, _ = f.Do(caller, function, argument)
}

// Query runs a query into out.
func (f *Federation) Query(function string, argument, out any) {
	f.Must(ledger.Caller{MSPID: "RegulatorMSP", Role: ledger.Client}, function, argument, out)
}

// Map is a JSON object.
type Map = map[string]any
