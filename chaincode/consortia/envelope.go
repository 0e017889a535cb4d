package consortia

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"slices"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/release"
)

const (
	maxSignatures = 128
	maxPEM        = 16 << 10
	// skewMS is how far the consortium's clock may be ahead of the transaction's time.
	skewMS = 5 * 60_000
)

// Envelope is a passport's file, or a withdrawal's: a DSSE envelope with an in-toto statement.
type Envelope struct {
	Payload     string      `json:"payload"`
	PayloadType string      `json:"payloadType"`
	Signatures  []Signature `json:"signatures"`
}

// Signature is one of its signatures, with the certificate of its key.
type Signature struct {
	KeyID string `json:"keyid"`
	Sig   string `json:"sig"`
	// Cert is X.509 in PEM.
	Cert string `json:"cert"`
}

// payload refuses what is no envelope, and returns the bytes that were signed.
func (e Envelope) payload() ([]byte, error) {
	if e.PayloadType != release.PayloadType {
		return nil, errcode.New(errcode.BadPassport, "its payload is of another type")
	}
	if len(e.Signatures) > maxSignatures {
		return nil, errcode.New(errcode.LimitExceeded, "%d signatures, at most %d", len(e.Signatures), maxSignatures)
	}
	raw, err := base64Of(e.Payload)
	if err != nil {
		return nil, errcode.New(errcode.BadPassport, "the payload is not base64")
	}
	return raw, nil
}

// signers returns who of a consortium signed a payload, a majority. A wrong signature refuses the whole envelope. One whose
// certificate nobody vouches for any more does not count: its organisation has left, or replaced a key, and the others stand by
// what they signed.
func (e Envelope) signers(payload []byte, consortium Consortium, releasedMS, nowMS int64) ([]string, error) {
	members, err := consortium.members()
	if err != nil {
		return nil, err
	}
	signed := []string{}
	for i, one := range e.Signatures {
		certificate, err := one.check(payload)
		if err != nil {
			return nil, err
		}
		organisation := vouching(members, certificate, releasedMS, nowMS)
		switch {
		case organisation == "":
		case slices.Contains(signed, organisation):
			return nil, errcode.New(errcode.PassportNotSigned, "signature %d: %s signed before", i+1, organisation)
		default:
			signed = append(signed, organisation)
		}
	}
	if len(signed) < consortium.Majority {
		return nil, errcode.New(errcode.PassportNotSigned, "signatures of %d of %d organisations count, %d must", len(signed), len(members), consortium.Majority)
	}
	slices.Sort(signed)
	return signed, nil
}

// vouching is the organisation that vouches for a certificate, empty where none does.
func vouching(members []member, certificate *x509.Certificate, releasedMS, nowMS int64) string {
	for _, one := range members {
		if chain := one.chain(certificate); chain != nil {
			if one.check(chain, releasedMS, nowMS) != nil {
				return ""
			}
			return one.mspID
		}
	}
	return ""
}

// check refuses what is no signature of the payload by the key that it names, and returns its certificate.
func (s Signature) check(payload []byte) (*x509.Certificate, error) {
	if err := ledger.CheckText("cert", s.Cert, maxPEM); err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(s.Cert))
	if block == nil {
		return nil, errcode.New(errcode.BadPassport, "a signature has no certificate")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, errcode.New(errcode.BadPassport, "a certificate cannot be read")
	}
	raw, err := base64Of(s.Sig)
	if err != nil {
		return nil, errcode.New(errcode.BadPassport, "a signature is not base64")
	}
	hash := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	key, isECDSA := certificate.PublicKey.(*ecdsa.PublicKey)
	switch {
	case ledger.Hex(hash[:]) != s.KeyID:
		return nil, errcode.New(errcode.PassportNotSigned, "keyid is not that of the certificate's key")
	case !isECDSA || key.Curve != elliptic.P256():
		return nil, errcode.New(errcode.PassportNotSigned, "a key is none of P-256")
	}
	if err := release.Verify(key, payload, raw); err != nil {
		return nil, errcode.New(errcode.PassportNotSigned, "%v", err)
	}
	return certificate, nil
}
