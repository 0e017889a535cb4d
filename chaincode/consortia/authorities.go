package consortia

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"slices"

	"fedledger/chaincode/errcode"
)

// maxChain is the longest way from a certificate to a root, both counted.
const maxChain = 8

// noPeople are the node roles (Fabric's NodeOUs) that speak for no organisation.
var noPeople = []string{"peer", "orderer"}

var errBase64 = errors.New("not base64")

// member is an organisation of another consortium, read.
type member struct {
	mspID         string
	roots         []*x509.Certificate
	intermediates []*x509.Certificate
	revocations   []*x509.RevocationList
}

// chain is the certificates from this one to a root, none where the organisation does not vouch for it.
func (m member) chain(certificate *x509.Certificate) []*x509.Certificate {
	chain := []*x509.Certificate{certificate}
	for len(chain) < maxChain {
		next := m.issuer(chain)
		if next == nil {
			return nil
		}
		chain = append(chain, next)
		if slices.ContainsFunc(m.roots, next.Equal) {
			return chain
		}
	}
	return nil
}

func (m member) issuer(chain []*x509.Certificate) *x509.Certificate {
	for _, authority := range slices.Concat(m.roots, m.intermediates) {
		if !slices.ContainsFunc(chain, authority.Equal) && issued(chain[len(chain)-1], authority) {
			return authority
		}
	}
	return nil
}

// issued reads no clock and no pool of roots: names, the right to issue, and the signature alone.
func issued(certificate, authority *x509.Certificate) bool {
	return bytes.Equal(certificate.RawIssuer, authority.RawSubject) && authority.BasicConstraintsValid && authority.IsCA &&
		authority.CheckSignature(certificate.SignatureAlgorithm, certificate.RawTBSCertificate, certificate.Signature) == nil
}

// check refuses a certificate that had expired before what it signs was released, is not valid yet, is revoked, or is a node's.
// When each signed nobody knows, so a revoked one never counts: whoever has a stolen key could date back.
func (m member) check(chain []*x509.Certificate, releasedMS, nowMS int64) error {
	for _, unit := range chain[0].Subject.OrganizationalUnit {
		if slices.Contains(noPeople, unit) {
			return errcode.New(errcode.PassportNotSigned, "the certificate is a peer's or an orderer's")
		}
	}
	for i, certificate := range chain {
		switch issuer := chain[min(i+1, len(chain)-1)]; {
		case certificate.NotAfter.UnixMilli() < releasedMS:
			return errcode.New(errcode.PassportNotSigned, "a certificate of %s expired before the release", m.mspID)
		case certificate.NotBefore.UnixMilli() > nowMS:
			return errcode.New(errcode.PassportNotSigned, "a certificate of %s is not valid yet", m.mspID)
		case m.revoked(certificate, issuer):
			return errcode.New(errcode.PassportNotSigned, "%s revoked a certificate", m.mspID)
		}
	}
	return nil
}

func (m member) revoked(certificate, issuer *x509.Certificate) bool {
	return slices.ContainsFunc(m.revocations, func(list *x509.RevocationList) bool {
		return issuer.CheckSignature(list.SignatureAlgorithm, list.RawTBSRevocationList, list.Signature) == nil &&
			slices.ContainsFunc(list.RevokedCertificateEntries, func(entry x509.RevocationListEntry) bool {
				return entry.SerialNumber.Cmp(certificate.SerialNumber) == 0
			})
	})
}

func base64Of(text string) ([]byte, error) {
	if !withoutBreaks(text) {
		return nil, errBase64
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}
