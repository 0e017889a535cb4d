package shim

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"fedledger/chaincode/shim/protos/ledger/queryresult"
	"fedledger/chaincode/shim/protos/peer"
)

func (s *stub) GetStateByRange(startKey, endKey string) (StateQueryIteratorInterface, error) {
	start, end, err := plainRange(startKey, endKey)
	if err != nil {
		return nil, err
	}
	return s.iterate(&peer.GetStateByRange{StartKey: start, EndKey: end})
}

func (s *stub) GetStateByPartialCompositeKey(objectType string, keys []string) (StateQueryIteratorInterface, error) {
	start, end, err := compositeRange(objectType, keys)
	if err != nil {
		return nil, err
	}
	return s.iterate(&peer.GetStateByRange{StartKey: start, EndKey: end})
}

func (s *stub) GetStateByRangeWithPagination(startKey, endKey string, pageSize int32, bookmark string) (
	StateQueryIteratorInterface, *peer.QueryResponseMetadata, error,
) {
	start, end, err := plainRange(startKey, endKey)
	if err != nil {
		return nil, nil, err
	}
	return s.page(start, end, pageSize, bookmark)
}

func (s *stub) GetStateByPartialCompositeKeyWithPagination(
	objectType string, keys []string, pageSize int32, bookmark string,
) (StateQueryIteratorInterface, *peer.QueryResponseMetadata, error) {
	start, end, err := compositeRange(objectType, keys)
	if err != nil {
		return nil, nil, err
	}
	return s.page(start, end, pageSize, bookmark)
}

func (s *stub) page(start, end string, size int32, bookmark string) (
	StateQueryIteratorInterface, *peer.QueryResponseMetadata, error,
) {
	metadata, err := proto.Marshal(&peer.QueryMetadata{PageSize: size, Bookmark: bookmark})
	if err != nil {
		return nil, nil, fmt.Errorf("encode the bookmark: %w", err)
	}
	results, err := s.iterate(&peer.GetStateByRange{StartKey: start, EndKey: end, Metadata: metadata})
	if err != nil {
		return nil, nil, err
	}
	var page peer.QueryResponseMetadata
	if err := proto.Unmarshal(results.response.GetMetadata(), &page); err != nil {
		return nil, nil, fmt.Errorf("decode the page's metadata: %w", err)
	}
	return results, &page, nil
}

func (s *stub) iterate(request *peer.GetStateByRange) (*iterator, error) {
	response, err := s.query(peer.ChaincodeMessage_GET_STATE_BY_RANGE, request)
	if err != nil {
		return nil, err
	}
	return &iterator{stub: s, response: response}, nil
}

func (s *stub) query(kind peer.ChaincodeMessage_Type, request proto.Message) (*peer.QueryResponse, error) {
	raw, err := s.tx.ask(kind, request)
	if err != nil {
		return nil, err
	}
	response := &peer.QueryResponse{}
	if err := proto.Unmarshal(raw, response); err != nil {
		return nil, fmt.Errorf("decode the answer to %v: %w", kind, err)
	}
	return response, nil
}

// iterator walks over the results that the peer sends in batches.
type iterator struct {
	stub     *stub
	response *peer.QueryResponse
	place    int
	closed   bool
}

func (i *iterator) HasNext() bool {
	return !i.closed && (i.place < len(i.response.GetResults()) || i.response.GetHasMore())
}

func (i *iterator) Next() (*queryresult.KV, error) {
	if !i.HasNext() {
		return nil, errors.New("the iterator has no more results")
	}
	if i.place == len(i.response.GetResults()) {
		request := &peer.QueryStateNext{Id: i.response.GetId()}
		response, err := i.stub.query(peer.ChaincodeMessage_QUERY_STATE_NEXT, request)
		if err != nil {
			return nil, err
		}
		if len(response.GetResults()) == 0 {
			return nil, errors.New("the peer promised more results and sent none")
		}
		i.response, i.place = response, 0
	}
	result := &queryresult.KV{}
	if err := proto.Unmarshal(i.response.GetResults()[i.place].GetResultBytes(), result); err != nil {
		return nil, fmt.Errorf("decode a result: %w", err)
	}
	i.place++
	return result, nil
}

func (i *iterator) Close() error {
	if i.closed {
		return nil
	}
	i.closed = true
	if !i.response.GetHasMore() {
		return nil // the peer has closed what it has sent to the end
	}
	_, err := i.stub.query(peer.ChaincodeMessage_QUERY_STATE_CLOSE, &peer.QueryStateClose{Id: i.response.GetId()})
	return err
}
