package shim

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"fedledger/chaincode/shim/protos/common"
	"fedledger/chaincode/shim/protos/peer"
)

// proposal is the decoded part of a signed proposal that a contract may ask for. The peer has checked its signature.
type proposal struct {
	signed    *peer.SignedProposal
	creator   []byte
	transient map[string][]byte
	binding   []byte
	timestamp *timestamppb.Timestamp
}

// decodeProposal reads a signed proposal; nil gives an empty one, as when a peer calls without a client.
func decodeProposal(signed *peer.SignedProposal) (proposal, error) {
	if signed == nil {
		return proposal{}, nil
	}
	var (
		raw       peer.Proposal
		header    common.Header
		channel   common.ChannelHeader
		signature common.SignatureHeader
		payload   peer.ChaincodeProposalPayload
	)
	steps := []struct {
		what  string
		bytes func() []byte
		into  proto.Message
	}{
		{"proposal", signed.GetProposalBytes, &raw},
		{"header", raw.GetHeader, &header},
		{"channel header", header.GetChannelHeader, &channel},
		{"signature header", header.GetSignatureHeader, &signature},
		{"payload", raw.GetPayload, &payload},
	}
	for _, step := range steps {
		if err := proto.Unmarshal(step.bytes(), step.into); err != nil {
			return proposal{}, fmt.Errorf("decode %s of the proposal: %w", step.what, err)
		}
	}
	return proposal{
		signed:    signed,
		creator:   signature.GetCreator(),
		transient: payload.GetTransientMap(),
		binding:   binding(&signature, channel.GetEpoch()),
		timestamp: channel.GetTimestamp(),
	}, nil
}

func binding(header *common.SignatureHeader, epoch uint64) []byte {
	digest := sha256.New()
	digest.Write(header.GetNonce())
	digest.Write(header.GetCreator())
	digest.Write(binary.LittleEndian.AppendUint64(nil, epoch))
	return digest.Sum(nil)
}

func (p *proposal) GetCreator() ([]byte, error)                      { return p.creator, nil }
func (p *proposal) GetTransient() (map[string][]byte, error)         { return p.transient, nil }
func (p *proposal) GetBinding() ([]byte, error)                      { return p.binding, nil }
func (p *proposal) GetSignedProposal() (*peer.SignedProposal, error) { return p.signed, nil }

func (p *proposal) GetTxTimestamp() (*timestamppb.Timestamp, error) {
	if p.timestamp == nil {
		return nil, errors.New("the proposal carries no timestamp")
	}
	return p.timestamp, nil
}

// input is the function and its arguments.
type input struct{ *peer.ChaincodeInput }

func (i input) GetArgs() [][]byte { return i.Args }

func (i input) GetStringArgs() []string {
	args := make([]string, len(i.Args))
	for n, arg := range i.Args {
		args[n] = string(arg)
	}
	return args
}

func (i input) GetFunctionAndParameters() (string, []string) {
	args := i.GetStringArgs()
	if len(args) == 0 {
		return "", []string{}
	}
	return args[0], args[1:]
}

func (i input) GetArgsSlice() ([]byte, error) {
	var joined []byte
	for _, arg := range i.Args {
		joined = append(joined, arg...)
	}
	return joined, nil
}

func (i input) GetDecorations() map[string][]byte { return i.Decorations }
