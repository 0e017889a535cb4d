package aggregate_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/aggregate/aggregatetest"
	"fedledger/chaincode/secagg"
)

const small = `{"version":1,"segments":[
	{"name":"model","kind":"value","word":32,"ring":32,"max":65535,"slots":37,"path":["w",0],"shape":[37],"dtype":"int32"},
	{"name":"rows","kind":"count","word":64,"ring":64,"max":1000000,"slots":1},
	{"name":"hash","kind":"value","word":32,"ring":13,"max":8191,"slots":5},
	{"name":"wide","kind":"weight","word":64,"ring":64,"max":1099511627776,"slots":6},
	{"name":"wide-modular","kind":"value","word":64,"ring":40,"max":1099511627775,"slots":3},
	{"name":"present","kind":"one","word":32,"ring":32,"max":1,"slots":1},
	{"name":"loss","kind":"metric","word":32,"ring":32,"max":100000,"slots":2}],
	"count":{"segment":"rows","numerator":3,"denominator":2}}`

func play(cohort int, dropouts ...int) *aggregatetest.Round {
	return aggregatetest.Play(aggregatetest.Options{Cohort: cohort, Dropouts: dropouts, Layout: small, Seed: 7})
}

func layoutOf(slots64, slots32 int) string {
	segments := []string{}
	if slots64 > 0 {
		segments = append(segments, fmt.Sprintf(`{"name":"a","kind":"value","word":64,"ring":64,"max":1048575,"slots":%d}`, slots64))
	}
	if slots32 > 0 {
		segments = append(segments, fmt.Sprintf(`{"name":"b","kind":"value","word":32,"ring":32,"max":65535,"slots":%d}`, slots32))
	}
	return `{"version":1,"segments":[` + strings.Join(segments, ",") + `],"count":null}`
}

func expectFault(t *testing.T, err error, kind aggregate.FaultKind, participant string) {
	t.Helper()
	var fault *aggregate.Fault
	if !errors.As(err, &fault) {
		t.Fatalf("expected a fault of %s %s, got %v", kind, participant, err)
	}
	if fault.Kind != kind || fault.Participant != participant {
		t.Fatalf("expected %s %q, got %v", kind, participant, fault)
	}
}

func TestTheSumOfSurvivorsIsVerified(t *testing.T) {
	for _, dropouts := range [][]int{nil, {0}, {6}, {2, 4}} {
		round := play(7, dropouts...)
		var sum bytes.Buffer
		result, err := aggregate.Sum(round.Inputs, round.Blobs, &sum)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(round.Aggregate, sum.Bytes()) || result.Aggregate != round.Inputs.Aggregate {
			t.Fatalf("dropouts %v: another sum than the plain one", dropouts)
		}
		if _, err := aggregate.Verify(round.Inputs, round.Blobs); err != nil {
			t.Fatal(err)
		}
		for i, seed := range result.Seeds {
			if !containsSeed(round, seed) {
				t.Fatalf("seed %d is nobody's", i)
			}
		}
	}
}

func containsSeed(round *aggregatetest.Round, seed [32]byte) bool {
	for _, member := range round.Members {
		if member.Seed == seed {
			return true
		}
	}
	return false
}

func TestRandomRoundsSumExactly(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for seed := range uint64(60) {
		n := 3 + random.IntN(10)
		most := n - secagg.Threshold(n)
		places := random.Perm(n)
		dropouts := places[:random.IntN(most+1)]
		silent := places[len(dropouts) : len(dropouts)+random.IntN(most-len(dropouts)+1)]
		layout := layoutOf(random.IntN(9), 1+random.IntN(70))
		if seed%6 == 0 {
			layout = layoutOf(1+random.IntN(3)*8191, random.IntN(3)*32771)
		}
		round := aggregatetest.Play(aggregatetest.Options{Cohort: n, Dropouts: dropouts, Silent: silent, Layout: layout, Seed: seed})
		var sum bytes.Buffer
		if _, err := aggregate.Sum(round.Inputs, round.Blobs, &sum); err != nil || !bytes.Equal(round.Aggregate, sum.Bytes()) {
			t.Fatalf("seed %d, n %d, dropouts %v, silent %v, %s: %v", seed, n, dropouts, silent, layout, err)
		}
	}
}

func TestTheRowTotalFollowsTheCountMap(t *testing.T) {
	values := func(place int, segment aggregate.Segment, _ uint64) uint64 {
		if segment.Name == "rows" {
			return uint64(100 + place)
		}
		return 1
	}
	round := aggregatetest.Play(aggregatetest.Options{Cohort: 4, Layout: small, Values: values})
	result, err := aggregate.Verify(round.Inputs, round.Blobs)
	if err != nil || !result.HasRows || result.Rows != (100+101+102+103)*3/2 {
		t.Fatalf("expected 609 rows, got %d (%v)", result.Rows, err)
	}
}

func TestAnotherPublishedAggregateIsTheAggregatorsFault(t *testing.T) {
	round := play(4)
	round.Inputs.Aggregate[31] ^= 1
	_, err := aggregate.Verify(round.Inputs, round.Blobs)
	expectFault(t, err, aggregate.FaultAggregator, "")
}

