package contract

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"slices"

	"google.golang.org/protobuf/proto"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/shim/protos/msp"
)

// CallerOf reads a creator (msp.SerializedIdentity), whose certificate the peer has checked.
func CallerOf(creator []byte) (ledger.Caller, *x509.Certificate, error) {
	var serialized msp.SerializedIdentity
	if err := proto.Unmarshal(creator, &serialized); err != nil {
		return ledger.Caller{}, nil, errcode.New(errcode.NotPermitted, "the creator cannot be decoded: %v", err)
	}
	return CallerFrom(serialized.GetMspid(), serialized.GetIdBytes())
}

// CallerFrom reads a certificate in PEM. Its organisational unit says whether it is an administrator's or a client's
// (NodeOUs); of anything else it is no caller.
func CallerFrom(mspID string, certificatePEM []byte) (ledger.Caller, *x509.Certificate, error) {
	block, _ := pem.Decode(certificatePEM)
	if block == nil {
		return ledger.Caller{}, nil, errcode.New(errcode.NotPermitted, "the creator holds no PEM certificate")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return ledger.Caller{}, nil, errcode.New(errcode.NotPermitted, "the creator's certificate cannot be read: %v", err)
	}
	hash := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	return ledger.Caller{MSPID: mspID, Role: role(certificate), KeyHash: ledger.Hex(hash[:])}, certificate, nil
}

func role(certificate *x509.Certificate) ledger.Role {
	for _, role := range []ledger.Role{ledger.Admin, ledger.Client} {
		if slices.Contains(certificate.Subject.OrganizationalUnit, string(role)) {
			return role
		}
	}
	return ""
}
