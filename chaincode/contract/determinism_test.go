package contract_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/ledger"
)

const childOf = "FEDLEDGER_DETERMINISM_CHILD"

// transcript is every transaction of a history with its read-write set, response and event, byte for byte.
func transcript(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	f := history()
	replayed(t, f, func(state *ledger.Memory, entry contracttest.Entry) {
		tx := state.Begin()
		response, event, err := f.Contract.Execute(tx, entry.Env, entry.Function, entry.Argument)
		if err != nil {
			t.Fatal(err)
		}
		rwset, err := tx.RWSet()
		if err != nil {
			t.Fatal(err)
		}
		payload, err := codec.Canonical(event.Payload)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(&out, "%s %x %x %s %x\n", entry.Function, sha256.Sum256(rwset), sha256.Sum256(response), event.Name, sha256.Sum256(payload))
	})
	return out.Bytes()
}

func TestEveryProcessGivesTheSameReadWriteSets(t *testing.T) {
	want := transcript(t)
	if path := os.Getenv(childOf); path != "" {
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	// Each process hashes its maps with another seed of its own; processors, clock zone and environment differ too.
	for i, environment := range [][]string{{"GOMAXPROCS=1", "TZ=UTC"}, {"GOMAXPROCS=2", "TZ=Asia/Tokyo"}, {"GOMAXPROCS=7", "LANG=tr_TR"}, {"GOGC=1"}} {
		path := fmt.Sprintf("%s/%d", t.TempDir(), i)
		child := exec.Command(os.Args[0], "-test.run=^TestEveryProcessGivesTheSameReadWriteSets$")
		child.Env = append(append(os.Environ(), childOf+"="+path), environment...)
		if out, err := child.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, got) {
			t.Fatalf("with %v another read-write set", environment)
		}
	}
}
