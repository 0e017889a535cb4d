package contract

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
	"fedledger/chaincode/shim/protos/common"
	"fedledger/chaincode/shim/protos/peer"
)

const maxSignedBytes = 512 << 10

// openSigned returns what opens a proposal to this chaincode on this channel that somebody else brings: as evidence of a fault, or as a
// word (carry.go). The certificate is checked against the participant's key hash by the rules, not against a chain: so what else it says,
// its organisational unit say, gives no right.
func openSigned(env ledger.Env) round.Opener {
	return func(proposal round.SignedProposal) (round.Signed, error) {
		raw, signature, err := signedBytes(proposal)
		if err != nil {
			return round.Signed{}, err
		}
		signed, creator, certificate, err := parseProposal(raw, env)
		if err != nil {
			return round.Signed{}, err
		}
		if !verifies(certificate, raw, signature) {
			return round.Signed{}, errcode.New(errcode.NotProven, "the signature is not the creator's")
		}
		signed.KeyHash, signed.MSPID = creator.KeyHash, creator.MSPID
		return signed, nil
	}
}

func signedBytes(proposal round.SignedProposal) (raw, signature []byte, err error) {
	if len(proposal.Proposal) > maxSignedBytes || len(proposal.Signature) > 1_024 {
		return nil, nil, errcode.New(errcode.LimitExceeded, "a signed proposal has at most %d bytes, its signature 1024", maxSignedBytes)
	}
	raw, errProposal := base64.StdEncoding.Strict().DecodeString(proposal.Proposal)
	signature, errSignature := base64.StdEncoding.Strict().DecodeString(proposal.Signature)
	if errProposal != nil || errSignature != nil {
		return nil, nil, errcode.New(errcode.BadArgument, "proposal and signature must be in base64")
	}
	return raw, signature, nil
}

func parseProposal(raw []byte, env ledger.Env) (round.Signed, ledger.Caller, *x509.Certificate, error) {
	var (
		proposal   peer.Proposal
		header     common.Header
		channelHdr common.ChannelHeader
		signer     common.SignatureHeader
		payload    peer.ChaincodeProposalPayload
		invocation peer.ChaincodeInvocationSpec
	)
	for _, step := range []struct {
		from func() []byte
		into proto.Message
	}{
		{func() []byte { return raw }, &proposal},
		{func() []byte { return proposal.GetHeader() }, &header},
		{func() []byte { return header.GetChannelHeader() }, &channelHdr},
		{func() []byte { return header.GetSignatureHeader() }, &signer},
		{func() []byte { return proposal.GetPayload() }, &payload},
		{func() []byte { return payload.GetInput() }, &invocation},
	} {
		if err := proto.Unmarshal(step.from(), step.into); err != nil {
			return round.Signed{}, ledger.Caller{}, nil, errcode.New(errcode.BadArgument, "the signed proposal cannot be decoded: %v", err)
		}
	}
	args := invocation.GetChaincodeSpec().GetInput().GetArgs()
	if channelHdr.GetChannelId() != env.Channel || chaincodeIn(&channelHdr) != env.Chaincode || len(args) != 2 {
		return round.Signed{}, ledger.Caller{}, nil, errcode.New(errcode.NotProven, "it is no transaction of this chaincode on this channel")
	}
	creator, certificate, err := CallerOf(signer.GetCreator())
	signed := round.Signed{TxID: channelHdr.GetTxId(), Function: string(args[0]), Argument: args[1]}
	return signed, creator, certificate, err
}

// chaincodeIn is the name of the chaincode that a proposal asks for: field 2 of ChaincodeHeaderExtension, which peers go by.
func chaincodeIn(header *common.ChannelHeader) string {
	var id peer.ChaincodeID
	for rest := header.GetExtension(); len(rest) > 0; {
		number, kind, tag := protowire.ConsumeTag(rest)
		size := protowire.ConsumeFieldValue(number, kind, rest[max(tag, 0):])
		if tag < 0 || size < 0 {
			return ""
		}
		if value, _ := protowire.ConsumeBytes(rest[tag:]); number == 2 && kind == protowire.BytesType && proto.Unmarshal(value, &id) != nil {
			return ""
		}
		rest = rest[tag+size:]
	}
	return id.GetName()
}

// chaincodeOf is the name under which this chaincode was called.
func chaincodeOf(signed *peer.SignedProposal) string {
	var (
		proposal   peer.Proposal
		header     common.Header
		channelHdr common.ChannelHeader
	)
	if proto.Unmarshal(signed.GetProposalBytes(), &proposal) != nil || proto.Unmarshal(proposal.GetHeader(), &header) != nil ||
		proto.Unmarshal(header.GetChannelHeader(), &channelHdr) != nil {
		return ""
	}
	return chaincodeIn(&channelHdr)
}

func verifies(certificate *x509.Certificate, message, signature []byte) bool {
	digest := sha256.Sum256(message)
	switch key := certificate.PublicKey.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, digest[:], signature)
	case ed25519.PublicKey:
		return ed25519.Verify(key, message, signature)
	}
	return false
}
