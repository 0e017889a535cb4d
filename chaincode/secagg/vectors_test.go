package secagg_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"testing"

	"fedledger/chaincode/secagg"
)

// raw is bytes written as hex.
type raw []byte

func (r *raw) UnmarshalJSON(text []byte) error {
	var digits string
	if err := json.Unmarshal(text, &digits); err != nil {
		return err
	}
	bytes, err := hex.DecodeString(digits)
	*r = bytes
	return err
}

func fixed(t *testing.T, r raw) [32]byte {
	t.Helper()
	if len(r) != 32 {
		t.Fatalf("expected 32 bytes, got %d", len(r))
	}
	return [32]byte(r)
}

func read[T any](t *testing.T, name string) []T {
	t.Helper()
	text, err := os.ReadFile("../../tests/vectors/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []T
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatalf("%s holds no case", name)
	}
	return cases
}

var failures = map[string]error{
	"success": nil, "bad-public-key": secagg.ErrPublicKey, "bad-share": secagg.ErrShare, "bad-secret": secagg.ErrSecret,
	"bad-proof": secagg.ErrProof, "bad-seal": secagg.ErrSealed,
}

func expect(t *testing.T, name, kind string, err error) {
	t.Helper()
	if wanted, known := failures[kind]; !known || !errors.Is(err, wanted) {
		t.Errorf("%s: expected %s, got %v", name, kind, err)
	}
}

func TestSessionFollowsItsVectors(t *testing.T) {
	for _, c := range read[struct {
		Name, Channel, Training string
		Round, Attempt          uint64
		Plan                    raw
		BaseState               raw `json:"base_state"`
		LayoutDigest            raw `json:"layout_digest"`
		Session                 raw
	}](t, "session") {
		got := secagg.Session(secagg.Context{
			Channel: c.Channel, Training: c.Training, Round: c.Round, Attempt: c.Attempt,
			Plan: fixed(t, c.Plan), BaseState: fixed(t, c.BaseState), LayoutDigest: fixed(t, c.LayoutDigest),
		})
		if got != fixed(t, c.Session) {
			t.Errorf("%s: expected %x, got %x", c.Name, c.Session, got)
		}
	}
}

func TestThresholdFollowsItsVectors(t *testing.T) {
	for _, c := range read[struct{ Cohort, Threshold int }](t, "threshold") {
		if got := secagg.Threshold(c.Cohort); got != c.Threshold || got < c.Cohort/2+1 {
			t.Errorf("%d: expected %d, got %d", c.Cohort, c.Threshold, got)
		}
	}
}

func TestPublicKeysFollowTheirVectors(t *testing.T) {
	for _, c := range read[struct {
		Name, Expect string
		Key          raw
	}](t, "public_key") {
		expect(t, c.Name, c.Expect, secagg.CheckPublicKey(c.Key))
	}
}

func TestShamirFollowsItsVectors(t *testing.T) {
	for _, c := range read[struct {
		Name, Expect string
		Shares       [][2]any
		Secret       raw
	}](t, "shamir") {
		points, values := []int{}, [][secagg.ShareBytes]byte{}
		for _, share := range c.Shares {
			value, err := hex.DecodeString(share[1].(string))
			if err != nil {
				t.Fatal(err)
			}
			points, values = append(points, int(share[0].(float64))), append(values, [secagg.ShareBytes]byte(value))
		}
		secret, err := secagg.NewBasis(points).Rebuild(values)
		expect(t, c.Name, c.Expect, err)
		if err == nil && secret != fixed(t, c.Secret) {
			t.Errorf("%s: expected %x, got %x", c.Name, c.Secret, secret)
		}
	}
}

func digests(t *testing.T, hashes []raw) []secagg.Digest {
	t.Helper()
	list := make([]secagg.Digest, len(hashes))
	for i, hash := range hashes {
		list[i] = fixed(t, hash)
	}
	return list
}

func TestMerklePathsFollowTheirVectors(t *testing.T) {
	for _, c := range read[struct {
		Name, Expect string
		Root, Leaf   raw
		Index, Size  int
		Path         []raw
	}](t, "merkle") {
		expect(t, c.Name, c.Expect, secagg.VerifyPath(fixed(t, c.Root), c.Index, c.Size, c.Leaf, digests(t, c.Path)))
	}
}

