package contracttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/release"
)

// Abroad is another consortium of three organisations, each with a root and an administrator; its keys are the same in every run.
type Abroad struct {
	Genesis string
	people  []Signer
	roots   []string
}

// NewAbroad is a consortium whose first block has the digest of a name.
func NewAbroad(name string) Abroad {
	a := Abroad{Genesis: Digest(name)}
	for i := range 3 {
		root, person := keyOf(fmt.Sprint(name, "root", i)), keyOf(fmt.Sprint(name, "admin", i))
		authority := issue(pkix.Name{CommonName: fmt.Sprint(name, i)}, root, nil, root)
		admin := issue(pkix.Name{CommonName: "admin", OrganizationalUnit: []string{"admin"}}, person, authority, root)
		a.roots = append(a.roots, base64.StdEncoding.EncodeToString(authority.Raw))
		a.people = append(a.people, Signer{ledger.Caller{}, base64.StdEncoding.EncodeToString(admin.Raw), person})
	}
	return a
}

func keyOf(seed string) *ecdsa.PrivateKey {
	digest := sha256.Sum256([]byte(seed))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), digest[:])
	if err != nil {
		panic(err)
	}
	return key
}

// issue makes a certificate; one without an issuer is a root.
func issue(name pkix.Name, key *ecdsa.PrivateKey, issuer *x509.Certificate, by *ecdsa.PrivateKey) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: name, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
		BasicConstraintsValid: true, IsCA: issuer == nil,
	}
	if issuer == nil {
		issuer = template
	}
	raw, err := x509.CreateCertificate(nil, template, issuer, key.Public(), fixed{by})
	if err != nil {
		panic(err)
	}
	read, err := x509.ParseCertificate(raw)
	if err != nil {
		panic(err)
	}
	return read
}

// Trusting is the body of trust_consortium.
func (a Abroad) Trusting() Map {
	organisations := []Map{}
	for i, root := range a.roots {
		organisations = append(organisations, Map{"msp_id": MSP(i), "roots": []string{root}, "intermediates": []string{}, "revocations": []string{}})
	}
	return Map{"name": "abroad", "channel": Channel, "genesis": a.Genesis, "organisations": organisations}
}

// Signed is an envelope of a statement, signed by the first so many organisations.
func (a Abroad) Signed(statement any, count int) Map {
	payload, err := codec.Canonical(statement)
	if err != nil {
		panic(err)
	}
	signatures := []Map{}
	for _, person := range a.people[:count] {
		der, err := base64.StdEncoding.DecodeString(person.Certificate)
		if err != nil {
			panic(err)
		}
		spki, err := x509.MarshalPKIXPublicKey(person.key.Public())
		if err != nil {
			panic(err)
		}
		hash := sha256.Sum256(spki)
		signatures = append(signatures, Map{
			"keyid": ledger.Hex(hash[:]), "sig": person.Over(payload, false),
			"cert": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		})
	}
	return Map{"payload": base64.StdEncoding.EncodeToString(payload), "payloadType": release.PayloadType, "signatures": signatures}
}

// Withdrawing is the statement that takes a passport back.
func (a Abroad) Withdrawing(passport string) Map {
	return Map{
		"_type": "https://in-toto.io/Statement/v1", "predicateType": "urn:fedledger:model-withdrawal:1",
		"subject": []Map{{"name": "passport", "digest": Map{"sha256": passport}}},
		"predicate": Map{
			"release": "tumour-1", "channel": Channel, "genesis": a.Genesis, "reason": "a site's labels were wrong", "withdrawn_ms": 1_000_000,
		},
	}
}
