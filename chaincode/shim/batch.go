package shim

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"fedledger/chaincode/shim/protos/peer"
)

// place names what a write changes: a key, public or of a collection, or its metadata.
type place struct {
	collection, key string
	metadata        bool
}

// batch collects writes, one for each place: the last one counts, as it would without a batch.
type batch struct {
	records []*peer.WriteRecord
	places  map[place]int
}

func (b *batch) add(record *peer.WriteRecord) {
	at := place{record.GetCollection(), record.GetKey(), record.GetType() == peer.WriteRecord_PUT_STATE_METADATA}
	if known, taken := b.places[at]; taken {
		b.records[known] = record
		return
	}
	b.places[at] = len(b.records)
	b.records = append(b.records, record)
}

func (s *stub) StartWriteBatch() {
	if s.batch == nil && s.tx.session.offers.GetUseWriteBatch() {
		s.batch = &batch{places: map[place]int{}}
	}
}

func (s *stub) FinishWriteBatch() error {
	if s.batch == nil {
		return nil
	}
	records := s.batch.records
	s.batch = nil
	page := max(1, int(s.tx.session.offers.GetMaxSizeWriteBatch()))
	for len(records) > 0 {
		n := min(page, len(records))
		_, err := s.tx.ask(peer.ChaincodeMessage_WRITE_BATCH_STATE, &peer.WriteBatchState{Rec: records[:n]})
		if err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

// write sends a write, or keeps it for the batch that is open.
func (s *stub) write(record *peer.WriteRecord) error {
	if err := checkKey(record.GetKey()); err != nil {
		return err
	}
	if s.batch != nil {
		s.batch.add(record)
		return nil
	}
	kind, request := alone(record)
	if request == nil {
		return fmt.Errorf("%v is no write", record.GetType())
	}
	_, err := s.tx.ask(kind, request)
	return err
}

// alone returns the message that carries a write outside of batches.
func alone(record *peer.WriteRecord) (peer.ChaincodeMessage_Type, proto.Message) {
	collection, key := record.GetCollection(), record.GetKey()
	switch record.GetType() {
	case peer.WriteRecord_PUT_STATE:
		return peer.ChaincodeMessage_PUT_STATE, &peer.PutState{Collection: collection, Key: key, Value: record.GetValue()}
	case peer.WriteRecord_DEL_STATE:
		return peer.ChaincodeMessage_DEL_STATE, &peer.DelState{Collection: collection, Key: key}
	case peer.WriteRecord_PURGE_PRIVATE_DATA:
		return peer.ChaincodeMessage_PURGE_PRIVATE_DATA, &peer.DelState{Collection: collection, Key: key}
	case peer.WriteRecord_PUT_STATE_METADATA:
		return peer.ChaincodeMessage_PUT_STATE_METADATA,
			&peer.PutStateMetadata{Collection: collection, Key: key, Metadata: record.GetMetadata()}
	default:
		return peer.ChaincodeMessage_UNDEFINED, nil
	}
}
