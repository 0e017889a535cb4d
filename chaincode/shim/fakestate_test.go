package shim

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"fedledger/chaincode/shim/protos/ledger/queryresult"
	"fedledger/chaincode/shim/protos/peer"
)

func (p *fakePeer) handle(m *message) ([]byte, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.asked = append(p.asked, m.GetType())
	switch m.GetType() {
	case peer.ChaincodeMessage_GET_STATE:
		var request peer.GetState
		err := proto.Unmarshal(m.GetPayload(), &request)
		if request.GetKey() == "broken" {
			return nil, errors.New("GET_STATE failed: the disk is gone")
		}
		return []byte(p.state[request.GetKey()]), err
	case peer.ChaincodeMessage_GET_STATE_MULTIPLE:
		return p.readMany(m.GetPayload())
	case peer.ChaincodeMessage_PUT_STATE:
		var request peer.PutState
		err := proto.Unmarshal(m.GetPayload(), &request)
		p.state[request.GetKey()] = string(request.GetValue())
		return nil, err
	case peer.ChaincodeMessage_DEL_STATE:
		var request peer.DelState
		err := proto.Unmarshal(m.GetPayload(), &request)
		delete(p.state, request.GetKey())
		return nil, err
	case peer.ChaincodeMessage_WRITE_BATCH_STATE:
		return nil, p.writeBatch(m.GetPayload())
	case peer.ChaincodeMessage_GET_STATE_BY_RANGE:
		return p.rangeScan(m.GetPayload())
	case peer.ChaincodeMessage_QUERY_STATE_NEXT:
		var request peer.QueryStateNext
		err := proto.Unmarshal(m.GetPayload(), &request)
		return p.cut(request.GetId(), nil), err
	case peer.ChaincodeMessage_QUERY_STATE_CLOSE:
		return encoded(p.t, &peer.QueryResponse{}), nil
	default:
		return nil, fmt.Errorf("unexpected %v", m.GetType())
	}
}

func (p *fakePeer) readMany(payload []byte) ([]byte, error) {
	var request peer.GetStateMultiple
	err := proto.Unmarshal(payload, &request)
	result := &peer.GetStateMultipleResult{}
	for _, key := range request.GetKeys() {
		result.Values = append(result.Values, []byte(p.state[key]))
	}
	return encoded(p.t, result), err
}

func (p *fakePeer) writeBatch(payload []byte) error {
	var request peer.WriteBatchState
	if err := proto.Unmarshal(payload, &request); err != nil {
		return err
	}
	for _, record := range request.GetRec() {
		if record.GetType() == peer.WriteRecord_DEL_STATE {
			delete(p.state, record.GetKey())
			continue
		}
		p.state[record.GetKey()] = string(record.GetValue())
	}
	return nil
}

func (p *fakePeer) rangeScan(payload []byte) ([]byte, error) {
	var request peer.GetStateByRange
	if err := proto.Unmarshal(payload, &request); err != nil {
		return nil, err
	}
	var metadata peer.QueryMetadata
	if err := proto.Unmarshal(request.GetMetadata(), &metadata); err != nil {
		return nil, err
	}
	start, end := request.GetStartKey(), request.GetEndKey()
	if metadata.GetBookmark() != "" {
		start = metadata.GetBookmark()
	}
	var keys []string
	for key := range p.state {
		if key >= start && (end == "" || key < end) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	page := &peer.QueryResponseMetadata{}
	if size := int(metadata.GetPageSize()); size > 0 && size < len(keys) {
		page.Bookmark, keys = keys[size], keys[:size]
	}
	page.FetchedRecordsCount = int32(len(keys))
	id := fmt.Sprint("iterator-", len(p.asked))
	for _, key := range keys {
		kv := &queryresult.KV{Namespace: "cc", Key: key, Value: []byte(p.state[key])}
		p.pending[id] = append(p.pending[id], &peer.QueryResultBytes{ResultBytes: encoded(p.t, kv)})
	}
	if metadata.GetPageSize() == 0 {
		return p.cut(id, nil), nil
	}
	return p.cut(id, page), nil
}

const batchOfResults = 3

// cut sends the next results of an iterator: three at a time, or all of an explicit page.
func (p *fakePeer) cut(id string, page *peer.QueryResponseMetadata) []byte {
	results := p.pending[id]
	response := &peer.QueryResponse{Id: id, Results: results}
	if page != nil {
		response.Metadata = encoded(p.t, page)
	} else if len(results) > batchOfResults {
		response.Results, response.HasMore = results[:batchOfResults], true
	}
	p.pending[id] = results[len(response.GetResults()):]
	return encoded(p.t, response)
}
