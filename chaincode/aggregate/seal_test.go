package aggregate_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"testing"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/aggregate/aggregatetest"
)

// still is a folder in memory whose files never seem to change, as if somebody could set an inode's time.
type still struct{ aggregatetest.Memory }

func (still) Version(aggregate.Digest) (string, error) { return "the same", nil }

// chunky is a round of several chunks of either kind of words, and a last one that is not full.
func chunky(cohort int) *aggregatetest.Round {
	return aggregatetest.Play(aggregatetest.Options{Cohort: cohort, Dropouts: []int{1}, Layout: layoutOf(20_000, 50_003), Seed: 11})
}

// checkedBy is a verifier that has checked every survivor's update.
func checkedBy(t *testing.T, round *aggregatetest.Round, blobs aggregate.Blobs) *aggregate.Verifier {
	t.Helper()
	limits := patient
	limits.Inline = limits.Patience
	verifier := aggregate.NewVerifier(blobs, limits)
	for _, participant := range round.Inputs.Cohort {
		if !participant.Survivor {
			continue
		}
		if err := verifier.CheckUpdate(participant.Update, round.Inputs.Layout, participant.ID); err != nil {
			t.Fatal(err)
		}
		if !verifier.Sealed(participant.Update, round.Inputs.Layout) {
			t.Fatalf("the check of %s left no seal", participant.ID)
		}
	}
	return verifier
}

func TestWhatWasCheckedIsSummedAsItIsWithoutACheck(t *testing.T) {
	round := chunky(6)
	want, err := aggregate.Verify(round.Inputs, round.Blobs)
	if err != nil {
		t.Fatal(err)
	}
	verifier := checkedBy(t, round, round.Blobs)
	got, err := verifier.Verify(round.Inputs)
	if err != nil || got.Aggregate != want.Aggregate || !slices.Equal(got.Seeds, want.Seeds) {
		t.Fatalf("another result than without checks: %v", err)
	}
	rechecker := checkedBy(t, round, round.Blobs)
	again, err := rechecker.Again(round.Inputs, "a")
	for errors.Is(err, aggregate.ErrVerifying) {
		again, err = rechecker.Again(round.Inputs, "a")
	}
	if err != nil || again.Aggregate != want.Aggregate {
		t.Fatalf("another result when asked again: %v", err)
	}
}

func TestAnUpdateThatIsAlteredBehindItsCheckIsRefusedAsWithoutACheck(t *testing.T) {
	const chunk = 128 << 10
	for name, alter := range map[string]func(blob []byte) []byte{ // any order: each by itself
		"first bit":    func(blob []byte) []byte { blob[0] ^= 1; return blob },
		"middle":       func(blob []byte) []byte { blob[chunk] ^= 0x80; return blob },
		"last word":    func(blob []byte) []byte { blob[len(blob)-9] ^= 1; return blob },
		"padding":      func(blob []byte) []byte { blob[len(blob)-1] ^= 1; return blob },
		"chunks moved": func(blob []byte) []byte { return slices.Concat(blob[chunk:2*chunk], blob[:chunk], blob[2*chunk:]) },
		"cut":          func(blob []byte) []byte { return blob[:len(blob)-16] },
		"cut at chunk": func(blob []byte) []byte { return blob[:2*chunk] },
		"empty":        func([]byte) []byte { return nil },
		"longer":       func(blob []byte) []byte { return append(blob, 0) },
		"two words": func(blob []byte) []byte { // whose sum stays the same
			blob[8*chunk/16]++
			blob[8*chunk/16+8]--
			return blob
		},
	} {
		round := chunky(5)
		verifier := checkedBy(t, round, still{round.Blobs})
		digest := round.Inputs.Cohort[3].Update
		round.Blobs[digest] = alter(bytes.Clone(round.Blobs[digest]))
		_, want := aggregate.Verify(round.Inputs, round.Blobs)
		_, got := verifier.Verify(round.Inputs)
		if !errors.Is(want, aggregate.ErrBlob) || got == nil || got.Error() != want.Error() {
			t.Errorf("%s: expected %v, got %v", name, want, got)
		}
	}
}

