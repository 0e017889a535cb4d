package shim

import (
	"errors"

	"fedledger/chaincode/shim/protos/peer"
)

func checkCollection(collection string) error {
	if collection == "" {
		return errors.New("collection must not be an empty string")
	}
	return nil
}

func (s *stub) GetPrivateData(collection, key string) ([]byte, error) {
	if err := checkCollection(collection); err != nil {
		return nil, err
	}
	return s.read(peer.ChaincodeMessage_GET_STATE, collection, key)
}

func (s *stub) GetMultiplePrivateData(collection string, keys ...string) ([][]byte, error) {
	if err := checkCollection(collection); err != nil {
		return nil, err
	}
	return s.readMany(collection, keys)
}

func (s *stub) GetPrivateDataHash(collection, key string) ([]byte, error) {
	if err := checkCollection(collection); err != nil {
		return nil, err
	}
	return s.read(peer.ChaincodeMessage_GET_PRIVATE_DATA_HASH, collection, key)
}

func (s *stub) PutPrivateData(collection, key string, value []byte) error {
	if err := checkCollection(collection); err != nil {
		return err
	}
	return s.write(&peer.WriteRecord{Collection: collection, Key: key, Value: value, Type: peer.WriteRecord_PUT_STATE})
}

func (s *stub) DelPrivateData(collection, key string) error {
	if err := checkCollection(collection); err != nil {
		return err
	}
	return s.write(&peer.WriteRecord{Collection: collection, Key: key, Type: peer.WriteRecord_DEL_STATE})
}

func (s *stub) PurgePrivateData(collection, key string) error {
	if err := checkCollection(collection); err != nil {
		return err
	}
	return s.write(&peer.WriteRecord{Collection: collection, Key: key, Type: peer.WriteRecord_PURGE_PRIVATE_DATA})
}

func (s *stub) GetPrivateDataByRange(collection, startKey, endKey string) (StateQueryIteratorInterface, error) {
	start, end, err := plainRange(startKey, endKey)
	if err = errors.Join(checkCollection(collection), err); err != nil {
		return nil, err
	}
	return s.iterate(&peer.GetStateByRange{Collection: collection, StartKey: start, EndKey: end})
}

func (s *stub) GetPrivateDataByPartialCompositeKey(collection, objectType string, keys []string) (
	StateQueryIteratorInterface, error,
) {
	start, end, err := compositeRange(objectType, keys)
	if err = errors.Join(checkCollection(collection), err); err != nil {
		return nil, err
	}
	return s.iterate(&peer.GetStateByRange{Collection: collection, StartKey: start, EndKey: end})
}

func (s *stub) GetPrivateDataQueryResult(collection, query string) (StateQueryIteratorInterface, error) {
	if err := checkCollection(collection); err != nil {
		return nil, err
	}
	results, err := s.rich(&peer.GetQueryResult{Collection: collection, Query: query})
	if err != nil {
		return nil, err
	}
	return results, nil
}
