package contract_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/contract"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
	"fedledger/chaincode/shim"
	"fedledger/chaincode/shim/protos/ledger/queryresult"
	"fedledger/chaincode/shim/protos/msp"
	"fedledger/chaincode/shim/protos/peer"
)

// stub is a peer's view of a committed state: as on Fabric, reads do not show the transaction's own writes.
type stub struct {
	shim.ChaincodeStubInterface // what is not overridden is not used: nil panics

	committed *ledger.Tx
	creator   []byte
	proposal  []byte
	args      [][]byte
	writes    []ledger.Entry
	event     string
	payload   []byte
	ranges    []string // those asked for
}

func (s *stub) GetArgs() [][]byte { return s.args }
func (s *stub) GetSignedProposal() (*peer.SignedProposal, error) {
	return &peer.SignedProposal{ProposalBytes: s.proposal}, nil
}
func (s *stub) GetTxID() string             { return "tx" }
func (s *stub) GetChannelID() string        { return contracttest.Channel }
func (s *stub) GetCreator() ([]byte, error) { return s.creator, nil }
func (s *stub) GetTxTimestamp() (*timestamppb.Timestamp, error) {
	return timestamppb.New(time.UnixMilli(1_000_000)), nil
}
func (s *stub) GetState(key string) ([]byte, error) { return s.committed.Get(key) }
func (s *stub) GetMultipleStates(keys ...string) ([][]byte, error) {
	values := make([][]byte, len(keys))
	for i, key := range keys {
		values[i], _ = s.committed.Get(key)
	}
	return values, nil
}
func (s *stub) StartWriteBatch()        {}
func (s *stub) FinishWriteBatch() error { return nil }
func (s *stub) PutState(key string, value []byte) error {
	s.writes = append(s.writes, ledger.Entry{Key: key, Value: value})
	return nil
}
func (s *stub) DelState(key string) error { return s.PutState(key, nil) }
func (s *stub) SetEvent(name string, payload []byte) error {
	s.event, s.payload = name, payload
	return nil
}

func (s *stub) GetStateByPartialCompositeKey(kind string, parts []string) (shim.StateQueryIteratorInterface, error) {
	s.ranges = append(s.ranges, kind)
	entries, err := s.committed.Range(ledger.Key(kind, parts...))
	return &iterator{entries: entries}, err
}

func (s *stub) GetStateByPartialCompositeKeyWithPagination(kind string, parts []string, size int32, bookmark string) (
	shim.StateQueryIteratorInterface, *peer.QueryResponseMetadata, error,
) {
	entries, err := s.committed.Range(ledger.Key(kind, parts...))
	at := slices.IndexFunc(entries, func(entry ledger.Entry) bool { return entry.Key >= bookmark })
	entries = entries[max(0, at):]
	if at < 0 {
		entries = nil
	}
	return &iterator{entries: entries[:min(len(entries), int(size))]}, &peer.QueryResponseMetadata{}, err
}

type iterator struct{ entries []ledger.Entry }

func (i *iterator) HasNext() bool { return len(i.entries) > 0 }
func (i *iterator) Close() error  { return nil }
func (i *iterator) Next() (*queryresult.KV, error) {
	next := i.entries[0]
	i.entries = i.entries[1:]
	return &queryresult.KV{Key: next.Key, Value: next.Value}, nil
}

func TestTheStubAdapterAndTheMemoryTwinGiveTheSameWritesAndEvents(t *testing.T) {
	f := history()
	replayed(t, f, func(state *ledger.Memory, entry contracttest.Entry) {
		peer := &stub{committed: state.Begin()}
		fabric := ledger.NewFabric(peer)
		_, event, err := f.Contract.Execute(fabric, entry.Env, entry.Function, entry.Argument)
		if err != nil {
			t.Fatalf("%s: %v", entry.Function, err)
		}
		if err := fabric.Flush(event); err != nil {
			t.Fatal(err)
		}
		payload, _ := codec.Canonical(entry.Event.Payload)
		equal(t, entry.Event.Name, peer.event)
		equal(t, string(payload), string(peer.payload))
		equal(t, len(entry.Writes), len(peer.writes))
		for i, write := range entry.Writes {
			equal(t, write.Key, peer.writes[i].Key)
			equal(t, string(write.Value), string(peer.writes[i].Value))
		}
	})
}

