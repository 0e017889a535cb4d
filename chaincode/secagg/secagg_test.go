package secagg_test

import (
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"testing"

	"fedledger/chaincode/aggregate/aggregatetest"
	"fedledger/chaincode/secagg"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	bytes, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

func TestAgreementGivesTheKnownAnswersOfRFC7748(t *testing.T) {
	secret, public := [32]byte{9}, [32]byte{9}
	known := map[int]string{
		1:    "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079",
		1000: "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51",
	}
	for turn := 1; turn <= 1000; turn++ {
		shared, err := secagg.Agree(secagg.Private(secret), public)
		if err != nil {
			t.Fatal(err)
		}
		public, secret = secret, [32]byte(shared)
		public[31] &= 0x7f // the RFC masks the unused bit
		if expected, ok := known[turn]; ok && hex.EncodeToString(secret[:]) != expected {
			t.Fatalf("turn %d: expected %s, got %x", turn, expected, secret)
		}
	}
}

func TestTreesHaveTheKnownRootsOfCertificateTransparency(t *testing.T) {
	leaves := []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}
	for size, root := range map[int]string{
		1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	} {
		tree := aggregatetest.TreeOf(decoded(t, leaves[:size]))
		for index := range size {
			path := aggregatetest.Path(tree, index)
			if err := secagg.VerifyPath([32]byte(unhex(t, root)), index, size, unhex(t, leaves[index]), path); err != nil {
				t.Errorf("leaf %d of %d: %v", index, size, err)
			}
		}
	}
}

func decoded(t *testing.T, texts []string) [][]byte {
	t.Helper()
	var list [][]byte
	for _, text := range texts {
		list = append(list, unhex(t, text))
	}
	return list
}

func TestAgreementWithAPointOfLowOrderIsRefused(t *testing.T) {
	for _, u := range []byte{0, 1} {
		if _, err := secagg.Agree(secagg.Private([32]byte{1}), [32]byte{u}); !errors.Is(err, secagg.ErrPublicKey) {
			t.Errorf("u=%d: expected %v, got %v", u, secagg.ErrPublicKey, err)
		}
	}
}

func TestEverySubsetOfTheThresholdRebuildsTheSecret(t *testing.T) {
	round := aggregatetest.Play(aggregatetest.Options{Cohort: 6, Layout: layout})
	shares := round.Inputs.Cohort[2].Shares
	for subset := range 1 << len(shares) {
		var chosen []secagg.Share
		for i, share := range shares {
			if subset>>i&1 == 1 {
				chosen = append(chosen, share)
			}
		}
		var rebuilder secagg.Rebuilder
		p := round.Inputs.Cohort[2]
		seed, err := rebuilder.Seed(round.Inputs.Session, p.ID, p.SeedCommitment, round.Inputs.Threshold, chosen)
		if len(chosen) < round.Inputs.Threshold {
			if !errors.Is(err, secagg.ErrTooFew) {
				t.Fatalf("%d shares: expected %v, got %v", len(chosen), secagg.ErrTooFew, err)
			}
		} else if err != nil || seed != round.Members[2].Seed {
			t.Fatalf("subset %b: another seed (%v)", subset, err)
		}
	}
}

const layout = `{"version":1,"segments":[{"name":"a","kind":"value","word":32,"ring":32,"max":9,"slots":4}],"count":null}`

func TestASecretThatFitsNoCommitmentIsTheDealersFault(t *testing.T) {
	round := aggregatetest.Play(aggregatetest.Options{Cohort: 4, Dropouts: []int{1}, Layout: layout})
	var rebuilder secagg.Rebuilder
	survivor, dropout := round.Inputs.Cohort[0], round.Inputs.Cohort[1]
	_, err := rebuilder.Seed(round.Inputs.Session, survivor.ID, [32]byte{}, 3, survivor.Shares)
	if !errors.Is(err, secagg.ErrSecret) {
		t.Fatalf("expected %v, got %v", secagg.ErrSecret, err)
	}
	if _, err := rebuilder.MaskKey([32]byte{}, 3, dropout.Shares); !errors.Is(err, secagg.ErrSecret) {
		t.Fatalf("expected %v, got %v", secagg.ErrSecret, err)
	}
	if key, err := rebuilder.MaskKey(dropout.MaskKey, 3, dropout.Shares); err != nil || key != round.Members[1].MaskSecret {
		t.Fatalf("another mask key (%v)", err)
	}
}

func TestRevealsOfStrangersAndUnknownKindsAreRefused(t *testing.T) {
	round := aggregatetest.Play(aggregatetest.Options{Cohort: 4, Layout: layout})
	good, root := round.Reveals[1][2], round.Members[2].SharesRoot
	for name, c := range map[string]struct {
		change   func(*secagg.Reveal)
		expected error
	}{
		"a dealer without keys":   {func(r *secagg.Reveal) { r.Dealer = "nobody" }, secagg.ErrMember},
		"a receiver without keys": {func(r *secagg.Reveal) { r.Receiver = "nobody" }, secagg.ErrMember},
		"an unknown kind":         {func(r *secagg.Reveal) { r.Kind = "both" }, secagg.ErrKind},
	} {
		reveal := good
		c.change(&reveal)
		if err := secagg.CheckReveal(round.Inputs.Session, root, round.IDs(), reveal); !errors.Is(err, c.expected) {
			t.Errorf("%s: expected %v, got %v", name, c.expected, err)
		}
	}
}

func FuzzOpenShares(f *testing.F) {
	f.Add([]byte("short"), uint64(1))
	f.Fuzz(func(t *testing.T, sealed []byte, seed uint64) {
		var key, session [32]byte
		random := rand.New(rand.NewPCG(seed, 1))
		for i := range key {
			key[i], session[i] = byte(random.Uint32()), byte(random.Uint32())
		}
		if _, err := secagg.OpenShares(session, "a", "b", key, sealed, 1, 2); !errors.Is(err, secagg.ErrSealed) {
			t.Fatalf("expected %v, got %v", secagg.ErrSealed, err)
		}
	})
}

func FuzzVerifyPath(f *testing.F) {
	f.Add(3, 8, []byte("leaf"), make([]byte, 96))
	f.Add(-1, 0, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, index, size int, leaf, nodes []byte) {
		var path []secagg.Digest
		for ; len(nodes) >= 32; nodes = nodes[32:] {
			path = append(path, secagg.Digest(nodes[:32]))
		}
		if err := secagg.VerifyPath(secagg.Digest{1}, index, size, leaf, path); !errors.Is(err, secagg.ErrProof) {
			t.Fatalf("expected %v, got %v", secagg.ErrProof, err)
		}
	})
}

func FuzzCheckPublicKey(f *testing.F) {
	f.Add(make([]byte, 32))
	f.Add([]byte{9})
	f.Fuzz(func(t *testing.T, key []byte) {
		if secagg.CheckPublicKey(key) != nil {
			return
		}
		if _, err := secagg.Agree(secagg.Private([32]byte{77}), [32]byte(key)); err != nil {
			t.Fatalf("an accepted key agrees on nothing: %v", err)
		}
	})
}
