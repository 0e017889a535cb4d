// Package shim is the chaincode side of Hyperledger Fabric's chaincode protocol, as an external service.
//
// A contract implements [Chaincode] and runs as a server that peers dial; every call reaches it with a
// [ChaincodeStubInterface] to read and write the ledger. Names and signatures are those of the official module
// (github.com/hyperledger/fabric-chaincode-go/v2/shim), so that a contract moves there by a change of its imports.
// Private data, key-level endorsement, history, rich queries and calls to other chaincodes answer "not supported".
//
// One stream serves any number of concurrent transactions. A panic in a contract fails that transaction alone; when
// the stream ends, every call that waits for the peer returns an error.
package shim
