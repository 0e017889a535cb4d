package contract

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/shim/protos/common"
	"fedledger/chaincode/shim/protos/peer"
)

func TestAQueryCannotWrite(t *testing.T) {
	state := readOnly{ledger.NewMemory().Begin()}
	for _, err := range []error{state.Put("k", []byte("v")), state.Del("k")} {
		if errcode.Of(err) != errcode.ReadOnly {
			t.Fatal(err)
		}
	}
}

func TestTheChaincodesOwnNameIsThatOfTheProposalsHeader(t *testing.T) {
	marshal := func(message proto.Message) []byte {
		raw, err := proto.Marshal(message)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	named := func(extension []byte) string {
		channel := marshal(&common.ChannelHeader{Extension: extension})
		proposal := marshal(&peer.Proposal{Header: marshal(&common.Header{ChannelHeader: channel})})
		return chaincodeOf(&peer.SignedProposal{ProposalBytes: proposal})
	}
	id := marshal(&peer.ChaincodeID{Name: "fedledger"})
	field := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), id)
	other := protowire.AppendVarint(protowire.AppendTag(nil, 9, protowire.VarintType), 7)
	for want, extensions := range map[string][][]byte{
		"fedledger": {field, append(other, field...)},
		"":          {nil, other, field[:len(field)-1], {0xff}, protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), []byte{0xff})},
	} {
		for _, extension := range extensions {
			if got := named(extension); got != want {
				t.Errorf("%x: want %q, got %q", extension, want, got)
			}
		}
	}
	for _, broken := range []*peer.SignedProposal{nil, {ProposalBytes: []byte{0xff}}} {
		if chaincodeOf(broken) != "" {
			t.Error("a broken proposal has a name")
		}
	}
}
