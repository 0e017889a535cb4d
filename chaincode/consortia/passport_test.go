package consortia_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/consortia"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
)

// vectors are passports that Python and these rules must judge alike (tests/vectors/passport_cases.py).
type vectors struct {
	NowMS     int64 `json:"now_ms"`
	Trust     consortia.TrustBody
	Shared    map[string]string
	Passports []struct {
		Name, Contract, Text string
	}
	Withdrawals map[string]string
}

func read(t *testing.T) vectors {
	t.Helper()
	raw, err := os.ReadFile("../../tests/vectors/passports.json")
	if err != nil {
		t.Fatal(err)
	}
	var found vectors
	if err := json.Unmarshal(raw, &found); err != nil {
		t.Fatal(err)
	}
	return found
}

func (v vectors) text(folded string) []byte {
	for marker, common := range v.Shared {
		folded = strings.ReplaceAll(folded, marker, common)
	}
	return []byte(folded)
}

// trusting is a ledger whose members trust the vectors' consortium.
func (v vectors) trusting(t *testing.T) (ledger.State, ledger.Env) {
	t.Helper()
	state, env := ledger.NewMemory().Begin(), ledger.Env{TimeMS: v.NowMS}
	if err := v.Trust.Check(governance.Parameters{}); err != nil {
		t.Fatal(err)
	}
	if err := consortia.Trust(state, env, v.Trust); err != nil {
		t.Fatal(err)
	}
	return state, env
}

func judged(s ledger.State, env ledger.Env, raw []byte) (consortia.Verified, errcode.Code) {
	var envelope consortia.Envelope
	if codec.DecodeStrict(raw, &envelope) != nil {
		return consortia.Verified{}, errcode.BadPassport
	}
	found, err := consortia.Verify(s, env, envelope)
	if err != nil {
		return found, errcode.Of(err)
	}
	return found, ""
}

func TestEachPassportIsJudgedAsTheSmallPackageJudgesIt(t *testing.T) {
	all := read(t)
	state, env := all.trusting(t)
	for _, one := range all.Passports {
		t.Run(one.Name, func(t *testing.T) {
			found, code := judged(state, env, all.text(one.Text))
			if string(code) != one.Contract {
				t.Fatalf("expected %q, got %q", one.Contract, code)
			}
			if code == "" && len(found.SignedBy) != 3 {
				t.Fatalf("signed by %v", found.SignedBy)
			}
		})
	}
}

func TestAPassportOfAConsortiumThatIsTrustedNoMoreIsRefused(t *testing.T) {
	all := read(t)
	state, env := all.trusting(t)
	right := all.text(all.Passports[0].Text)
	if err := consortia.Distrust(state, env, consortia.DistrustBody{Genesis: all.Trust.Genesis}); err != nil {
		t.Fatal(err)
	}
	if _, code := judged(state, env, right); code != errcode.UnknownConsortium {
		t.Fatal(code)
	}
	if err := consortia.Trust(state, env, all.Trust); err != nil {
		t.Fatal(err)
	}
	if _, code := judged(state, env, right); code != "" {
		t.Fatal(code)
	}
	all.Trust.Channel = "another"
	if err := consortia.Trust(state, env, all.Trust); err != nil {
		t.Fatal(err)
	}
	if _, code := judged(state, env, right); code != errcode.UnknownConsortium {
		t.Fatal(code)
	}
}

func TestTheTransactionsTimeIsTheOnlyClock(t *testing.T) {
	all := read(t)
	state, env := all.trusting(t)
	right := all.text(all.Passports[0].Text)
	for now, expected := range map[int64]errcode.Code{
		all.NowMS + 4_000*86_400_000: "",                  // the certificates have expired since the release
		all.NowMS - 31*86_400_000:    errcode.BadPassport, // before the release
		0:                            errcode.BadPassport,
	} {
		env.TimeMS = now
		if _, code := judged(state, env, right); code != expected {
			t.Errorf("at %d: %q", now, code)
		}
	}
}

func TestATrustedConsortiumHasOrganisationsThatAreApart(t *testing.T) {
	all := read(t)
	for name, change := range map[string]func(*consortia.TrustBody){
		"nobody":           func(b *consortia.TrustBody) { b.Organisations = nil },
		"no root":          func(b *consortia.TrustBody) { b.Organisations[1].Roots = nil },
		"one root for two": func(b *consortia.TrustBody) { b.Organisations[1].Roots = b.Organisations[0].Roots },
		"one twice":        func(b *consortia.TrustBody) { b.Organisations[1].MSPID = b.Organisations[0].MSPID },
		"no order": func(b *consortia.TrustBody) {
			b.Organisations[0], b.Organisations[1] = b.Organisations[1], b.Organisations[0]
		},
		"no certificate":     func(b *consortia.TrustBody) { b.Organisations[0].Roots = []string{"AAAA"} },
		"no base64":          func(b *consortia.TrustBody) { b.Organisations[0].Roots = []string{"*"} },
		"a line break":       func(b *consortia.TrustBody) { b.Organisations[0].Roots[0] += "\n" },
		"no list":            func(b *consortia.TrustBody) { b.Organisations[0].Revocations = []string{"AAAA"} },
		"no name":            func(b *consortia.TrustBody) { b.Name = "" },
		"no genesis":         func(b *consortia.TrustBody) { b.Genesis = "00" },
		"no MSP id":          func(b *consortia.TrustBody) { b.Organisations[0].MSPID = "/" },
		"a channel too long": func(b *consortia.TrustBody) { b.Channel = strings.Repeat("a", 251) },
	} {
		body := read(t).Trust
		change(&body)
		err := body.Check(governance.Parameters{})
		if err == nil {
			t.Errorf("%s is taken", name)
		} else if code := errcode.Of(err); code != errcode.BadArgument && code != errcode.LimitExceeded {
			t.Errorf("%s: %q", name, code)
		}
	}
	if all.Trust.Check(governance.Parameters{}) != nil {
		t.Error("the right one is refused")
	}
}
