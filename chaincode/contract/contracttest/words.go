package contracttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/shim/protos/common"
	"fedledger/chaincode/shim/protos/msp"
	"fedledger/chaincode/shim/protos/peer"
)

// Identity is a certificate with its key.
type Identity struct {
	KeyHash string

	key         *ecdsa.PrivateKey
	certificate []byte
}

// Issue makes a certificate that says unit, signed by its own key. Key and signatures follow from the name: every run has the same.
func Issue(name, unit string) Identity {
	scalar := codec.Hash("test/certificate", []byte(name))
	key := must(ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar[:]))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name, OrganizationalUnit: []string{unit}},
		NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der := must(x509.CreateCertificate(nil, template, template, key.Public(), key))
	hash := sha256.Sum256(must(x509.ParseCertificate(der)).RawSubjectPublicKeyInfo)
	return Identity{ledger.Hex(hash[:]), key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// Creator is the identity as a member of an organisation, as a peer sees it.
func (i Identity) Creator(mspID string) []byte {
	return marshal(&msp.SerializedIdentity{Mspid: mspID, IdBytes: i.certificate})
}

// Sign is a proposal as its sender signs it: a word, or evidence of a fault.
func (i Identity) Sign(mspID, channel, chaincode, function string, argument any) Map {
	raw, ok := argument.([]byte)
	if !ok {
		raw = must(codec.Canonical(argument))
	}
	extension := protowire.AppendTag(nil, 2, protowire.BytesType) // of ChaincodeHeaderExtension
	extension = protowire.AppendBytes(extension, marshal(&peer.ChaincodeID{Name: chaincode}))
	proposal := marshal(&peer.Proposal{
		Header: marshal(&common.Header{
			ChannelHeader:   marshal(&common.ChannelHeader{ChannelId: channel, TxId: "signed", Extension: extension}),
			SignatureHeader: marshal(&common.SignatureHeader{Creator: i.Creator(mspID)}),
		}),
		Payload: marshal(&peer.ChaincodeProposalPayload{Input: marshal(&peer.ChaincodeInvocationSpec{
			ChaincodeSpec: &peer.ChaincodeSpec{Input: &peer.ChaincodeInput{Args: [][]byte{[]byte(function), raw}}},
		})}),
	})
	digest := sha256.Sum256(proposal)
	return Map{
		"proposal":  base64.StdEncoding.EncodeToString(proposal),
		"signature": base64.StdEncoding.EncodeToString(must(i.key.Sign(nil, digest[:], crypto.SHA256))),
	}
}

func marshal(message proto.Message) []byte { return must(proto.Marshal(message)) }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// Certify gives participants a certificate each, which their organisations bind them to: others can carry what they sign.
func (f *Federation) Certify(participants ...int) {
	for _, i := range participants {
		identity := Issue(ID(i), "client")
		f.Must(Admin(f.owners[ID(i)]), "RotateKey", Map{"participant": ID(i), "key_hash": identity.KeyHash}, nil)
		f.certified[ID(i)] = identity
	}
}

// Word is what the participant at a place of the cohort signs.
func (p *Played) Word(place int, function string, argument any) Map {
	return p.f.certified[p.Members[place].ID].Sign(p.Node(place).MSPID, Channel, Chaincode, function, argument)
}

// Carried is the argument of CarryWords with the words of these places.
func (p *Played) Carried(function string, argument func(place int) Map, places ...int) Map {
	words := []Map{}
	for _, place := range places {
		words = append(words, p.Word(place, function, argument(place)))
	}
	return p.With(Map{"function": function, "words": words})
}
