package shim

import (
	"fmt"

	"fedledger/chaincode/shim/protos/peer"
)

// notSupported names the method that was called: its caller may see no more of it than this text.
func notSupported(method string) error { return fmt.Errorf("%s: %w", method, ErrNotSupported) }

// leftOut answers for the methods that this shim leaves out.
type leftOut struct{}

func (leftOut) InvokeChaincode(string, [][]byte, string) *peer.Response {
	return Error(notSupported("InvokeChaincode").Error())
}
func (leftOut) SetStateValidationParameter(string, []byte) error {
	return notSupported("SetStateValidationParameter")
}
func (leftOut) GetStateValidationParameter(string) ([]byte, error) {
	return nil, notSupported("GetStateValidationParameter")
}

func (leftOut) GetQueryResult(string) (StateQueryIteratorInterface, error) {
	return nil, notSupported("GetQueryResult")
}

func (leftOut) GetQueryResultWithPagination(string, int32, string) (
	StateQueryIteratorInterface, *peer.QueryResponseMetadata, error,
) {
	return nil, nil, notSupported("GetQueryResultWithPagination")
}

func (leftOut) GetHistoryForKey(string) (HistoryQueryIteratorInterface, error) {
	return nil, notSupported("GetHistoryForKey")
}

func (leftOut) GetPrivateData(string, string) ([]byte, error) {
	return nil, notSupported("GetPrivateData")
}
func (leftOut) GetMultiplePrivateData(string, ...string) ([][]byte, error) {
	return nil, notSupported("GetMultiplePrivateData")
}
func (leftOut) GetPrivateDataHash(string, string) ([]byte, error) {
	return nil, notSupported("GetPrivateDataHash")
}
func (leftOut) PutPrivateData(string, string, []byte) error { return notSupported("PutPrivateData") }
func (leftOut) DelPrivateData(string, string) error         { return notSupported("DelPrivateData") }
func (leftOut) PurgePrivateData(string, string) error       { return notSupported("PurgePrivateData") }

func (leftOut) GetPrivateDataByRange(string, string, string) (StateQueryIteratorInterface, error) {
	return nil, notSupported("GetPrivateDataByRange")
}

func (leftOut) GetPrivateDataByPartialCompositeKey(string, string, []string) (StateQueryIteratorInterface, error) {
	return nil, notSupported("GetPrivateDataByPartialCompositeKey")
}

func (leftOut) GetPrivateDataQueryResult(string, string) (StateQueryIteratorInterface, error) {
	return nil, notSupported("GetPrivateDataQueryResult")
}
