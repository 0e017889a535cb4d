package process

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"fedledger/chaincode/shim"
	"fedledger/chaincode/shim/protos/peer"
)

type nothing struct{}

func (nothing) Init(shim.ChaincodeStubInterface) *peer.Response   { return shim.Success(nil) }
func (nothing) Invoke(shim.ChaincodeStubInterface) *peer.Response { return shim.Success(nil) }

func TestALineOfTheLogHasTheFieldsOfEveryProcess(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	var shown bytes.Buffer
	Log(&shown)
	slog.Warn("result not delivered", "txid", "7", slog.Group("inner", "msg", "as it is"))
	var line struct {
		Timestamp, Level, Event, Txid string
		Inner                         struct{ Msg string }
	}
	decoder := json.NewDecoder(&shown)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&line); err != nil {
		t.Fatal(err)
	}
	if line.Level != "warning" || line.Event != "result not delivered" || line.Txid != "7" || line.Inner.Msg != "as it is" {
		t.Errorf("unexpected %+v", line)
	}
	if told, err := time.Parse(time.RFC3339Nano, line.Timestamp); err != nil || told.Location() != time.UTC {
		t.Errorf("%q is no time in UTC", line.Timestamp)
	}
}

func TestTheServerIsWhatTheEnvironmentSays(t *testing.T) {
	folder := t.TempDir()
	for name, content := range map[string]string{"KEY": "key", "CERT": "certificate", "CLIENT_CA": "authority"} {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("CHAINCODE_TLS_"+name, path)
	}
	t.Setenv("CHAINCODE_ID", "label:hash")
	t.Setenv("CHAINCODE_SERVER_ADDRESS", "127.0.0.1:9999")
	server, err := FromEnvironment(nothing{})
	if err != nil {
		t.Fatal(err)
	}
	got := []string{
		server.CCID, server.Address, string(server.TLSProps.Key), string(server.TLSProps.Cert),
		string(server.TLSProps.ClientCACerts),
	}
	for n, expected := range []string{"label:hash", "127.0.0.1:9999", "key", "certificate", "authority"} {
		if expected != got[n] {
			t.Errorf("expected %s, got %s", expected, got[n])
		}
	}
	if server.TLSProps.Disabled {
		t.Error("TLS is disabled although there is a key")
	}
}

func TestAMissingFileIsNamed(t *testing.T) {
	t.Setenv("CHAINCODE_TLS_KEY", filepath.Join(t.TempDir(), "missing"))
	if _, err := FromEnvironment(nothing{}); err == nil {
		t.Fatal("a missing key was taken")
	}
	if code := Run(nothing{}); code != 2 {
		t.Fatalf("expected exit code 2, got %d", code)
	}
}

func TestTLSThatAsksNobodyForACertificateIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("key"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CHAINCODE_TLS_KEY", path)
	t.Setenv("CHAINCODE_TLS_CLIENT_CA", "")
	if _, err := FromEnvironment(nothing{}); err == nil {
		t.Fatal("a server without client authorities was made")
	}
}

func TestAProcessEndsCleanlyOnSIGTERM(t *testing.T) {
	t.Setenv("CHAINCODE_ID", "label:hash")
	t.Setenv("CHAINCODE_SERVER_ADDRESS", "127.0.0.1:0")
	t.Setenv("CHAINCODE_TLS_KEY", "")
	t.Setenv("CORE_CHAINCODE_LOGGING_LEVEL", "error")
	ended := make(chan int, 1)
	go func() { ended <- Run(nothing{}) }()
	time.Sleep(200 * time.Millisecond) // until the signal is caught
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case code := <-ended:
		if code != 0 {
			t.Fatalf("expected exit code 0, got %d", code)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the process runs on")
	}
}

func TestAPortThatIsTakenIsAnErrorOfTheProcess(t *testing.T) {
	t.Setenv("CHAINCODE_ID", "label:hash")
	t.Setenv("CHAINCODE_SERVER_ADDRESS", "127.0.0.1:1")
	t.Setenv("CHAINCODE_TLS_KEY", "")
	if os.Getuid() == 0 {
		t.Setenv("CHAINCODE_SERVER_ADDRESS", "192.0.2.1:9") // nobody's address
	}
	if code := Run(nothing{}); code != 1 {
		t.Fatalf("expected exit code 1, got %d", code)
	}
}
