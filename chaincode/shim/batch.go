package shim

import "fedledger/chaincode/shim/protos/peer"

// batch collects writes, one for each key: the last one counts, as it would without a batch.
type batch struct {
	records []*peer.WriteRecord
	places  map[string]int
}

func (b *batch) add(record *peer.WriteRecord) {
	if place, known := b.places[record.GetKey()]; known {
		b.records[place] = record
		return
	}
	b.places[record.GetKey()] = len(b.records)
	b.records = append(b.records, record)
}

func (s *stub) StartWriteBatch() {
	if s.batch == nil && s.tx.session.offers.GetUseWriteBatch() {
		s.batch = &batch{places: map[string]int{}}
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
