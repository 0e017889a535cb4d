package secagg

import (
	"errors"
	"testing"
)

// FuzzOpenSharesOfADealer seals whatever a dealer likes under the right key: what opens has the form of shares.
func FuzzOpenSharesOfADealer(f *testing.F) {
	f.Add(make([]byte, SealedBytes(4)-tagBytes), 1, 4)
	f.Add(make([]byte, 10), 0, 2)
	f.Add([]byte{}, -1, 0)
	f.Fuzz(func(t *testing.T, plain []byte, place, members int) {
		if members < 2 || members > 1000 || place < 0 || place >= members {
			return // who calls takes both from the ledger's own list of members
		}
		var key [32]byte
		var session Digest
		sealed := gcm(key).Seal(nil, make([]byte, 12), plain, shareAAD(session, "a", "b"))
		dealt, err := OpenShares(session, "a", "b", key, sealed, place, members)
		if err != nil {
			if !errors.Is(err, ErrSealed) {
				t.Fatalf("expected %v, got %v", ErrSealed, err)
			}
			return
		}
		if len(dealt.Path) != pathLength(place, members) {
			t.Fatalf("a path of %d nodes", len(dealt.Path))
		}
	})
}

// FuzzCheckDealt shows arbitrary shares and paths: never a panic, and what is proven lies in the field.
func FuzzCheckDealt(f *testing.F) {
	f.Add(make([]byte, 2*ShareBytes), make([]byte, 64), "a", "b")
	f.Add([]byte{}, []byte{}, "a", "nobody")
	f.Fuzz(func(t *testing.T, shares, nodes []byte, dealer, receiver string) {
		var mask Reveal
		var seed [ShareBytes]byte
		copy(mask.Value[:], shares)
		copy(seed[:], shares[min(len(shares), ShareBytes):])
		mask.Dealer, mask.Receiver, mask.Kind = dealer, receiver, "mask"
		for ; len(nodes) >= 32; nodes = nodes[32:] {
			mask.Proof = append(mask.Proof, Digest(nodes[:32]))
		}
		if CheckDealt(Digest{}, Digest{1}, []string{"a", "b", "c"}, mask, seed) == nil {
			t.Fatal("a root was met by chance")
		}
		_ = CheckReveal(Digest{}, Digest{1}, []string{"a", "b", "c"}, mask)
	})
}
