package cid

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"fedledger/chaincode/shim/protos/msp"
)

type creatorOf []byte

func (c creatorOf) GetCreator() ([]byte, error) { return c, nil }

type noCreator struct{}

func (noCreator) GetCreator() ([]byte, error) { return nil, errors.New("no creator") }

// client is the creator with a certificate that carries the extension's content, where there is one.
func client(t testing.TB, attributes string) creatorOf {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		Subject: pkix.Name{CommonName: "node", OrganizationalUnit: []string{"client", "ward"}, Organization: []string{"A, B"}},
	}
	if attributes != "" {
		template.ExtraExtensions = []pkix.Extension{{Id: attributesOID, Value: []byte(attributes)}}
	}
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	creator, err := proto.Marshal(&msp.SerializedIdentity{
		Mspid: "HospitalAMSP", IdBytes: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return creator
}

func TestTheClientIsKnownByMSPUnitsAttributesAndId(t *testing.T) {
	stub := client(t, `{"attrs":{"fl.role":"node","empty":""}}`)
	if got, err := GetMSPID(stub); got != "HospitalAMSP" || err != nil {
		t.Errorf("MSP %q, %v", got, err)
	}
	if got, found, err := GetAttributeValue(stub, "fl.role"); got != "node" || !found || err != nil {
		t.Errorf("role %q %v, %v", got, found, err)
	}
	if got, found, err := GetAttributeValue(stub, "empty"); got != "" || !found || err != nil {
		t.Errorf("empty %q %v, %v", got, found, err)
	}
	if _, found, err := GetAttributeValue(stub, "missing"); found || err != nil {
		t.Errorf("missing %v, %v", found, err)
	}
	for unit, expected := range map[string]bool{"client": true, "ward": true, "admin": false} {
		if got, err := HasOUValue(stub, unit); got != expected || err != nil {
			t.Errorf("unit %s: %v, %v", unit, got, err)
		}
	}
	id, err := GetID(stub)
	text, _ := base64.StdEncoding.DecodeString(id)
	name := `CN=node,OU=ward+OU=client,O=A\, B` // DER sorts a set by its encoding
	if expected := "x509::" + name + "::" + name; err != nil || string(text) != expected {
		t.Errorf("expected id %s, got %s, %v", expected, text, err)
	}
	if certificate, err := GetX509Certificate(stub); err != nil || certificate.Subject.CommonName != "node" {
		t.Errorf("certificate %v", err)
	}
}

func TestAnAssertionHoldsForTheExactValueOnly(t *testing.T) {
	stub := client(t, `{"attrs":{"fl.role":"node"}}`)
	if err := AssertAttributeValue(stub, "fl.role", "node"); err != nil {
		t.Error(err)
	}
	for name, value := range map[string]string{"fl.role": "aggregator", "missing": ""} {
		if AssertAttributeValue(stub, name, value) == nil {
			t.Errorf("%s=%q was asserted", name, value)
		}
	}
	if AssertAttributeValue(client(t, ""), "fl.role", "node") == nil {
		t.Error("a certificate without attributes passed")
	}
}

func TestWhatIsNoIdentityIsAnError(t *testing.T) {
	noPEM, _ := proto.Marshal(&msp.SerializedIdentity{Mspid: "M", IdBytes: []byte("text")})
	noCertificate, _ := proto.Marshal(&msp.SerializedIdentity{
		Mspid: "M", IdBytes: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}),
	})
	bad := []ChaincodeStubInterface{
		noCreator{}, creatorOf(nil), creatorOf("\xff"), creatorOf(noPEM), creatorOf(noCertificate),
		client(t, `{"attrs":{"fl.role":7}}`),
	}
	for n, stub := range bad {
		_, err1 := New(stub)
		_, err2 := GetID(stub)
		_, err3 := GetMSPID(stub)
		_, _, err4 := GetAttributeValue(stub, "fl.role")
		_, err5 := HasOUValue(stub, "client")
		_, err6 := GetX509Certificate(stub)
		for _, err := range []error{err1, err2, err3, err4, err5, err6, AssertAttributeValue(stub, "fl.role", "node")} {
			if err == nil {
				t.Errorf("creator %d was taken", n)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(client(f, `{"attrs":{"fl.role":"node"}}`)))
	f.Add([]byte("\x0a\x01M"))
	f.Fuzz(func(t *testing.T, creator []byte) {
		if client, err := parse(creator); err == nil && client.certificate == nil {
			t.Fatal("an identity without a certificate")
		}
	})
}