func TestKeysFollowTheirVectors(t *testing.T) {
	for _, c := range read[struct {
		Session, Seed  raw
		Low, High      string
		LowSecret      raw `json:"low_secret"`
		HighSecret     raw `json:"high_secret"`
		LowPublic      raw `json:"low_public"`
		HighPublic     raw `json:"high_public"`
		SeedCommitment raw `json:"seed_commitment"`
		SelfKey        raw `json:"self_key"`
		PairKey        raw `json:"pair_key"`
		ShareKey       raw `json:"share_key"`
		ShareKeyBack   raw `json:"share_key_back"`
	}](t, "keys") {
		session, seed := fixed(t, c.Session), fixed(t, c.Seed)
		low, high := secagg.Peer{ID: c.Low, Key: fixed(t, c.LowPublic)}, secagg.Peer{ID: c.High, Key: fixed(t, c.HighPublic)}
		lowSecret := fixed(t, c.LowSecret)
		lowPrivate, highPrivate := secagg.Private(lowSecret), secagg.Private(fixed(t, c.HighSecret))
		pair, err := secagg.PairKey(session, low, high, lowPrivate, high.Key)
		pairBack, errBack := secagg.PairKey(session, low, high, highPrivate, low.Key)
		share, errShare := secagg.ShareKey(session, low, high, lowPrivate, high.Key)
		back, errShareBack := secagg.ShareKey(session, high, low, lowPrivate, high.Key)
		if err := errors.Join(err, errBack, errShare, errShareBack); err != nil {
			t.Fatal(err)
		}
		for name, both := range map[string][2][32]byte{
			"public key":      {low.Key, secagg.PublicKey(lowSecret)},
			"seed commitment": {fixed(t, c.SeedCommitment), secagg.SeedCommitment(session, c.Low, seed)},
			"self key":        {fixed(t, c.SelfKey), secagg.SelfKey(session, c.Low, seed, low.Key)},
			"pair key":        {fixed(t, c.PairKey), pair},
			"pair key back":   {fixed(t, c.PairKey), pairBack},
			"share key":       {fixed(t, c.ShareKey), share},
			"share key back":  {fixed(t, c.ShareKeyBack), back},
		} {
			if both[0] != both[1] {
				t.Errorf("%s: expected %x, got %x", name, both[0], both[1])
			}
		}
	}
}

func TestSealedSharesFollowTheirVectors(t *testing.T) {
	for _, c := range read[struct {
		Name, Expect, From, To           string
		Session, Key, Sealed, Mask, Seed raw
		Path                             []raw
		Place, Members                   int
	}](t, "sealed") {
		dealt, err := secagg.OpenShares(fixed(t, c.Session), c.From, c.To, fixed(t, c.Key), c.Sealed, c.Place, c.Members)
		expect(t, c.Name, c.Expect, err)
		if err != nil {
			continue
		}
		if dealt.Mask != [secagg.ShareBytes]byte(c.Mask) || dealt.Seed != [secagg.ShareBytes]byte(c.Seed) {
			t.Errorf("%s: other shares", c.Name)
		}
		if !slices.Equal(digests(t, c.Path), dealt.Path) {
			t.Errorf("%s: another path", c.Name)
		}
	}
}

func TestBundlesFollowTheirVectors(t *testing.T) {
	for _, c := range read[struct {
		Name, Dealer          string
		Session, Root, Bundle raw
		Members               []string
		Keys                  map[string]struct{ Secret, Public raw }
	}](t, "bundle") {
		n := len(c.Members)
		if secagg.BundleBytes(n) != len(c.Bundle) {
			t.Fatalf("%s: expected %d bytes, got %d", c.Name, secagg.BundleBytes(n), len(c.Bundle))
		}
		session, rest := fixed(t, c.Session), c.Bundle
		dealer := secagg.Peer{ID: c.Dealer, Key: fixed(t, c.Keys[c.Dealer].Public)}
		for place, name := range c.Members {
			if name == c.Dealer {
				continue
			}
			own := secagg.Peer{ID: name, Key: fixed(t, c.Keys[name].Public)}
			key, err := secagg.ShareKey(session, dealer, own, secagg.Private(fixed(t, c.Keys[name].Secret)), dealer.Key)
			if err != nil {
				t.Fatal(err)
			}
			sealed := rest[:secagg.SealedBytes(n)]
			rest = rest[len(sealed):]
			dealt, err := secagg.OpenShares(session, c.Dealer, name, key, sealed, place, n)
			if err != nil {
				t.Fatal(c.Name, err)
			}
			leaf := secagg.ShareLeaf(session, c.Dealer, name, secagg.KindSeed, dealt.Seed)
			proof := append([]secagg.Digest{sha256.Sum256(append([]byte{0}, leaf[:]...))}, dealt.Path...)
			reveal := secagg.Reveal{Dealer: c.Dealer, Receiver: name, Kind: secagg.KindMask, Value: dealt.Mask, Proof: proof}
			expect(t, c.Name, "success", secagg.CheckReveal(session, fixed(t, c.Root), c.Members, reveal))
		}
	}
}

func TestRevealsFollowTheirVectors(t *testing.T) {
	for _, c := range read[struct {
		Name, Expect, Dealer, Receiver string
		Kind                           secagg.Kind
		Members                        []string
		Session, Root, Value           raw
		Proof                          []raw
	}](t, "reveal") {
		reveal := secagg.Reveal{
			Dealer: c.Dealer, Receiver: c.Receiver, Kind: c.Kind,
			Value: [secagg.ShareBytes]byte(c.Value), Proof: digests(t, c.Proof),
		}
		expect(t, c.Name, c.Expect, secagg.CheckReveal(fixed(t, c.Session), fixed(t, c.Root), c.Members, reveal))
	}
}
