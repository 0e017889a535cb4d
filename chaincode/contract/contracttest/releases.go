package contracttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"io"
	"math/big"
	"time"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/release"
)

// Signer is an administrator with a real key, the same in every run.
type Signer struct {
	Caller      ledger.Caller
	Certificate string // DER in base64
	key         *ecdsa.PrivateKey
}

// fixed signs without randomness (RFC 6979), so that pages with examples stay as they are.
type fixed struct{ *ecdsa.PrivateKey }

func (f fixed) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return f.PrivateKey.Sign(nil, digest, opts)
}

// NewSigner is an administrator of the i-th member; name tells its keys apart.
func NewSigner(i int, name string, curve elliptic.Curve) Signer {
	seed := sha256.Sum256([]byte(MSP(i) + name))
	key, err := ecdsa.ParseRawPrivateKey(curve, append(make([]byte, (curve.Params().BitSize+7)/8-32), seed[:]...))
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(i) + 1), Subject: pkix.Name{CommonName: name, OrganizationalUnit: []string{"admin"}},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
	}
	raw, err := x509.CreateCertificate(nil, template, template, key.Public(), fixed{key})
	if err != nil {
		panic(err)
	}
	read, err := x509.ParseCertificate(raw)
	if err != nil {
		panic(err)
	}
	hash := sha256.Sum256(read.RawSubjectPublicKeyInfo)
	caller := ledger.Caller{MSPID: MSP(i), Role: ledger.Admin, KeyHash: ledger.Hex(hash[:])}
	return Signer{caller, base64.StdEncoding.EncodeToString(raw), key}
}

// Over signs a statement: the form with the lower s, or the other one.
func (s Signer) Over(payload []byte, high bool) string {
	digest := sha256.Sum256(release.Encoded(payload))
	raw, err := s.key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		panic(err)
	}
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(raw, &pair); err != nil {
		panic(err)
	}
	order := s.key.Params().N
	if isHigh := pair.S.Cmp(new(big.Int).Rsh(order, 1)) > 0; isHigh != high {
		pair.S.Sub(order, pair.S)
	}
	if raw, err = asn1.Marshal(pair); err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// Signing is the argument of SignRelease for the statement that a release holds.
func (s Signer) Signing(f *Federation, id, about string) Map {
	var view release.View
	f.Query("GetRelease", Map{"release": id}, &view)
	statement := view.Statement
	if about == "withdrawal" {
		statement = view.Withdrawal
	}
	payload, err := codec.Canonical(statement)
	if err != nil {
		panic(err)
	}
	return Map{"release": id, "about": about, "certificate": s.Certificate, "signature": s.Over(payload, false)}
}

// Releasing is the body of release_model for a round of the training "tumour".
func Releasing(id string, round uint64) Map {
	return Map{
		"release": id, "training": "tumour", "round": round,
		"files": []Map{{"name": "model.safetensors", "sha256": Digest("safetensors")}},
		"evidence": Map{
			"genesis": Digest("genesis"), "final_block": 40, "final_hash": Digest("final"), "final_transaction": Digest("transaction"),
			"framework": "jax", "noise": Map{
				"unit": "record", "epsilon": "3", "delta": "0.00001", "clip": "1", "rounds": 10, "spent": Map{"hospital-000": "0.7"},
			},
			"code": Map{"source": Digest("source"), "package": Digest("package")}, "not_audited": []string{"who trained on what"},
		},
	}
}
