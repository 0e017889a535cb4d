package process

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"fedledger/chaincode/shim"
)

// sent is the stub of a transaction that was sent at a time; a contract that does nothing asks it nothing else.
type sent struct {
	shim.ChaincodeStubInterface
	at time.Time
}

func (s sent) GetTxTimestamp() (*timestamppb.Timestamp, error) { return timestamppb.New(s.at), nil }

func TestATransactionOfAnotherTimeIsRefused(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	contract := Punctual{Chaincode: nothing{}, Window: time.Minute, Now: func() time.Time { return now }}
	cases := map[time.Duration]int32{
		0: shim.OK, time.Minute: shim.OK, -time.Minute: shim.OK,
		time.Minute + time.Nanosecond: shim.ERROR, -time.Minute - time.Nanosecond: shim.ERROR, 5 * time.Hour: shim.ERROR,
	}
	for off, status := range cases {
		response := contract.Invoke(sent{at: now.Add(off)})
		if response.GetStatus() != status {
			t.Errorf("%s off: expected %d, got %d", off, status, response.GetStatus())
		}
		if status == shim.ERROR && !strings.Contains(response.GetMessage(), "incorrect timestamp") {
			t.Errorf("%s off: %s", off, response.GetMessage())
		}
	}
}

func TestTheTimeWindowComesFromTheEnvironment(t *testing.T) {
	t.Setenv("CHAINCODE_TLS_KEY", "")
	t.Setenv("CHAINCODE_TIME_WINDOW", "90s")
	server, err := FromEnvironment(nothing{})
	if err != nil {
		t.Fatal(err)
	}
	if contract, ok := server.CC.(Punctual); !ok || contract.Window != 90*time.Second {
		t.Fatalf("expected a window of 90 s, got %v", server.CC)
	}
	for _, wrong := range []string{"soon", "0s", "-1m"} {
		t.Setenv("CHAINCODE_TIME_WINDOW", wrong)
		if _, err := FromEnvironment(nothing{}); err == nil {
			t.Errorf("%q was taken for a window", wrong)
		}
	}
}
