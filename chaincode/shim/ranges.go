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
	return results.page()
}

func (s *stub) iterate(request *peer.GetStateByRange) (*iterator, error) {
	response, err := s.query(peer.ChaincodeMessage_GET_STATE_BY_RANGE, request)
	if err != nil {
		return nil, err
	}
	return &iterator{results{stub: s, response: response}}, nil
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

// iterator walks over keys and values.
type iterator struct{ results }

func (i *iterator) Next() (*queryresult.KV, error) {
	result := &queryresult.KV{}
	if err := i.next(result); err != nil {
		return nil, err
	}
	return result, nil
}

// page returns the iterator with what the peer says about its page.
func (i *iterator) page() (StateQueryIteratorInterface, *peer.QueryResponseMetadata, error) {
	var page peer.QueryResponseMetadata
	if err := proto.Unmarshal(i.response.GetMetadata(), &page); err != nil {
		return nil, nil, fmt.Errorf("decode the page's metadata: %w", err)
	}
	return i, &page, nil
}

// results are what the peer sends in batches.
type results struct {
	stub     *stub
	response *peer.QueryResponse
	place    int
	closed   bool
}

func (r *results) HasNext() bool {
	return !r.closed && (r.place < len(r.response.GetResults()) || r.response.GetHasMore())
}

// next reads the next result into a message.
func (r *results) next(into proto.Message) error {
	if !r.HasNext() {
		return errors.New("the iterator has no more results")
	}
	if r.place == len(r.response.GetResults()) {
		request := &peer.QueryStateNext{Id: r.response.GetId()}
		response, err := r.stub.query(peer.ChaincodeMessage_QUERY_STATE_NEXT, request)
		if err != nil {
			return err
		}
		if len(response.GetResults()) == 0 {
			return errors.New("the peer promised more results and sent none")
		}
		r.response, r.place = response, 0
	}
	if err := proto.Unmarshal(r.response.GetResults()[r.place].GetResultBytes(), into); err != nil {
		return fmt.Errorf("decode a result: %w", err)
	}
	r.place++
	return nil
}

func (r *results) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	if !r.response.GetHasMore() {
		return nil // the peer has closed what it has sent to the end
	}
	_, err := r.stub.query(peer.ChaincodeMessage_QUERY_STATE_CLOSE, &peer.QueryStateClose{Id: r.response.GetId()})
	return err
}
