package shim

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"fedledger/chaincode/shim/protos/peer"
)

// authority signs certificates for one test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, _ := x509.ParseCertificate(raw)
	return &authority{certificate, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})}
}

func (a *authority) issue(t *testing.T, name string) (certificate, key []byte) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	private, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	raw, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &private.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	der, _ := x509.MarshalPKCS8PrivateKey(private)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// serve starts a server on a free port and returns its address.
func serve(t *testing.T, properties TLSProperties) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	server := &ChaincodeServer{CCID: "label:hash", Address: "unused", TLSProps: properties,
		CC: contractOf(func(ChaincodeStubInterface) *peer.Response { return Success(nil) })}
	ended := make(chan error, 1)
	go func() { ended <- server.serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := wait(t, ended); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return listener.Addr().String()
}

// dial opens a stream as a peer does and waits for the registration.
func dial(t *testing.T, address string, creds credentials.TransportCredentials) error {
	t.Helper()
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	stream, err := peer.NewChaincodeClient(connection).Connect(ctx)
	if err != nil {
		return err
	}
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	if first.GetType() != peer.ChaincodeMessage_REGISTER {
		return errors.New("the first message was " + first.GetType().String())
	}
	return nil
}

func TestMutualTLSLetsInPeersOfTheGivenAuthorityOnly(t *testing.T) {
	own, foreign := newAuthority(t, "own"), newAuthority(t, "foreign")
	certificate, key := own.issue(t, "chaincode")
	address := serve(t, TLSProperties{Cert: certificate, Key: key, ClientCACerts: own.pem})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(own.pem)
	client := func(from *authority) credentials.TransportCredentials {
		config := &tls.Config{RootCAs: roots}
		if from != nil {
			pair, err := tls.X509KeyPair(from.issue(t, "peer"))
			if err != nil {
				t.Fatal(err)
			}
			config.Certificates = []tls.Certificate{pair}
		}
		return credentials.NewTLS(config)
	}
	if err := dial(t, address, client(own)); err != nil {
		t.Errorf("the own peer was refused: %v", err)
	}
	if dial(t, address, client(foreign)) == nil {
		t.Error("a foreign certificate was let in")
	}
	if dial(t, address, client(nil)) == nil {
		t.Error("a peer without a certificate was let in")
	}
	if dial(t, address, insecure.NewCredentials()) == nil {
		t.Error("a peer without TLS was let in")
	}
}

func TestTLSWithoutClientAuthoritiesLetsInAnyPeer(t *testing.T) {
	own := newAuthority(t, "own")
	certificate, key := own.issue(t, "chaincode")
	address := serve(t, TLSProperties{Cert: certificate, Key: key})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(own.pem)
	if err := dial(t, address, credentials.NewTLS(&tls.Config{RootCAs: roots})); err != nil {
		t.Fatal(err)
	}
}

func TestAServerWithWrongSettingsDoesNotStart(t *testing.T) {
	contract := contractOf(func(ChaincodeStubInterface) *peer.Response { return Success(nil) })
	clear := TLSProperties{Disabled: true}
	wrong := map[string]*ChaincodeServer{
		"no id":          {Address: "127.0.0.1:0", CC: contract, TLSProps: clear},
		"no address":     {CCID: "id", CC: contract, TLSProps: clear},
		"no contract":    {CCID: "id", Address: "127.0.0.1:0", TLSProps: clear},
		"no key":         {CCID: "id", Address: "127.0.0.1:0", CC: contract},
		"a wrong port":   {CCID: "id", Address: "127.0.0.1:99999", CC: contract, TLSProps: clear},
		"no client root": {CCID: "id", Address: "127.0.0.1:0", CC: contract, TLSProps: noClientRoot(t)},
	}
	for name, server := range wrong {
		if server.Start() == nil {
			t.Errorf("a server with %s started", name)
		}
	}
}

func noClientRoot(t *testing.T) TLSProperties {
	t.Helper()
	certificate, key := newAuthority(t, "own").issue(t, "chaincode")
	return TLSProperties{Cert: certificate, Key: key, ClientCACerts: []byte("not PEM")}
}