func TestAPeersCallRunsTheContractAsItsCreator(t *testing.T) {
	f := contracttest.New(4, `{}`)
	argument, _ := codec.Canonical(founding(f))
	admin, client := contracttest.Issue("admin", "admin"), contracttest.Issue("client", "client")
	code := contract.Chaincode{Contract: f.Contract}
	call := func(creator []byte, args ...string) (*stub, *peer.Response) {
		s := &stub{committed: f.State.Begin(), creator: creator}
		for _, arg := range args {
			s.args = append(s.args, []byte(arg))
		}
		return s, code.Invoke(s)
	}
	for want, args := range map[string][]string{
		"FL0002": {"Found", "{}", "{}"}, "FL0001": {"Unheard", "{}"}, "FL0103": {"Found", "{}"},
	} {
		creator := admin.Creator(contracttest.MSP(0))
		if want == "FL0103" {
			args = []string{"Found", strings.Replace(string(argument), contracttest.MSP(3), "OtherMSP", 1)}
		}
		s, response := call(creator, args...)
		equal(t, int32(500), response.Status)
		equal(t, want, response.Message[:6])
		equal(t, 0, len(s.writes))
	}
	_, response := call(client.Creator(contracttest.MSP(0)), "Found", string(argument))
	equal(t, "FL0004", response.Message[:6])
	_, response = call([]byte("no identity"), "Found", string(argument))
	equal(t, "FL0004", response.Message[:6])
	bad, _ := proto.Marshal(&msp.SerializedIdentity{Mspid: "X", IdBytes: []byte("no PEM")})
	_, response = call(bad, "Found", string(argument))
	equal(t, "FL0004", response.Message[:6])
	s, response := call(admin.Creator(contracttest.MSP(0)), "Found", string(argument))
	equal(t, int32(200), response.Status)
	equal(t, "Founded", s.event)
	equal(t, int32(200), code.Init(s).Status)
}

func TestASignedRefusedPayloadIsRecheckedAndRecorded(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUnmask)
	liar := contracttest.Issue("liar", "client")
	f.Must(contracttest.Admin(1), "RotateKey", object{"participant": contracttest.ID(1), "key_hash": liar.KeyHash}, nil)
	report := func(accused int, evidence object) object {
		return p.With(object{"kind": "refused_payload", "accused": contracttest.ID(accused), "evidence": evidence})
	}
	evidence := func(function string, argument any) object {
		return liar.Sign(contracttest.MSP(1), contracttest.Channel, contracttest.Chaincode, function, argument)
	}
	honest := p.Reveal(1)
	refused(t, f, p.Node(0), "ReportFault", report(1, evidence("RevealShares", honest)), errcode.NotProven)
	wrong := p.Reveal(1)
	wrong["shares"].([]object)[0]["kind"] = "mask"
	refused(t, f, p.Node(0), "ReportFault", report(2, evidence("RevealShares", wrong)), errcode.NotProven)
	for _, elsewhere := range []object{
		liar.Sign(contracttest.MSP(1), "otherchannel", contracttest.Chaincode, "RevealShares", wrong),
		liar.Sign(contracttest.MSP(1), contracttest.Channel, "lookalike", "RevealShares", wrong),
	} {
		refused(t, f, p.Node(0), "ReportFault", report(1, elsewhere), errcode.NotProven)
	}
	forged := evidence("RevealShares", wrong)
	forged["signature"] = evidence("RevealShares", honest)["signature"]
	refused(t, f, p.Node(0), "ReportFault", report(1, forged), errcode.NotProven)
	refused(t, f, p.Node(0), "ReportFault", report(1, object{"proposal": "!", "signature": ""}), errcode.BadArgument)
	refused(t, f, p.Node(0), "ReportFault", report(1, object{"proposal": "AAAA", "signature": ""}), errcode.BadArgument)
	refused(t, f, p.Node(0), "ReportFault", report(1, evidence("Transfer", object{})), errcode.NotProven)

	update := changed(p.Update(1), "base_state", contracttest.Digest("other"))
	for function, argument := range map[string]object{"RevealShares": wrong, "CommitUpdate": update} {
		tx, _, err := f.Prepare(p.Node(0), "ReportFault", report(1, evidence(function, argument)))
		if err != nil || len(tx.Writes()) != 1 {
			t.Fatalf("%s: %v", function, err)
		}
	}
	f.Must(p.Node(0), "ReportFault", report(1, evidence("RevealShares", wrong)), nil)
	refused(t, f, p.Node(0), "ReportFault", report(1, evidence("RevealShares", wrong)), errcode.AlreadyReported)
	equal(t, "refused-payload", flags(f, contracttest.ID(1))[0].Kind)
}

