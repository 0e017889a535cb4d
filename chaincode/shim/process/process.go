// Package process runs a contract as an organisation's chaincode process.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"fedledger/chaincode/shim"
)

// Run serves the contract as the environment says until SIGTERM or SIGINT, and returns the process's exit code.
//
// CHAINCODE_ID is the package id and CHAINCODE_SERVER_ADDRESS host:port. CHAINCODE_TLS_KEY, CHAINCODE_TLS_CERT and
// CHAINCODE_TLS_CLIENT_CA name PEM files; without a key it serves in the clear, with one it asks peers for
// their certificate. CHAINCODE_TIME_WINDOW, such as 60s, is how far a transaction's time may be from this process's clock.
// CORE_CHAINCODE_LOGGING_LEVEL is debug, info, warning or error.
func Run(contract shim.Chaincode) int {
	Log(os.Stdout)
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	server, err := FromEnvironment(contract)
	if err != nil {
		slog.Error("chaincode not started", "error", err.Error())
		return 2
	}
	slog.Info("serving", "id", server.CCID, "address", server.Address, "tls", !server.TLSProps.Disabled)
	if err := server.Serve(ctx); err != nil {
		slog.Error("chaincode stopped", "error", err.Error())
		return 1
	}
	slog.Info("stopped")
	return 0
}

// Log lets everything that is logged come as one JSON object a line, with the fields that all processes of a federation
// name alike: timestamp (RFC 3339, UTC), level (debug, info, warning or error) and event.
func Log(to io.Writer) {
	slog.SetDefault(slog.New(slog.NewJSONHandler(to, &slog.HandlerOptions{Level: level(), ReplaceAttr: named})))
}

func named(groups []string, field slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return field
	}
	switch value := field.Value.Any().(type) {
	case time.Time:
		if field.Key == slog.TimeKey {
			return slog.String("timestamp", value.UTC().Format(time.RFC3339Nano))
		}
	case slog.Level:
		return slog.String(slog.LevelKey, strings.Replace(strings.ToLower(value.String()), "warn", "warning", 1))
	case string:
		if field.Key == slog.MessageKey {
			return slog.String("event", value)
		}
	}
	return field
}

// FromEnvironment builds the server that Run serves.
func FromEnvironment(contract shim.Chaincode) (*shim.ChaincodeServer, error) {
	server := &shim.ChaincodeServer{
		CCID:    os.Getenv("CHAINCODE_ID"),
		Address: os.Getenv("CHAINCODE_SERVER_ADDRESS"),
		CC:      contract,
	}
	server.TLSProps.Disabled = os.Getenv("CHAINCODE_TLS_KEY") == ""
	files := map[string]*[]byte{
		"CHAINCODE_TLS_KEY":       &server.TLSProps.Key,
		"CHAINCODE_TLS_CERT":      &server.TLSProps.Cert,
		"CHAINCODE_TLS_CLIENT_CA": &server.TLSProps.ClientCACerts,
	}
	for name, into := range files {
		path := os.Getenv(name)
		if path == "" {
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		*into = content
	}
	if window := os.Getenv("CHAINCODE_TIME_WINDOW"); window != "" {
		allowed, err := time.ParseDuration(window)
		if err != nil || allowed <= 0 {
			return nil, fmt.Errorf("CHAINCODE_TIME_WINDOW: %q is no span of time such as 60s", window)
		}
		server.CC = Punctual{Chaincode: contract, Window: allowed, Now: time.Now}
	}
	if !server.TLSProps.Disabled && len(server.TLSProps.ClientCACerts) == 0 {
		return nil, errors.New("CHAINCODE_TLS_CLIENT_CA must be set with CHAINCODE_TLS_KEY: only the peer may call")
	}
	return server, nil
}

func level() slog.Level {
	var level slog.Level
	name := strings.Replace(strings.ToLower(os.Getenv("CORE_CHAINCODE_LOGGING_LEVEL")), "warning", "warn", 1)
	if level.UnmarshalText([]byte(name)) != nil {
		return slog.LevelInfo
	}
	return level
}
