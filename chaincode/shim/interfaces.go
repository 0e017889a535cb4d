package shim

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	"fedledger/chaincode/shim/protos/ledger/queryresult"
	"fedledger/chaincode/shim/protos/peer"
)

// Chaincode is what a contract implements. Both methods are called concurrently, once per transaction.
type Chaincode interface {
	// Init is called for a transaction that initialises the chaincode, where its definition requires one.
	Init(stub ChaincodeStubInterface) *peer.Response
	// Invoke is called for every other transaction.
	Invoke(stub ChaincodeStubInterface) *peer.Response
}

// ChaincodeStubInterface is one transaction's view of the ledger and of its own proposal.
//
// Keys are non-empty UTF-8 and do not begin with U+0000, which is kept for composite keys. Reads see the committed
// state only, never the transaction's own writes.
type ChaincodeStubInterface interface {
	proposalReader
	stateAccess
	rangeAccess
	keyPolicies
	privateAccess
	queries
	otherChaincodes

	// CreateCompositeKey joins an object type and attributes to a key that sorts by them in order.
	CreateCompositeKey(objectType string, attributes []string) (string, error)
	// SplitCompositeKey undoes CreateCompositeKey.
	SplitCompositeKey(compositeKey string) (string, []string, error)
	// SetEvent sets the transaction's event; the last call wins.
	SetEvent(name string, payload []byte) error
}

type proposalReader interface {
	// GetArgs returns the arguments, the function's name first.
	GetArgs() [][]byte
	// GetStringArgs returns the arguments as strings.
	GetStringArgs() []string
	// GetFunctionAndParameters returns the first argument and the others.
	GetFunctionAndParameters() (string, []string)
	// GetArgsSlice returns the arguments joined.
	GetArgsSlice() ([]byte, error)
	// GetTxID returns the transaction's id.
	GetTxID() string
	// GetChannelID returns the channel's name.
	GetChannelID() string
	// GetCreator returns the serialized identity (msp.SerializedIdentity) of the proposal's creator.
	GetCreator() ([]byte, error)
	// GetTransient returns the data that the client sent to the endorsers but not to the ledger.
	GetTransient() (map[string][]byte, error)
	// GetBinding returns SHA-256(nonce ‖ creator ‖ epoch, 8 bytes little-endian) of the proposal's headers.
	GetBinding() ([]byte, error)
	// GetDecorations returns what the peer's decorators added to the input.
	GetDecorations() map[string][]byte
	// GetSignedProposal returns the proposal as the client signed it.
	GetSignedProposal() (*peer.SignedProposal, error)
	// GetTxTimestamp returns the time that the client wrote into the proposal.
	GetTxTimestamp() (*timestamppb.Timestamp, error)
}

type stateAccess interface {
	// GetState returns a key's committed value, nil where there is none.
	GetState(key string) ([]byte, error)
	// GetMultipleStates returns the committed values in the order of the keys, in as few messages as the peer allows.
	GetMultipleStates(keys ...string) ([][]byte, error)
	// PutState writes a key when the transaction commits.
	PutState(key string, value []byte) error
	// DelState deletes a key when the transaction commits.
	DelState(key string) error
	// StartWriteBatch collects the following writes, where the peer takes them in batches.
	StartWriteBatch()
	// FinishWriteBatch sends the collected writes; the end of the invocation does so too.
	FinishWriteBatch() error
}

type rangeAccess interface {
	// GetStateByRange iterates over startKey ≤ key < endKey without composite keys; "" leaves a side open. The range is
	// validated again at commit.
	GetStateByRange(startKey, endKey string) (StateQueryIteratorInterface, error)
	// GetStateByRangeWithPagination returns one page and the bookmark of the next. It is not validated again at commit:
	// for read-only transactions.
	GetStateByRangeWithPagination(startKey, endKey string, pageSize int32, bookmark string) (
		StateQueryIteratorInterface, *peer.QueryResponseMetadata, error)
	// GetStateByPartialCompositeKey iterates over the composite keys that begin with the type and attributes.
	GetStateByPartialCompositeKey(objectType string, keys []string) (StateQueryIteratorInterface, error)
	// GetStateByPartialCompositeKeyWithPagination is its paginated form, for read-only transactions.
	GetStateByPartialCompositeKeyWithPagination(objectType string, keys []string, pageSize int32, bookmark string) (
		StateQueryIteratorInterface, *peer.QueryResponseMetadata, error)
}