func TestASignedWrongAggregateIsRechecked(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	liar := contracttest.Issue("liar", "client")
	f.Must(contracttest.Admin(1), "RotateKey", object{"participant": contracttest.ID(1), "key_hash": liar.KeyHash}, nil)
	report := func(argument any) object {
		return p.With(object{
			"kind": "refused_payload", "accused": contracttest.ID(1),
			"evidence": liar.Sign(contracttest.MSP(1), contracttest.Channel, contracttest.Chaincode, "ProposeAggregate", argument),
		})
	}
	refused(t, f, p.Node(0), "ReportFault", report(p.Proposal()), errcode.NotProven)
	refused(t, f, p.Node(0), "ReportFault", report(changed(p.Proposal(), "aggregate", "x")), errcode.NotProven)
	f.Must(p.Node(0), "ReportFault", report(changed(p.Proposal(), "aggregate", contracttest.Digest("lie"))), nil)
}

func TestARefusedPayloadReportedAfterTheRoundCostsStakeWhetherItIsSettledOrNot(t *testing.T) {
	for _, late := range []bool{false, true} {
		f := training(4, `{}`)
		p := f.Open("tumour", options{})
		p.To(round.PhaseUpdates)
		liar := contracttest.Issue("liar", "client")
		update := changed(p.Update(1), "plan", contracttest.Digest("other"))
		p.Finish()
		f.Must(contracttest.Admin(1), "RotateKey", object{"participant": contracttest.ID(1), "key_hash": liar.KeyHash}, nil)
		f.Must(contracttest.Admin(1), "RotateKey", object{"participant": contracttest.ID(1), "key_hash": contracttest.KeyHash("fresh")}, nil)
		settle := func() { f.Must(contracttest.Node(0), "Settle", object{"training": "tumour", "round": 1}, nil) }
		if late {
			settle()
		}
		f.Must(p.Node(0), "ReportFault", p.With(object{
			"kind": "refused_payload", "accused": contracttest.ID(1),
			"evidence": liar.Sign(contracttest.MSP(1), contracttest.Channel, contracttest.Chaincode, "CommitUpdate", update),
		}), nil)
		if !late {
			settle()
		}
		var who struct{ Stake uint64 }
		f.Query("GetParticipant", object{"participant": contracttest.ID(1)}, &who)
		equal(t, 1_900_000, who.Stake)
		conserved(t, f)
	}
}

func TestEventsAndResponsesAreCanonicalJSON(t *testing.T) {
	for _, entry := range history().Log {
		payload, err := codec.Canonical(entry.Event.Payload)
		if err != nil {
			t.Fatal(err)
		}
		again, err := codec.Canonical(json.RawMessage(payload))
		if err != nil || !bytes.Equal(payload, again) {
			t.Fatalf("%s: %s", entry.Event.Name, payload)
		}
		for _, write := range entry.Writes {
			if write.Value == nil {
				continue
			}
			if canonical, err := codec.Canonical(json.RawMessage(write.Value)); err != nil || !bytes.Equal(canonical, write.Value) {
				t.Fatalf("%q: %s", write.Key, write.Value)
			}
		}
	}
}
