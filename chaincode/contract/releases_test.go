package contract_test

import (
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"strings"
	"testing"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/release"
	"fedledger/chaincode/round"
)

// trained is a federation under version 2 with two Final rounds.
func trained() *contracttest.Federation {
	f := contracttest.New(4, `{}`)
	f.Ready(5, 4)
	must(f.Agree("set_rules_version", object{"version": 2}))
	f.Open("tumour", options{}).Finish()
	f.Open("tumour", options{}).Finish()
	return f
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// released is trained with a release of its second round.
func released() *contracttest.Federation {
	f := trained()
	must(f.Agree("release_model", contracttest.Releasing("tumour-1", 2)))
	return f
}

func signer(i int) contracttest.Signer { return contracttest.NewSigner(i, "signer", elliptic.P256()) }

// left is a history in which a model is released, signed and withdrawn.
func left() *contracttest.Federation {
	f := released()
	f.Must(signer(0).Caller, "SignRelease", signer(0).Signing(f, "tumour-1", "release"), nil)
	must(f.Agree("withdraw_model", object{"release": "tumour-1", "reason": "a site's labels were wrong"}))
	f.Must(signer(0).Caller, "SignRelease", signer(0).Signing(f, "tumour-1", "withdrawal"), nil)
	return f
}

func got(f *contracttest.Federation) release.View {
	var view release.View
	f.Query("GetRelease", object{"release": "tumour-1"}, &view)
	return view
}

func TestAReleaseSaysWhatTheLedgerHoldsOfTheRound(t *testing.T) {
	f := released()
	var said struct {
		Type      string `json:"_type"`
		Subject   []struct{ Name string }
		Predicate struct {
			Channel string
			Rules   uint64
			Final   round.Ref
			Lineage struct {
				Root  string
				Steps []json.RawMessage
			}
			Survivors, Organisations, AttestedBy []string
		}
	}
	view := got(f)
	must(json.Unmarshal(view.Statement, &said))
	var last round.View
	f.Query("GetRound", object{"training": "tumour", "round": 2, "attempt": 1}, &last)
	equal(t, "https://in-toto.io/Statement/v1", said.Type)
	equal(t, "model.safetensors state", said.Subject[0].Name+" "+said.Subject[1].Name)
	equal(t, last.State, view.State)
	equal(t, round.Ref{Training: "tumour", Round: 2, Attempt: 1}, said.Predicate.Final)
	equal(t, strings.Join(last.Survivors, " "), strings.Join(said.Predicate.Survivors, " "))
	equal(t, strings.Join(f.Members, " "), strings.Join(said.Predicate.Organisations, " "))
	equal(t, 2, len(said.Predicate.Lineage.Steps))
	equal(t, merkleOfTwo(said.Predicate.Lineage.Steps), said.Predicate.Lineage.Root)
}

func merkleOfTwo(steps []json.RawMessage) string {
	var nodes []byte
	for _, step := range steps {
		leaf, err := codec.Canonical(step)
		must(err)
		hash := sha256.Sum256(append([]byte{0}, leaf...))
		nodes = append(nodes, hash[:]...)
	}
	root := sha256.Sum256(append([]byte{1}, nodes...))
	return ledger.Hex(root[:])
}

func TestOrganisationsSignAReleaseOneByOne(t *testing.T) {
	f := released()
	for i := range 3 {
		var answer release.SignResponse
		f.Must(signer(i).Caller, "SignRelease", signer(i).Signing(f, "tumour-1", "release"), &answer)
		equal(t, release.SignResponse{Release: "tumour-1", About: "release", Signatures: i + 1, Majority: 3}, answer)
	}
	refused(t, f, signer(0).Caller, "SignRelease", signer(0).Signing(f, "tumour-1", "release"), errcode.AlreadyDone)
	another := contracttest.NewSigner(0, "renewed", elliptic.P256())
	f.Must(another.Caller, "SignRelease", another.Signing(f, "tumour-1", "release"), nil)
	equal(t, 3, len(got(f).Signatures))
	equal(t, another.Caller.KeyHash, got(f).Signatures[contracttest.MSP(0)].KeyHash)
}

func TestAReleaseTakesNoSignatureThatDoesNotHold(t *testing.T) {
	f := released()
	payload, err := codec.Canonical(got(f).Statement)
	must(err)
	one, other := signer(0), signer(1)
	right := one.Signing(f, "tumour-1", "release")
	for name, argument := range map[string]object{
		"another's":        altered(right, "signature", other.Over(payload, false)),
		"another payload":  altered(right, "signature", one.Over([]byte("{}"), false)),
		"high s":           altered(right, "signature", one.Over(payload, true)),
		"no DER":           altered(right, "signature", "AAAA"),
		"no base64":        altered(right, "signature", "*"),
		"his certificate":  other.Signing(f, "tumour-1", "release"),
		"no certificate":   altered(right, "certificate", "AAAA"),
		"nothing":          altered(right, "certificate", ""),
		"not P-256 curved": contracttest.NewSigner(0, "signer", elliptic.P384()).Signing(f, "tumour-1", "release"),
	} {
		t.Run(name, func(t *testing.T) {
			caller := one.Caller
			if name == "not P-256 curved" {
				caller = contracttest.NewSigner(0, "signer", elliptic.P384()).Caller
			}
			refused(t, f, caller, "SignRelease", argument, errcode.BadReleaseSignature)
		})
	}
	refused(t, f, one.Caller, "SignRelease", altered(right, "about", "withdrawal"), errcode.ReleaseWithdrawn)
	refused(t, f, one.Caller, "SignRelease", altered(right, "about", "x"), errcode.BadArgument)
	refused(t, f, one.Caller, "SignRelease", altered(right, "release", "x"), errcode.UnknownRelease)
	client := one.Caller
	client.Role = ledger.Client
	refused(t, f, client, "SignRelease", right, errcode.NotAParticipant)
	stranger := one.Caller
	stranger.MSPID = "StrangerMSP"
	refused(t, f, stranger, "SignRelease", right, errcode.NotAMember)
}

func TestOnlyAFinalRoundOfTheLineageIsReleased(t *testing.T) {
	f := trained()
	code := func(body object) errcode.Code { return errcode.Of(f.Agree("release_model", body)) }
	equal(t, errcode.UnknownRound, code(contracttest.Releasing("tumour-1", 3)))
	f.Open("tumour", options{})
	equal(t, errcode.NotReleasable, code(contracttest.Releasing("tumour-1", 3)))
	must(f.Agree("roll_back_training", object{"training": "tumour", "round": 1}))
	equal(t, errcode.NotReleasable, code(contracttest.Releasing("tumour-1", 2)))
	must(f.Agree("release_model", contracttest.Releasing("tumour-1", 1)))
	equal(t, errcode.ReleaseExists, code(contracttest.Releasing("tumour-1", 1)))
}

func TestABodyOfAReleaseIsCheckedBeforeTheVote(t *testing.T) {
	f := trained()
	files := func(names ...string) []object {
		list := []object{}
		for _, name := range names {
			list = append(list, object{"name": name, "sha256": contracttest.Digest(name)})
		}
		return list
	}
	right := contracttest.Releasing("tumour-1", 2)
	for name, body := range map[string]object{
		"id":          altered(right, "release", "Tumour 1"),
		"training":    altered(right, "training", "/"),
		"round":       altered(right, "round", 0),
		"two alike":   altered(right, "files", files("a", "a")),
		"unsorted":    altered(right, "files", files("b", "a")),
		"hidden":      altered(right, "files", files(".a")),
		"upwards":     altered(right, "files", files("a/../b")),
		"absolute":    altered(right, "files", files("/a")),
		"the state":   altered(right, "files", files("state")),
		"too long":    altered(right, "files", files(strings.Repeat("a", 101))),
		"no evidence": altered(right, "evidence", object{}),
		"no digest":   altered(right, "files", []object{{"name": "a", "sha256": "b"}}),
	} {
		if got := errcode.Of(f.Agree("release_model", body)); got != errcode.BadArgument {
			t.Errorf("%s: %s", name, got)
		}
	}
	equal(t, errcode.LimitExceeded, errcode.Of(f.Agree("release_model", altered(right, "files", files()))))
	long := object{"release": "tumour-1", "reason": strings.Repeat("a", 501)}
	equal(t, errcode.LimitExceeded, errcode.Of(f.Agree("withdraw_model", long)))
}

func TestAWithdrawalNamesThePassportThatItTakesBack(t *testing.T) {
	f := left()
	view := got(f)
	payload, err := codec.Canonical(view.Statement)
	must(err)
	digest := sha256.Sum256(payload)
	if !strings.Contains(string(view.Withdrawal), ledger.Hex(digest[:])) || !strings.Contains(string(view.Withdrawal), "labels were wrong") {
		t.Fatal(string(view.Withdrawal))
	}
	equal(t, 1, len(view.WithdrawalSignatures))
	refused(t, f, signer(1).Caller, "SignRelease", signer(1).Signing(f, "tumour-1", "release"), errcode.ReleaseWithdrawn)
	equal(t, errcode.ReleaseWithdrawn, errcode.Of(f.Agree("withdraw_model", object{"release": "tumour-1", "reason": ""})))
	var listing struct{ Items []release.Summary }
	f.Query("ListReleases", object{}, &listing)
	equal(t, true, listing.Items[0].Withdrawn)
}

func TestVersion1KnowsNoReleases(t *testing.T) {
	f := contracttest.New(4, `{}`)
	f.Ready(5, 4)
	f.Open("tumour", options{}).Finish()
	equal(t, errcode.UnknownKind, errcode.Of(f.Agree("release_model", contracttest.Releasing("tumour-1", 1))))
	equal(t, errcode.UnknownKind, errcode.Of(f.Agree("withdraw_model", object{"release": "tumour-1", "reason": ""})))
	for _, function := range []string{"SignRelease", "GetRelease", "ListReleases"} {
		refused(t, f, contracttest.Admin(0), function, object{}, errcode.UnknownFunction)
	}
}

// altered is a copy of an argument with another value of one key.
func altered(argument object, key string, value any) object {
	return changed(maps.Clone(argument), key, value)
}

// TestTheReleaseThatNodesReadIsTheContracts writes a signed and withdrawn release to where tests of the nodes and of the small package
// read it.
func TestTheReleaseThatNodesReadIsTheContracts(t *testing.T) {
	const path = "../../tests/vectors/release.json"
	f := released()
	for i := range 3 {
		f.Must(signer(i).Caller, "SignRelease", signer(i).Signing(f, "tumour-1", "release"), nil)
	}
	must(f.Agree("withdraw_model", object{"release": "tumour-1", "reason": "a site's labels were wrong"}))
	for i := range 3 {
		f.Must(signer(i).Caller, "SignRelease", signer(i).Signing(f, "tumour-1", "withdrawal"), nil)
	}
	view, err := codec.Canonical(got(f))
	must(err)
	want := fmt.Sprintf("{\n \"origin\": \"go test ./contract -rewrite; checked by tests/unit/passport/test_twin.py\",\n \"view\": %s\n}\n", view)
	if *rewrite {
		must(os.WriteFile(path, []byte(want), 0o644))
	}
	have, err := os.ReadFile(path)
	if err != nil || string(have) != want {
		t.Fatalf("%s is not what the code says; run this test with -rewrite (%v)", path, err)
	}
}

// TestAReplayFindsWhatWasTamperedWithInARelease changes one transaction of a history, as endorsers who collude could, and replays it
// as the audit does: the rules refuse it, or give other writes than were committed.
func TestAReplayFindsWhatWasTamperedWithInARelease(t *testing.T) {
	f := left()
	another := signer(1).Over([]byte("{}"), false)
	for name, change := range map[string]struct{ function, holds, old, new string }{
		"the model's digest":       {"Propose", "release_model", contracttest.Digest("safetensors"), contracttest.Digest("another")},
		"the block of its Final":   {"Propose", "release_model", `"final_block":40`, `"final_block":41`},
		"what the plan promises":   {"Propose", "release_model", `"epsilon":"3"`, `"epsilon":"1"`},
		"why it was withdrawn":     {"Propose", "withdraw_model", "wrong", "right"},
		"a signature":              {"SignRelease", `"about":"release"`, signatureOf(f, "release"), another},
		"a withdrawal's signature": {"SignRelease", `"about":"withdrawal"`, signatureOf(f, "withdrawal"), another},
		"what was signed":          {"SignRelease", `"about":"release"`, `"about":"release"`, `"about":"withdrawal"`},
	} {
		t.Run(name, func(t *testing.T) {
			state, found, tampered := ledger.NewMemory(), false, false
			for _, entry := range f.Log {
				argument := string(entry.Argument)
				if entry.Function == change.function && strings.Contains(argument, change.holds) && strings.Contains(argument, change.old) {
					argument, tampered = strings.Replace(argument, change.old, change.new, 1), true
				}
				tx := state.Begin()
				_, _, err := f.Contract.Execute(tx, entry.Env, entry.Function, []byte(argument))
				if found = err != nil || !reflect.DeepEqual(tx.Writes(), entry.Writes); found {
					break
				}
				state.Commit(tx)
			}
			equal(t, true, tampered)
			equal(t, true, found)
		})
	}
}

// signatureOf is the first member's signature on the ledger.
func signatureOf(f *contracttest.Federation, about string) string {
	view := got(f)
	return map[string]map[string]release.Signature{"release": view.Signatures, "withdrawal": view.WithdrawalSignatures}[about][contracttest.MSP(0)].Signature
}
