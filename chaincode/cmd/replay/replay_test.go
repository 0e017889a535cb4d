package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/contract"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
)

const found = `{"members":["AMSP","BMSP","CMSP","DMSP"],"parameters":{},"regulators":["RMSP"]}`

func administrator(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		Subject: pkix.Name{CommonName: "admin", OrganizationalUnit: []string{"admin"}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func transaction(txid, certificate, function, argument string) line {
	encode := base64.StdEncoding.EncodeToString
	return line{
		TxID: txid, TimestampMS: 5, Channel: "c", Creator: &creator{"AMSP", certificate},
		Args: []string{encode([]byte(function)), encode([]byte(argument))},
	}
}

// replay feeds lines to the program and returns its answers.
func replay(t *testing.T, first string, lines ...line) []map[string]any {
	t.Helper()
	in, out := bytes.NewBufferString(first+"\n"), bytes.Buffer{}
	for _, next := range lines {
		raw, err := json.Marshal(next)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = in.Write(append(raw, '\n'))
	}
	if err := run(in, &out); err != nil {
		t.Fatal(err)
	}
	answers := []map[string]any{}
	for text := range strings.Lines(out.String()) {
		var answer map[string]any
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer)
	}
	return answers
}

// founding is the transaction t1 as the contract runs it.
func founding(t *testing.T, admin string) *ledger.Tx {
	t.Helper()
	tx := ledger.NewMemory().Begin()
	caller, _, err := contract.CallerFrom("AMSP", []byte(admin))
	if err != nil {
		t.Fatal(err)
	}
	var definition governance.Definition
	_ = json.Unmarshal([]byte(found), &definition)
	definition.Channel = "c"
	env := ledger.Env{TxID: "t1", TimeMS: 5, Channel: "c", Caller: caller}
	if _, _, err := (contract.Contract{Definition: definition}).Execute(tx, env, "Found", []byte(found)); err != nil {
		t.Fatal(err)
	}
	return tx
}

func TestReplayGivesTheWritesAndTheEventOfEachTransactionAndKeepsTheState(t *testing.T) {
	admin := administrator(t)
	query := transaction("", admin, "TotalSupply", "{}")
	query.Evaluate = true
	answers := replay(t, `{"state":[],"definition":null,"blobs":null}`,
		transaction("t1", admin, "Found", found),
		transaction("t2", admin, "Found", found),
		transaction("t3", admin, "Transfer", `{"amount":5,"to":"BMSP"}`),
		query,
	)
	want := founding(t, admin)
	writes := answers[0]["writes"].([]any)
	if len(writes) != len(want.Writes()) {
		t.Fatalf("want %d writes, got %d", len(want.Writes()), len(writes))
	}
	for i, write := range want.Writes() {
		pair := writes[i].([]any)
		if pair[0] != write.Key || pair[1] != base64.StdEncoding.EncodeToString(write.Value) {
			t.Fatalf("want %q, got %v", write.Key, pair)
		}
	}
	if event := answers[0]["event"].([]any); event[0] != "Founded" {
		t.Fatal(event)
	}
	if text, _ := answers[1]["error"].(string); !strings.HasPrefix(text, "FL0101") {
		t.Fatal(answers[1])
	}
	if answers[2]["error"] != nil || len(answers[2]["writes"].([]any)) != 3 {
		t.Fatal(answers[2])
	}
	result, _ := base64.StdEncoding.DecodeString(answers[3]["result"].(string))
	if string(result) != `{"total_supply":1040000000}` {
		t.Fatal(string(result))
	}
}

func TestReplayHoldsTheFoundingAgainstADefinitionThatIsGiven(t *testing.T) {
	first := `{"state":[],"definition":{"channel":"c","members":["AMSP"],"regulators":[],"parameters":{}},"blobs":null}`
	answers := replay(t, first, transaction("t1", administrator(t), "Found", found))
	if text, _ := answers[0]["error"].(string); !strings.HasPrefix(text, "FL0103") {
		t.Fatal(answers[0])
	}
}

func TestReplayStartsFromAStateThatIsGivenAndRefusesWhatIsMalformed(t *testing.T) {
	key, _ := json.Marshal(ledger.Key("supply"))
	first := `{"state":[[` + string(key) + `,"` + base64.StdEncoding.EncodeToString([]byte(`{"amount":7}`)) + `"]],"blobs":null}`
	query := transaction("", administrator(t), "TotalSupply", "{}")
	query.Evaluate = true
	bad := query
	bad.Args = []string{"!"}
	stranger := query
	stranger.Creator = &creator{"AMSP", "no certificate"}
	answers := replay(t, first, query, bad, stranger)
	result, _ := base64.StdEncoding.DecodeString(answers[0]["result"].(string))
	if string(result) != `{"total_supply":7}` || answers[1]["error"] == nil || answers[2]["error"] == nil {
		t.Fatal(answers)
	}
	for _, text := range []string{"", "x", `{"state":[["k","!"]]}`, "{}\nx"} {
		if err := run(strings.NewReader(text), &bytes.Buffer{}); err == nil {
			t.Fatalf("%q is taken", text)
		}
	}
}

func TestABlobThatIsGoneLeavesTheCheckUndoneAndAnAlteredOneToo(t *testing.T) {
	layout, err := aggregate.ParseLayout([]byte(`{"version":1,"segments":[{"name":"v","kind":"value","word":64,"ring":64,"max":1,` +
		`"slots":2,"path":[],"shape":[],"dtype":""}],"count":null}`))
	if err != nil {
		t.Fatal(err)
	}
	folder, blob := t.TempDir(), make([]byte, 16)
	digest := sha256.Sum256(blob)
	recorder := newRecorder(&folder)
	if err := recorder.CheckUpdate(digest, layout, ""); err != nil || len(recorder.unchecked) != 1 || len(recorder.checked) != 0 {
		t.Fatal(err, recorder)
	}
	name := ledger.Hex(digest[:])
	if err := errors.Join(os.Mkdir(filepath.Join(folder, name[:2]), 0o755), os.WriteFile(filepath.Join(folder, name[:2], name), blob, 0o644)); err != nil {
		t.Fatal(err)
	}
	recorder.reset("")
	if err := recorder.CheckUpdate(digest, layout, ""); err != nil || len(recorder.checked) != 1 {
		t.Fatal(err, recorder)
	}
	recorder.reset("")
	if err := recorder.VerifyAggregate(aggregate.Inputs{Layout: layout}, 0); err == nil || recorder.checked[0] != "aggregate" {
		t.Fatal(err, recorder)
	}
	without := newRecorder(nil)
	if err := without.VerifyFault(aggregate.Inputs{}, aggregate.Fault{}); err != nil || without.unchecked[0] != "fault" {
		t.Fatal(err, without)
	}
}

func TestARefusalWhoseUpdatesAreGoneIsTheOneThatTheLedgerGives(t *testing.T) {
	recorder := newRecorder(nil)
	for _, code := range []errcode.Code{errcode.AggregateMismatch, errcode.WrongCount} {
		recorder.reset(string(code) + ": 3% of it: 5")
		err := recorder.Recheck(aggregate.Inputs{}, 0, "")
		if err == nil || err.Error() != string(code)+": 3% of it: 5" || !slices.Equal(recorder.unchecked, []string{checkRefusal}) {
			t.Fatal(err, recorder)
		}
	}
	for _, text := range []string{"", "x", "FL0503", "FL0001: x", string(errcode.BlobMissing) + ": x", "FL0503: " + strings.Repeat("x", maxRefusal)} {
		recorder.reset(text)
		if err := recorder.Recheck(aggregate.Inputs{}, 0, ""); errcode.Of(err) != errcode.NotProven {
			t.Fatalf("%q: %v", text, err)
		}
	}
	recorder.reset("FL0503: x")
	if err := recorder.VerifyAggregate(aggregate.Inputs{}, 0); err != nil {
		t.Fatal("a refusal is taken for a sum that was published:", err)
	}
}

func TestWhatTheLedgerHoldsTakesThePlaceOfWhatTheRulesGave(t *testing.T) {
	supply, encode := ledger.Key("supply"), base64.StdEncoding.EncodeToString
	query := transaction("", administrator(t), "TotalSupply", "{}")
	query.Evaluate = true
	value := encode([]byte(`{"amount":9}`))
	first := `{"state":[[` + quote(t, supply) + `,"` + encode([]byte(`{"amount":7}`)) + `"]],"blobs":null}`
	answers := replay(t, first, line{Correct: [][2]*string{{&supply, &value}}}, query, line{Correct: [][2]*string{{&supply, nil}}}, query)
	result, _ := base64.StdEncoding.DecodeString(answers[1]["result"].(string))
	if answers[0]["error"] != nil || string(result) != `{"total_supply":9}` {
		t.Fatal(answers)
	}
	if result, _ = base64.StdEncoding.DecodeString(answers[3]["result"].(string)); string(result) != `{"total_supply":0}` {
		t.Fatal(string(result))
	}
	bad := "!"
	if answers = replay(t, first, line{Correct: [][2]*string{{&supply, &bad}}}); answers[0]["error"] == nil {
		t.Fatal(answers)
	}
}

func quote(t *testing.T, text string) string {
	t.Helper()
	raw, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
