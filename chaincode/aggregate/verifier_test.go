package aggregate_test

import (
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/aggregate/aggregatetest"
)

// watched counts how often blobs are opened and may hold the opener back.
type watched struct {
	aggregatetest.Memory
	opened atomic.Int64
	gate   chan struct{}
}

func (w *watched) Open(digest aggregate.Digest) (io.ReadCloser, error) {
	w.opened.Add(1)
	if w.gate != nil {
		<-w.gate
	}
	return w.Memory.Open(digest)
}

// background is a limit that no round stays under.
const background = time.Nanosecond

func finish(t *testing.T, verifier *aggregate.Verifier, in aggregate.Inputs) (aggregate.Result, error) {
	t.Helper()
	for range 2000 {
		result, err := verifier.Verify(in)
		if !errors.Is(err, aggregate.ErrVerifying) {
			return result, err
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("the background never finished")
	return aggregate.Result{}, nil
}

func TestACheapVerificationAnswersAtOnceAndIsRemembered(t *testing.T) {
	round := play(4)
	blobs := &watched{Memory: round.Blobs}
	verifier := aggregate.NewVerifier(blobs, aggregate.Limits{})
	for range 3 {
		if result, err := verifier.Verify(round.Inputs); err != nil || result.Aggregate != round.Inputs.Aggregate {
			t.Fatal(err)
		}
	}
	if opened := blobs.opened.Load(); opened != 4 {
		t.Fatalf("expected 4 blobs opened once, got %d", opened)
	}
}

func TestADearVerificationRunsInTheBackgroundAndIsFoundLater(t *testing.T) {
	round := play(4)
	blobs := &watched{Memory: round.Blobs, gate: make(chan struct{})}
	verifier := aggregate.NewVerifier(blobs, aggregate.Limits{Inline: background})
	for range 3 {
		if _, err := verifier.Verify(round.Inputs); !errors.Is(err, aggregate.ErrVerifying) {
			t.Fatalf("expected %v, got %v", aggregate.ErrVerifying, err)
		}
	}
	close(blobs.gate)
	if _, err := finish(t, verifier, round.Inputs); err != nil {
		t.Fatal(err)
	}
	if opened := blobs.opened.Load(); opened != 4 {
		t.Fatalf("expected 4 blobs opened once, got %d", opened)
	}
}

func TestTwoProposalsForOneSumShareAComputation(t *testing.T) {
	round := play(4)
	blobs := &watched{Memory: round.Blobs}
	verifier := aggregate.NewVerifier(blobs, aggregate.Limits{Inline: background})
	wrong := round.Inputs
	wrong.Aggregate[0] ^= 1
	_, err := finish(t, verifier, wrong)
	expectFault(t, err, aggregate.FaultAggregator, "")
	if _, err := verifier.Verify(round.Inputs); err != nil {
		t.Fatal(err)
	}
	if opened := blobs.opened.Load(); opened != 4 {
		t.Fatalf("expected 4 blobs opened once, got %d", opened)
	}
}

func TestAFaultIsRememberedAndAMissingBlobIsNot(t *testing.T) {
	for _, limits := range []aggregate.Limits{{}, {Inline: background}} {
		round := play(4)
		digest := round.Inputs.Cohort[1].Update
		blob := round.Blobs[digest]
		delete(round.Blobs, digest)
		blobs := &watched{Memory: round.Blobs}
		verifier := aggregate.NewVerifier(blobs, limits)
		if _, err := finish(t, verifier, round.Inputs); !errors.Is(err, aggregate.ErrBlob) {
			t.Fatalf("expected %v, got %v", aggregate.ErrBlob, err)
		}
		round.Blobs[digest] = blob
		if _, err := finish(t, verifier, round.Inputs); err != nil {
			t.Fatal(err)
		}

		garbage := append([]byte{}, blob...)
		garbage[83] ^= 0x40 // 2^30 more or less in a slot of 16 bits
		round.SetUpdate(1, garbage)
		opened := blobs.opened.Load()
		for range 2 {
			_, err := finish(t, verifier, round.Inputs)
			expectFault(t, err, aggregate.FaultGarbage, "")
		}
		if again := blobs.opened.Load() - opened; again != 4 {
			t.Fatalf("expected 4 blobs opened once, got %d", again)
		}
	}
}

func TestWorkAboveTheVotedLimitIsRefused(t *testing.T) {
	round := play(4)
	verifier := aggregate.NewVerifier(round.Blobs, aggregate.Limits{Cost: background})
	if _, err := verifier.Verify(round.Inputs); !errors.Is(err, aggregate.ErrCost) {
		t.Fatalf("expected %v, got %v", aggregate.ErrCost, err)
	}
}

func TestAFullQueueStartsNothingAndLosesNothing(t *testing.T) {
	blobs := &watched{Memory: aggregatetest.Memory{}, gate: make(chan struct{})}
	verifier := aggregate.NewVerifier(blobs, aggregate.Limits{Inline: background, Workers: 1, Waiting: 1, Remembered: 1})
	rounds := []*aggregatetest.Round{}
	for seed := range uint64(4) {
		round := aggregatetest.Play(aggregatetest.Options{Cohort: 4, Layout: small, Seed: seed})
		for digest, blob := range round.Blobs {
			blobs.Memory[digest] = blob
		}
		rounds = append(rounds, round)
		if _, err := verifier.Verify(round.Inputs); !errors.Is(err, aggregate.ErrVerifying) {
			t.Fatalf("expected %v, got %v", aggregate.ErrVerifying, err)
		}
	}
	if opened := blobs.opened.Load(); opened > 1 {
		t.Fatalf("expected one worker at its first blob, got %d opened", opened)
	}
	close(blobs.gate)
	for i, round := range rounds {
		if i == 2 {
			time.Sleep(20 * time.Millisecond) // time for work that was never to start
			if opened := blobs.opened.Load(); opened != 8 {
				t.Fatalf("expected the blobs of two rounds opened, got %d", opened)
			}
		}
		if _, err := finish(t, verifier, round.Inputs); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAVerifierIsSafeForManyCallers(t *testing.T) {
	for _, limits := range []aggregate.Limits{{Remembered: 2}, {Inline: background, Workers: 2}} {
		rounds := []*aggregatetest.Round{}
		blobs := aggregatetest.Memory{}
		for seed := range uint64(3) {
			round := aggregatetest.Play(aggregatetest.Options{Cohort: 4, Layout: small, Seed: seed})
			for digest, blob := range round.Blobs {
				blobs[digest] = blob
			}
			rounds = append(rounds, round)
		}
		verifier := aggregate.NewVerifier(blobs, limits)
		var group sync.WaitGroup
		for caller := range 12 {
			group.Go(func() {
				if _, err := finish(t, verifier, rounds[caller%3].Inputs); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	}
}

func TestTheCostGrowsWithDropoutsAndSlotsAndCallsForTheBackground(t *testing.T) {
	layout := func(slots int) aggregate.Layout {
		parsed, err := aggregate.ParseLayout([]byte(layoutOf(0, slots)))
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	inputs := func(n, dropouts, slots int) aggregate.Inputs {
		in := aggregate.Inputs{Threshold: 2*n/3 + 1, Layout: layout(slots), Cohort: make([]aggregate.Participant, n)}
		for i := range in.Cohort {
			in.Cohort[i] = aggregate.Participant{Shared: true, Survivor: i >= dropouts}
		}
		return in
	}
	if cost := inputs(10, 0, 1_000_000).Cost(); cost > time.Second {
		t.Errorf("ten participants without dropouts belong in a call: %v", cost)
	}
	if cost := inputs(100, 33, 1_000_000).Cost(); cost < time.Second {
		t.Errorf("33 dropouts of 100 belong in the background: %v", cost)
	}
	if inputs(10, 1, 1000).Cost() <= inputs(10, 0, 1000).Cost() {
		t.Error("a dropout costs something")
	}
}

func TestMemoryDoesNotDependOnTheLengthOfTheVectors(t *testing.T) {
	used := func(slots int) uint64 {
		round := aggregatetest.Play(aggregatetest.Options{Cohort: 4, Layout: layoutOf(0, slots)})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := aggregate.Verify(round.Inputs, round.Blobs); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	few, many := used(100_000), used(600_000)
	if many > few+1<<19 {
		t.Errorf("2.4 MB vectors take %d bytes, 0.4 MB vectors %d", many, few)
	}
}
