// Package cid reads the identity of a transaction's client: its MSP, certificate and attributes.
//
// Names are those of the official package (github.com/hyperledger/fabric-chaincode-go/v2/pkg/cid).
package cid

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"fedledger/chaincode/shim/protos/msp"
)

// attributesOID marks the certificate extension in which Fabric CA writes attributes: {"attrs":{"name":"value"}}.
var attributesOID = asn1.ObjectIdentifier{1, 2, 3, 4, 5, 6, 7, 8, 1}

// ChaincodeStubInterface is what this package needs of a stub.
type ChaincodeStubInterface interface {
	// GetCreator returns the serialized identity of the client.
	GetCreator() ([]byte, error)
}

// ClientIdentity is the client of a transaction.
type ClientIdentity interface {
	// GetID returns a name that is unique within the MSP: base64 of "x509::subject::issuer".
	GetID() (string, error)
	// GetMSPID returns the client's MSP.
	GetMSPID() (string, error)
	// GetAttributeValue returns an attribute of the certificate and whether it is there. Its issuer, one organisation's
	// authority, vouches for it, so it means something within that MSP only.
	GetAttributeValue(attrName string) (value string, found bool, err error)
	// AssertAttributeValue returns an error unless the attribute has this value.
	AssertAttributeValue(attrName, attrValue string) error
	// GetX509Certificate returns the client's certificate.
	GetX509Certificate() (*x509.Certificate, error)
}

type identity struct {
	mspID       string
	certificate *x509.Certificate
	attributes  map[string]string
}

// New reads the client of the stub's transaction.
func New(stub ChaincodeStubInterface) (ClientIdentity, error) { return read(stub) }

func read(stub ChaincodeStubInterface) (*identity, error) {
	creator, err := stub.GetCreator()
	if err != nil {
		return nil, fmt.Errorf("get the creator: %w", err)
	}
	return parse(creator)
}

func parse(creator []byte) (*identity, error) {
	var serialized msp.SerializedIdentity
	if err := proto.Unmarshal(creator, &serialized); err != nil {
		return nil, fmt.Errorf("decode the creator: %w", err)
	}
	block, _ := pem.Decode(serialized.GetIdBytes())
	if block == nil {
		return nil, errors.New("the creator holds no PEM certificate")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse the creator's certificate: %w", err)
	}
	attributes, err := attributesOf(certificate)
	if err != nil {
		return nil, err
	}
	return &identity{serialized.GetMspid(), certificate, attributes}, nil
}

func attributesOf(certificate *x509.Certificate) (map[string]string, error) {
	for _, extension := range certificate.Extensions {
		if !extension.Id.Equal(attributesOID) {
			continue
		}
		var content struct {
			Attrs map[string]string `json:"attrs"`
		}
		if err := json.Unmarshal(extension.Value, &content); err != nil {
			return nil, fmt.Errorf("decode the certificate's attributes: %w", err)
		}
		return content.Attrs, nil
	}
	return nil, nil
}

func (i *identity) GetID() (string, error) {
	subject, issuer := i.certificate.Subject.ToRDNSequence(), i.certificate.Issuer.ToRDNSequence()
	return base64.StdEncoding.EncodeToString([]byte("x509::" + subject.String() + "::" + issuer.String())), nil
}

func (i *identity) GetMSPID() (string, error)                      { return i.mspID, nil }
func (i *identity) GetX509Certificate() (*x509.Certificate, error) { return i.certificate, nil }

func (i *identity) GetAttributeValue(attrName string) (string, bool, error) {
	value, found := i.attributes[attrName]
	return value, found, nil
}

func (i *identity) AssertAttributeValue(attrName, attrValue string) error {
	value, found := i.attributes[attrName]
	if !found {
		return fmt.Errorf("attribute %q was not found", attrName)
	}
	if value != attrValue {
		return fmt.Errorf("attribute %q equals %q, not %q", attrName, value, attrValue)
	}
	return nil
}

// GetID returns ClientIdentity.GetID of the stub's client.
func GetID(stub ChaincodeStubInterface) (string, error) {
	client, err := read(stub)
	if err != nil {
		return "", err
	}
	return client.GetID()
}

// GetMSPID returns the MSP of the stub's client.
func GetMSPID(stub ChaincodeStubInterface) (string, error) {
	client, err := read(stub)
	if err != nil {
		return "", err
	}
	return client.mspID, nil
}

// GetAttributeValue returns ClientIdentity.GetAttributeValue of the stub's client.
func GetAttributeValue(stub ChaincodeStubInterface, attrName string) (value string, found bool, err error) {
	client, err := read(stub)
	if err != nil {
		return "", false, err
	}
	return client.GetAttributeValue(attrName)
}

// AssertAttributeValue returns ClientIdentity.AssertAttributeValue of the stub's client.
func AssertAttributeValue(stub ChaincodeStubInterface, attrName, attrValue string) error {
	client, err := read(stub)
	if err != nil {
		return err
	}
	return client.AssertAttributeValue(attrName, attrValue)
}

// HasOUValue tells whether the certificate of the stub's client names this organisational unit.
func HasOUValue(stub ChaincodeStubInterface, OUValue string) (bool, error) {
	client, err := read(stub)
	if err != nil {
		return false, err
	}
	return slices.Contains(client.certificate.Subject.OrganizationalUnit, OUValue), nil
}

// GetX509Certificate returns the certificate of the stub's client.
func GetX509Certificate(stub ChaincodeStubInterface) (*x509.Certificate, error) {
	client, err := read(stub)
	if err != nil {
		return nil, err
	}
	return client.certificate, nil
}