func TestOneBitChangedInABlobIsAnErrorAndNeverAnotherResult(t *testing.T) {
	for _, at := range []int{0, 100, 200} {
		round := play(4, 1)
		digest := round.Inputs.Cohort[2].Update
		altered := bytes.Clone(round.Blobs[digest])
		altered[at] ^= 1
		round.Blobs[digest] = altered
		if _, err := aggregate.Verify(round.Inputs, round.Blobs); !errors.Is(err, aggregate.ErrBlob) {
			t.Fatalf("expected %v, got %v", aggregate.ErrBlob, err)
		}
		if err := aggregate.CheckUpdate(round.Blobs, digest, round.Inputs.Layout); !errors.Is(err, aggregate.ErrBlob) {
			t.Fatalf("expected %v, got %v", aggregate.ErrBlob, err)
		}
	}
}

func TestAMissingOrTornBlobIsAnError(t *testing.T) {
	for _, change := range []func([]byte) []byte{
		func([]byte) []byte { return nil },
		func(blob []byte) []byte { return blob[:len(blob)-16] },
		func(blob []byte) []byte { return append(bytes.Clone(blob), 0) },
	} {
		round := play(4)
		digest := round.Inputs.Cohort[0].Update
		if changed := change(round.Blobs[digest]); changed == nil {
			delete(round.Blobs, digest)
		} else {
			round.Blobs[digest] = changed
		}
		if _, err := aggregate.Verify(round.Inputs, round.Blobs); !errors.Is(err, aggregate.ErrBlob) {
			t.Fatalf("expected %v, got %v", aggregate.ErrBlob, err)
		}
		if err := aggregate.CheckUpdate(round.Blobs, digest, round.Inputs.Layout); !errors.Is(err, aggregate.ErrBlob) {
			t.Fatalf("expected %v, got %v", aggregate.ErrBlob, err)
		}
	}
}

func TestSharesThatRebuildNothingFittingAreTheDealersFault(t *testing.T) {
	survivor := play(5, 1)
	survivor.Spoil(3, 0, secagg.KindSeed)
	_, err := aggregate.Verify(survivor.Inputs, survivor.Blobs)
	expectFault(t, err, aggregate.FaultDealer, "hospital-003")

	dropout := play(5, 1)
	dropout.Spoil(1, 0, secagg.KindMask)
	_, err = aggregate.Verify(dropout.Inputs, dropout.Blobs)
	expectFault(t, err, aggregate.FaultDealer, "hospital-001")
}

func TestTooFewSharesAreNobodysFault(t *testing.T) {
	round := play(5)
	round.Inputs.Cohort[2].Shares = round.Inputs.Cohort[2].Shares[:round.Inputs.Threshold-1]
	if _, err := aggregate.Verify(round.Inputs, round.Blobs); !errors.Is(err, aggregate.ErrTooFew) {
		t.Fatalf("expected %v, got %v", aggregate.ErrTooFew, err)
	}
}

func TestInputsThatNoRoundCanHaveAreRefused(t *testing.T) {
	for name, spoil := range map[string]func(*aggregate.Inputs){
		"no threshold":          func(in *aggregate.Inputs) { in.Threshold = 0 },
		"too few survivors":     func(in *aggregate.Inputs) { in.Threshold = 5 },
		"two of one id":         func(in *aggregate.Inputs) { in.Cohort[1].ID = in.Cohort[0].ID },
		"survivor not sharing":  func(in *aggregate.Inputs) { in.Cohort[1].Shared = false },
		"no layout":             func(in *aggregate.Inputs) { in.Layout = aggregate.Layout{} },
		"receivers unordered":   func(in *aggregate.Inputs) { s := in.Cohort[0].Shares; s[0], s[1] = s[1], s[0] },
		"share outside a field": func(in *aggregate.Inputs) { in.Cohort[0].Shares[0].Value[0] = 0xff },
	} {
		round := play(4)
		spoil(&round.Inputs)
		if _, err := aggregate.Verify(round.Inputs, round.Blobs); !errors.Is(err, aggregate.ErrInputs) {
			t.Errorf("%s: expected %v, got %v", name, aggregate.ErrInputs, err)
		}
	}
}

func TestRevealsOfAPlayedRoundCheck(t *testing.T) {
	round := play(6, 2)
	for _, reveals := range round.Reveals {
		for _, reveal := range reveals {
			for _, member := range round.Members {
				if member.ID == reveal.Dealer {
					if err := secagg.CheckReveal(round.Inputs.Session, member.SharesRoot, round.IDs(), reveal); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}

func TestSumReportsAWriterThatFails(t *testing.T) {
	round := play(4)
	reader, writer := io.Pipe()
	_ = reader.CloseWithError(io.ErrShortWrite)
	if _, err := aggregate.Sum(round.Inputs, round.Blobs, writer); !errors.Is(err, io.ErrShortWrite) {
		t.Fatalf("expected %v, got %v", io.ErrShortWrite, err)
	}
}
