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
		return []byte(p.state[stored(request.GetCollection(), request.GetKey())]), err
	case peer.ChaincodeMessage_GET_STATE_MULTIPLE:
		return p.readMany(m.GetPayload())
	case peer.ChaincodeMessage_PUT_STATE:
		var request peer.PutState
		err := proto.Unmarshal(m.GetPayload(), &request)
		p.state[stored(request.GetCollection(), request.GetKey())] = string(request.GetValue())
		return nil, err
	case peer.ChaincodeMessage_DEL_STATE, peer.ChaincodeMessage_PURGE_PRIVATE_DATA:
		var request peer.DelState
		err := proto.Unmarshal(m.GetPayload(), &request)
		delete(p.state, stored(request.GetCollection(), request.GetKey()))
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
		return p.handleRare(m)
	}
}

// stored is where the fake keeps a key of a collection.
func stored(collection, key string) string {
	if collection == "" {
		return key
	}
	return collection + "|" + key
}

func (p *fakePeer) handleRare(m *message) ([]byte, error) {
	switch m.GetType() {
	case peer.ChaincodeMessage_GET_PRIVATE_DATA_HASH:
		var request peer.GetState
		err := proto.Unmarshal(m.GetPayload(), &request)
		return []byte("hash of " + stored(request.GetCollection(), request.GetKey())), err
	case peer.ChaincodeMessage_PUT_STATE_METADATA:
		var request peer.PutStateMetadata
		err := proto.Unmarshal(m.GetPayload(), &request)
		entry := request.GetMetadata()
		p.state[entry.GetMetakey()+" of "+stored(request.GetCollection(), request.GetKey())] = string(entry.GetValue())
		return nil, err
	case peer.ChaincodeMessage_GET_STATE_METADATA:
		var request peer.GetStateMetadata
		err := proto.Unmarshal(m.GetPayload(), &request)
		name := "VALIDATION_PARAMETER"
		value := p.state[name+" of "+stored(request.GetCollection(), request.GetKey())]
		result := &peer.StateMetadataResult{Entries: []*peer.StateMetadata{{Metakey: "OTHER", Value: []byte("x")}}}
		if value != "" {
			result.Entries = append(result.Entries, &peer.StateMetadata{Metakey: name, Value: []byte(value)})
		}
		return encoded(p.t, result), err
	case peer.ChaincodeMessage_GET_HISTORY_FOR_KEY:
		var request peer.GetHistoryForKey
		err := proto.Unmarshal(m.GetPayload(), &request)
		for n := range batchOfResults + 1 {
			written := &queryresult.KeyModification{TxId: fmt.Sprint(request.GetKey(), n), IsDelete: n == 0}
			p.pending["history"] = append(p.pending["history"], &peer.QueryResultBytes{ResultBytes: encoded(p.t, written)})
		}
		return p.cut("history", nil), err
	case peer.ChaincodeMessage_INVOKE_CHAINCODE:
		return p.invoke(m.GetPayload())
	default:
		return nil, fmt.Errorf("unexpected %v", m.GetType())
	}
}

// invoke answers with what was asked for; one function of the callee breaks off.
func (p *fakePeer) invoke(payload []byte) ([]byte, error) {
	var request peer.ChaincodeSpec
	if err := proto.Unmarshal(payload, &request); err != nil {
		return nil, err
	}
	function := string(request.GetInput().GetArgs()[0])
	if function == "break" {
		return encoded(p.t, &message{Type: peer.ChaincodeMessage_ERROR, Payload: []byte("broken")}), nil
	}
	response := &peer.Response{Status: 201, Payload: []byte(request.GetChaincodeId().GetName() + " " + function)}
	return encoded(p.t, &message{Type: peer.ChaincodeMessage_COMPLETED, Payload: encoded(p.t, response)}), nil
}

func (p *fakePeer) readMany(payload []byte) ([]byte, error) {
	var request peer.GetStateMultiple
	err := proto.Unmarshal(payload, &request)
	result := &peer.GetStateMultipleResult{}
	for _, key := range request.GetKeys() {
		result.Values = append(result.Values, []byte(p.state[stored(request.GetCollection(), key)]))
	}
	return encoded(p.t, result), err
}

func (p *fakePeer) writeBatch(payload []byte) error {
	var request peer.WriteBatchState
	if err := proto.Unmarshal(payload, &request); err != nil {
		return err
	}
	for _, record := range request.GetRec() {
		key := stored(record.GetCollection(), record.GetKey())
		switch record.GetType() {
		case peer.WriteRecord_DEL_STATE, peer.WriteRecord_PURGE_PRIVATE_DATA:
			delete(p.state, key)
		case peer.WriteRecord_PUT_STATE_METADATA:
			p.state[record.GetMetadata().GetMetakey()+" of "+key] = string(record.GetMetadata().GetValue())
		default:
			p.state[key] = string(record.GetValue())
		}
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
	start, end := stored(request.GetCollection(), request.GetStartKey()), request.GetEndKey()
	if end != "" {
		end = stored(request.GetCollection(), end)
	}
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