func TestAnUpdateThatWasExchangedOrFailedItsCheckHasNoSeal(t *testing.T) {
	round := chunky(4)
	verifier := checkedBy(t, round, round.Blobs)
	digest := round.Inputs.Cohort[2].Update
	other, err := aggregate.ParseLayout([]byte(layoutOf(20_000, 50_004)))
	if err != nil {
		t.Fatal(err)
	}
	if verifier.Sealed(digest, other) {
		t.Error("a check for one layout is none for another")
	}
	round.Blobs[digest] = bytes.Clone(round.Blobs[digest])
	if verifier.Sealed(digest, round.Inputs.Layout) {
		t.Error("a file that took the place of another was not checked")
	}
	padded := bytes.Clone(round.Blobs[digest])
	padded[len(padded)-1] = 1
	digest = round.Blobs.Put(padded)
	if err := verifier.CheckUpdate(digest, round.Inputs.Layout, "a"); err == nil || verifier.Sealed(digest, round.Inputs.Layout) {
		t.Errorf("an update that breaks its form gets no seal: %v", err)
	}
}

// short ends the updates of some digests after so many bytes.
type short struct {
	still
	after map[aggregate.Digest]int64
}

func (s short) Open(digest aggregate.Digest) (io.ReadCloser, error) {
	reader, err := s.still.Open(digest)
	if after, some := s.after[digest]; some {
		return io.NopCloser(io.LimitReader(reader, after)), err
	}
	return reader, err
}

func TestTheErrorIsTheSameHoweverManyCoresThereAre(t *testing.T) {
	round := chunky(9)
	of := func(place int) aggregate.Digest { return round.Inputs.Cohort[place].Update }
	spoil := func(blob []byte) []byte { blob[5] ^= 1; return blob }
	for name, bad := range map[string]struct { // any order: each by itself
		after   map[aggregate.Digest]int64
		altered []int
		blamed  int
	}{
		"two cut in one chunk": {map[aggregate.Digest]int64{of(5): 7, of(6): 7, of(8): 9}, nil, 5},
		"the later cut sooner": {map[aggregate.Digest]int64{of(2): 200_000, of(7): 9}, nil, 7},
		"cut and altered":      {map[aggregate.Digest]int64{of(8): 200_000, of(7): 200_001}, []int{0}, 7},
		"several altered":      {nil, []int{8, 3, 4, 7}, 3},
	} {
		blobs := short{still{}, bad.after}
		blobs.Memory = aggregatetest.Memory{}
		for digest, blob := range round.Blobs { // any order: into a map
			blobs.Memory[digest] = bytes.Clone(blob)
		}
		verifiers := []*aggregate.Verifier{}
		for range 4 {
			verifiers = append(verifiers, checkedBy(t, round, blobs.still))
		}
		for _, place := range bad.altered {
			spoil(blobs.Memory[of(place)])
		}
		for cores := 1; cores <= 4; cores++ {
			before := runtime.GOMAXPROCS(cores)
			_, plain := aggregate.Verify(round.Inputs, blobs)
			_, sealed := aggregate.SumWith(verifiers[cores-1], round.Inputs, blobs)
			runtime.GOMAXPROCS(before)
			for _, err := range []error{plain, sealed} {
				if !errors.Is(err, aggregate.ErrBlob) || !bytes.Contains([]byte(err.Error()), []byte(round.Inputs.Cohort[bad.blamed].ID+" ")) {
					t.Errorf("%s, %d cores: expected an error of %s, got %v", name, cores, round.Inputs.Cohort[bad.blamed].ID, err)
				}
			}
			if fmt.Sprint(plain) != fmt.Sprint(sealed) {
				t.Errorf("%s, %d cores: without checks %v, after them %v", name, cores, plain, sealed)
			}
		}
	}
}

func TestTheSumIsTheSameHoweverManyCoresThereAre(t *testing.T) {
	round := chunky(9)
	verifier := checkedBy(t, round, still{round.Blobs})
	for cores := 1; cores <= 5; cores++ {
		before := runtime.GOMAXPROCS(cores)
		plain, errPlain := aggregate.Verify(round.Inputs, round.Blobs)
		sealed, errSealed := aggregate.SumWith(verifier, round.Inputs, still{round.Blobs})
		runtime.GOMAXPROCS(before)
		if errors.Join(errPlain, errSealed) != nil || plain.Aggregate != round.Inputs.Aggregate || sealed.Aggregate != plain.Aggregate {
			t.Errorf("%d cores: another sum (%v, %v)", cores, errPlain, errSealed)
		}
	}
}
