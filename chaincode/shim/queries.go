package shim

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"fedledger/chaincode/shim/protos/ledger/queryresult"
	"fedledger/chaincode/shim/protos/peer"
)

func (s *stub) GetQueryResult(query string) (StateQueryIteratorInterface, error) {
	results, err := s.rich(&peer.GetQueryResult{Query: query})
	if err != nil {
		return nil, err
	}
	return results, nil
}

func (s *stub) GetQueryResultWithPagination(query string, pageSize int32, bookmark string) (
	StateQueryIteratorInterface, *peer.QueryResponseMetadata, error,
) {
	metadata, err := proto.Marshal(&peer.QueryMetadata{PageSize: pageSize, Bookmark: bookmark})
	if err != nil {
		return nil, nil, fmt.Errorf("encode the bookmark: %w", err)
	}
	results, err := s.rich(&peer.GetQueryResult{Query: query, Metadata: metadata})
	if err != nil {
		return nil, nil, err
	}
	return results.page()
}

func (s *stub) rich(request *peer.GetQueryResult) (*iterator, error) {
	response, err := s.query(peer.ChaincodeMessage_GET_QUERY_RESULT, request)
	if err != nil {
		return nil, err
	}
	return &iterator{results{stub: s, response: response}}, nil
}

func (s *stub) GetHistoryForKey(key string) (HistoryQueryIteratorInterface, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	response, err := s.query(peer.ChaincodeMessage_GET_HISTORY_FOR_KEY, &peer.GetHistoryForKey{Key: key})
	if err != nil {
		return nil, err
	}
	return &history{results{stub: s, response: response}}, nil
}

// history walks over the writes of a key.
type history struct{ results }

func (h *history) Next() (*queryresult.KeyModification, error) {
	result := &queryresult.KeyModification{}
	if err := h.next(result); err != nil {
		return nil, err
	}
	return result, nil
}
