package shim

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"fedledger/chaincode/shim/protos/peer"
)

// The largest message in either direction, as peers allow it.
const maxMessage = 100 * 1024 * 1024

// TLSProperties are the server's TLS keys, in PEM.
type TLSProperties struct {
	// Disabled serves in the clear.
	Disabled bool
	Key      []byte
	Cert     []byte
	// ClientCACerts, where given, are the authorities of which one must have signed the peer's certificate.
	ClientCACerts []byte
}

// ChaincodeServer serves a contract to the peers that dial it.
type ChaincodeServer struct {
	peer.UnimplementedChaincodeServer
	// CCID is the chaincode's package id, as the peer knows it.
	CCID string
	// Address is host:port.
	Address string
	// CC is the contract.
	CC Chaincode
	// TLSProps are the TLS keys.
	TLSProps TLSProperties
	// KaOpts overrides the keepalive of the server.
	KaOpts *keepalive.ServerParameters
}

// Connect serves one peer's stream; gRPC calls it.
func (cs *ChaincodeServer) Connect(stream peer.Chaincode_ConnectServer) error {
	return converse(cs.CCID, cs.CC, stream)
}

// Start listens and serves until the listener fails.
func (cs *ChaincodeServer) Start() error { return cs.Serve(context.Background()) }

// Serve listens and serves until the context ends, then closes every stream. It is an addition to the official server.
func (cs *ChaincodeServer) Serve(ctx context.Context) error {
	if err := cs.check(); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cs.Address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", cs.Address, err)
	}
	return cs.serve(ctx, listener)
}

func (cs *ChaincodeServer) check() error {
	switch {
	case cs.CCID == "":
		return errors.New("ccid must be specified")
	case cs.Address == "":
		return errors.New("address must be specified")
	case cs.CC == nil:
		return errors.New("chaincode must be specified")
	}
	return nil
}

func (cs *ChaincodeServer) serve(ctx context.Context, listener net.Listener) error {
	options, err := cs.options()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	server := grpc.NewServer(options...)
	peer.RegisterChaincodeServer(server, cs)
	release := context.AfterFunc(ctx, server.Stop)
	defer release()
	return server.Serve(listener)
}

func (cs *ChaincodeServer) options() ([]grpc.ServerOption, error) {
	alive := keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}
	if cs.KaOpts != nil {
		alive = *cs.KaOpts
	}
	options := []grpc.ServerOption{
		grpc.KeepaliveParams(alive),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxSendMsgSize(maxMessage),
		grpc.ConnectionTimeout(5 * time.Second),
	}
	if cs.TLSProps.Disabled {
		return options, nil
	}
	config, err := cs.TLSProps.config()
	if err != nil {
		return nil, err
	}
	return append(options, grpc.Creds(credentials.NewTLS(config))), nil
}

func (p TLSProperties) config() (*tls.Config, error) {
	certificate, err := tls.X509KeyPair(p.Cert, p.Key)
	if err != nil {
		return nil, fmt.Errorf("load the server's TLS key pair: %w", err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}}
	if len(p.ClientCACerts) == 0 {
		return config, nil
	}
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(p.ClientCACerts) {
		return nil, errors.New("no certificate found in ClientCACerts")
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	return config, nil
}