type keyPolicies interface {
	// SetStateValidationParameter gives a key an endorsement policy of its own (common.SignaturePolicyEnvelope), which
	// takes the place of the chaincode's for every later write of the key; no bytes take it away.
	SetStateValidationParameter(key string, ep []byte) error
	// GetStateValidationParameter returns a key's own endorsement policy, nil where it has none.
	GetStateValidationParameter(key string) ([]byte, error)
	// SetPrivateDataValidationParameter gives a private key an endorsement policy of its own.
	SetPrivateDataValidationParameter(collection, key string, ep []byte) error
	// GetPrivateDataValidationParameter returns a private key's own endorsement policy, nil where it has none.
	GetPrivateDataValidationParameter(collection, key string) ([]byte, error)
}

// privateAccess reads and writes private data: only the members of a collection hold it, and the ledger its hashes.
type privateAccess interface {
	// GetPrivateData returns a private key's committed value, nil where there is none; an error where this peer does
	// not hold it.
	GetPrivateData(collection, key string) ([]byte, error)
	// GetMultiplePrivateData returns the committed values in the order of the keys.
	GetMultiplePrivateData(collection string, keys ...string) ([][]byte, error)
	// GetPrivateDataHash returns the SHA-256 of a private key's committed value, nil where there is none. Every peer of
	// the channel has it.
	GetPrivateDataHash(collection, key string) ([]byte, error)
	// PutPrivateData writes a private key when the transaction commits.
	PutPrivateData(collection string, key string, value []byte) error
	// DelPrivateData deletes a private key when the transaction commits; earlier values stay in the peers' archives.
	DelPrivateData(collection, key string) error
	// PurgePrivateData deletes a private key with all its earlier values.
	PurgePrivateData(collection, key string) error
	// GetPrivateDataByRange iterates over startKey ≤ key < endKey of a collection, in transactions that only read.
	GetPrivateDataByRange(collection, startKey, endKey string) (StateQueryIteratorInterface, error)
	// GetPrivateDataByPartialCompositeKey iterates over a collection's composite keys under the type and attributes.
	GetPrivateDataByPartialCompositeKey(collection, objectType string, keys []string) (StateQueryIteratorInterface, error)
	// GetPrivateDataQueryResult is GetQueryResult on a collection.
	GetPrivateDataQueryResult(collection, query string) (StateQueryIteratorInterface, error)
}

// queries are what only some peers answer: rich queries those on CouchDB, history those that keep an index of it.
type queries interface {
	// GetQueryResult asks the state database in its own language.
	GetQueryResult(query string) (StateQueryIteratorInterface, error)
	// GetQueryResultWithPagination is its paginated form, for read-only transactions.
	GetQueryResultWithPagination(query string, pageSize int32, bookmark string) (
		StateQueryIteratorInterface, *peer.QueryResponseMetadata, error)
	// GetHistoryForKey iterates over the writes of a key, the newest first.
	GetHistoryForKey(key string) (HistoryQueryIteratorInterface, error)
}

type otherChaincodes interface {
	// InvokeChaincode calls another chaincode within this transaction. On the same channel ("") its reads and writes
	// become part of this one, under its own name and policy; on another channel nothing that it writes is kept.
	InvokeChaincode(chaincodeName string, args [][]byte, channel string) *peer.Response
}

// CommonIteratorInterface is what every iterator has.
type CommonIteratorInterface interface {
	// HasNext tells whether Next has another result.
	HasNext() bool
	// Close frees what the peer holds for the iterator.
	Close() error
}

// StateQueryIteratorInterface yields keys and values in the order of the keys.
type StateQueryIteratorInterface interface {
	CommonIteratorInterface
	// Next returns the next key and value.
	Next() (*queryresult.KV, error)
}

// HistoryQueryIteratorInterface yields the versions of a key.
type HistoryQueryIteratorInterface interface {
	CommonIteratorInterface
	// Next returns the next version.
	Next() (*queryresult.KeyModification, error)
}
