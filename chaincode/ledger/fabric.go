package ledger

import (
	"slices"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/shim"
	"fedledger/chaincode/shim/protos/peer"
)

// Stub is what the adapter needs of the peer's stub; shim.ChaincodeStubInterface has it.
type Stub interface {
	GetState(key string) ([]byte, error)
	GetMultipleStates(keys ...string) ([][]byte, error)
	StartWriteBatch()
	FinishWriteBatch() error
	PutState(key string, value []byte) error
	DelState(key string) error
	GetStateByPartialCompositeKey(objectType string, keys []string) (shim.StateQueryIteratorInterface, error)
	GetStateByPartialCompositeKeyWithPagination(objectType string, keys []string, pageSize int32, bookmark string) (
		shim.StateQueryIteratorInterface, *peer.QueryResponseMetadata, error)
	SetEvent(name string, payload []byte) error
}

// Fabric is the state behind a peer's stub. Writes are held back until Flush, so that a refused transaction writes
// nothing and the peer receives them sorted.
type Fabric struct {
	stub      Stub
	overlay   *overlay
	committed map[string][]byte // what has been read: the peer would answer the same
	ranges    map[string][]Entry
}

var _ State = (*Fabric)(nil)

// NewFabric adapts the stub of one transaction.
func NewFabric(stub Stub) *Fabric {
	return &Fabric{stub, newOverlay(), map[string][]byte{}, map[string][]Entry{}}
}

// Get implements State.
func (f *Fabric) Get(key string) ([]byte, error) {
	if value, own := f.overlay.get(key); own {
		return value, nil
	}
	if value, read := f.committed[key]; read {
		return value, nil
	}
	value, err := f.stub.GetState(key)
	if err != nil {
		return nil, errcode.New(errcode.Internal, "the peer cannot read: %v", err)
	}
	return f.keep(key, value), nil
}

func (f *Fabric) keep(key string, value []byte) []byte {
	if len(value) == 0 {
		value = nil
	}
	f.committed[key] = value
	return value
}

// Ahead implements State.
func (f *Fabric) Ahead(keys ...string) error {
	unread := slices.DeleteFunc(slices.Clone(keys), func(key string) bool {
		_, read := f.committed[key]
		return read
	})
	if len(unread) < 2 {
		return nil
	}
	values, err := f.stub.GetMultipleStates(unread...)
	if err != nil {
		return errcode.New(errcode.Internal, "the peer cannot read: %v", err)
	}
	for i, key := range unread {
		f.keep(key, values[i])
	}
	return nil
}

// Put implements State.
func (f *Fabric) Put(key string, value []byte) error { return f.overlay.put(key, value) }

// Del implements State.
func (f *Fabric) Del(key string) error { return f.overlay.put(key, nil) }

// Range implements State.
func (f *Fabric) Range(prefix string) ([]Entry, error) {
	committed, read := f.ranges[prefix]
	if !read {
		kind, parts := Parts(prefix)
		iterator, err := f.stub.GetStateByPartialCompositeKey(kind, parts)
		if err != nil {
			return nil, errcode.New(errcode.Internal, "the peer cannot read a range: %v", err)
		}
		if committed, err = collect(iterator); err != nil {
			return nil, err
		}
		f.ranges[prefix] = committed
	}
	return f.overlay.merge(prefix, committed), nil
}

// Page implements State. A page begins at its bookmark: the first key after the one given.
func (f *Fabric) Page(prefix, after string, limit int) ([]Entry, error) {
	kind, parts := Parts(prefix)
	bookmark := ""
	if after != "" {
		bookmark = after + separator
	}
	iterator, _, err := f.stub.GetStateByPartialCompositeKeyWithPagination(kind, parts, int32(limit), bookmark)
	if err != nil {
		return nil, errcode.New(errcode.Internal, "the peer cannot read a page: %v", err)
	}
	return collect(iterator)
}

func collect(iterator shim.StateQueryIteratorInterface) ([]Entry, error) {
	defer func() { _ = iterator.Close() }()
	committed := []Entry{}
	for iterator.HasNext() {
		found, err := iterator.Next()
		if err != nil {
			return nil, errcode.New(errcode.Internal, "the peer cannot read a range: %v", err)
		}
		committed = append(committed, Entry{found.Key, found.Value})
	}
	return committed, nil
}

// Flush hands the writes and the transaction's one event to the peer.
func (f *Fabric) Flush(event Event) error {
	if err := f.flushAll(); err != nil {
		return errcode.New(errcode.Internal, "the peer cannot write: %v", err)
	}
	if event.Name == "" {
		return nil
	}
	payload, err := codec.Canonical(event.Payload)
	if err != nil {
		return errcode.New(errcode.Internal, "event %s cannot be encoded: %v", event.Name, err)
	}
	return f.stub.SetEvent(event.Name, payload)
}

func (f *Fabric) flushAll() error {
	f.stub.StartWriteBatch()
	for _, write := range f.overlay.writes() {
		if err := f.flush(write); err != nil {
			return err
		}
	}
	return f.stub.FinishWriteBatch()
}

func (f *Fabric) flush(write Entry) error {
	if write.Value == nil {
		return f.stub.DelState(write.Key)
	}
	return f.stub.PutState(write.Key, write.Value)
}
