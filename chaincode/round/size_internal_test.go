package round

import (
	"fmt"
	"strings"
	"testing"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
)

// crowded is a Final round of so many members, every name as long as it may be, after other attempts on the same base.
func crowded(t *testing.T, members, attempts int) (ledger.State, Ref) {
	t.Helper()
	digest := strings.Repeat("f", 64)
	ref := Ref{strings.Repeat("t", 40), 1, uint64(attempts)}
	round := Round{Ref: ref, Plan: digest, BaseState: digest, LayoutDigest: digest, Session: digest, Beacon: digest, Parameters: governance.Defaults()}
	s := ledger.NewMemory().Begin()
	put := func(key string, record any) {
		if err := ledger.Store(s, key, record); err != nil {
			t.Fatal(err)
		}
	}
	exposures, reveal := []Exposure{}, Reveal{Word: Word{1 << 41}}
	for i := range members {
		id, msp := fmt.Sprintf("%040d", i), fmt.Sprintf("%064d", i)
		round.Cohort = append(round.Cohort, Member{id, msp, 1 << 40, 1000, 1000})
		round.Aggregators = append(round.Aggregators, id)
		exposures = append(exposures, Exposure{id, members})
		reveal.Shares = append(reveal.Shares, RevealedShare{id, "seed", strings.Repeat("f", 132)})
		put(ref.key("keys", id), Keys{KeyPair{digest, digest}, Word{1 << 41}})
		put(ref.key("shares", id), Shares{Dealt{digest, digest, digest}, Word{1 << 41}})
		put(ref.key("update", id), Update{digest, 1 << 40, 1 << 41})
	}
	names := round.Names()
	for _, id := range names {
		put(ref.key("reveal", id), reveal)
	}
	for attempt := range attempts {
		frozen := Frozen{Ref{ref.Training, 1, uint64(attempt + 1)}, 1, digest, names, exposures, nil}
		put(ledger.Key("base", append([]string{digest}, frozen.parts()...)...), frozen)
	}
	put(ref.key("round"), round)
	put(ref.key("phase"), Status{Phase: Final, U1: names, U2: names, Survivors: names, Number: 1})
	return s, ref
}

func TestARoundOfAHundredWithTheLongestNamesFitsAnAnswer(t *testing.T) {
	s, ref := crowded(t, 100, 50)
	view, err := GetRound(s, ref)
	if err != nil {
		t.Fatal(err)
	}
	if len(view.Frozen) != 1 {
		t.Errorf("%d sets shown, all are the same", len(view.Frozen))
	}
	reveals, err := GetReveals(s, ref)
	if err != nil {
		t.Fatal(err)
	}
	for most, answer := range map[int]any{250_000: view, codec.MaxAnswer: reveals} {
		if raw, err := codec.Canonical(answer); err != nil || len(raw) > most {
			t.Errorf("%T has %d bytes, at most %d: %v", answer, len(raw), most, err)
		}
	}
}

func TestTheRecordOfTenWithTheLongestNamesStaysSmall(t *testing.T) {
	s, ref := crowded(t, 10, 1)
	for _, kind := range []string{"round", "phase"} {
		raw, err := s.Get(ref.key(kind))
		if err != nil || len(raw) == 0 || len(raw) > 8_000 {
			t.Errorf("the %s record has %d bytes, %v", kind, len(raw), errcode.Wrap(errcode.Internal, err))
		}
	}
}
