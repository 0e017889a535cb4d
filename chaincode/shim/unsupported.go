package shim

import "fedledger/chaincode/shim/protos/peer"

// leftOut answers for the methods that this shim leaves out.
type leftOut struct{}

func (leftOut) InvokeChaincode(string, [][]byte, string) *peer.Response {
	return Error("InvokeChaincode: " + ErrNotSupported.Error())
}
func (leftOut) SetStateValidationParameter(string, []byte) error { return ErrNotSupported }
func (leftOut) GetStateValidationParameter(string) ([]byte, error) {
	return nil, ErrNotSupported
}

func (leftOut) GetQueryResult(string) (StateQueryIteratorInterface, error) {
	return nil, ErrNotSupported
}

func (leftOut) GetQueryResultWithPagination(string, int32, string) (
	StateQueryIteratorInterface, *peer.QueryResponseMetadata, error,
) {
	return nil, nil, ErrNotSupported
}

func (leftOut) GetHistoryForKey(string) (HistoryQueryIteratorInterface, error) {
	return nil, ErrNotSupported
}

func (leftOut) GetPrivateData(string, string) ([]byte, error) { return nil, ErrNotSupported }
func (leftOut) GetMultiplePrivateData(string, ...string) ([][]byte, error) {
	return nil, ErrNotSupported
}
func (leftOut) GetPrivateDataHash(string, string) ([]byte, error) { return nil, ErrNotSupported }
func (leftOut) PutPrivateData(string, string, []byte) error       { return ErrNotSupported }
func (leftOut) DelPrivateData(string, string) error               { return ErrNotSupported }
func (leftOut) PurgePrivateData(string, string) error             { return ErrNotSupported }

func (leftOut) GetPrivateDataByRange(string, string, string) (StateQueryIteratorInterface, error) {
	return nil, ErrNotSupported
}

func (leftOut) GetPrivateDataByPartialCompositeKey(string, string, []string) (StateQueryIteratorInterface, error) {
	return nil, ErrNotSupported
}

func (leftOut) GetPrivateDataQueryResult(string, string) (StateQueryIteratorInterface, error) {
	return nil, ErrNotSupported
}
