package aggregate_test

import (
	"bytes"
	"strings"
	"testing"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/aggregate/aggregatetest"
)

func TestAGarbageUpdateFailsTheRangeCheck(t *testing.T) {
	round := play(4)
	update := bytes.Clone(round.Updates[1])
	for i := 80; i < 200; i++ {
		update[i] ^= 0xa5
	}
	round.SetUpdate(1, update)
	_, err := aggregate.Verify(round.Inputs, round.Blobs)
	expectFault(t, err, aggregate.FaultGarbage, "")
}

func TestASlotThatIsOneByConstructionMustCountTheSurvivors(t *testing.T) {
	for _, put := range []uint64{0, 2} {
		values := func(place int, segment aggregate.Segment, _ uint64) uint64 {
			if segment.Kind == "one" && place == 1 {
				return put
			}
			return 1
		}
		round := aggregatetest.Play(aggregatetest.Options{Cohort: 4, Layout: small, Values: values})
		_, err := aggregate.Verify(round.Inputs, round.Blobs)
		expectFault(t, err, aggregate.FaultGarbage, "")
	}
}

func TestAValueAboveTheMaximumIsGarbageAndOneAtTheMaximumIsNot(t *testing.T) {
	for excess := range uint64(2) {
		values := func(place int, segment aggregate.Segment, slot uint64) uint64 {
			if segment.Name == "wide" && slot == 5 && place == 0 {
				return segment.Max + excess
			}
			return segment.Max
		}
		round := aggregatetest.Play(aggregatetest.Options{Cohort: 4, Layout: small, Values: values})
		_, err := aggregate.Verify(round.Inputs, round.Blobs)
		if excess == 0 && err != nil {
			t.Fatal(err)
		}
		if excess == 1 {
			expectFault(t, err, aggregate.FaultGarbage, "")
		}
	}
}

func TestAnUpdateThatBreaksTheLayoutsFormIsItsSendersFault(t *testing.T) {
	length := len(play(4).Aggregate)
	for name, spoil := range map[string]func([]byte) []byte{
		"padding":          func(u []byte) []byte { u[length-1] = 1; return u },
		"above the ring":   func(u []byte) []byte { u[10*8+37*4+3] |= 0x80; return u },
		"wide above ring":  func(u []byte) []byte { u[9*8+7] |= 0x80; return u },
		"a block too long": func(u []byte) []byte { return append(u, make([]byte, 16)...) },
		"a block short":    func(u []byte) []byte { return u[:length-16] },
	} {
		round := play(4)
		round.SetUpdate(2, spoil(bytes.Clone(round.Updates[2])))
		digest := round.Inputs.Cohort[2].Update
		expectFault(t, aggregate.CheckUpdate(round.Blobs, digest, round.Inputs.Layout), aggregate.FaultUpdate, "")
		if strings.HasPrefix(name, "a block") {
			continue // CommitUpdate refuses it: no round sums it
		}
		_, err := aggregate.Verify(round.Inputs, round.Blobs)
		expectFault(t, err, aggregate.FaultUpdate, "hospital-002")
	}
}

func TestCheckUpdateAcceptsWhatVerifySums(t *testing.T) {
	round := play(5, 2)
	for _, participant := range round.Inputs.Cohort {
		if !participant.Survivor {
			continue
		}
		if err := aggregate.CheckUpdate(round.Blobs, participant.Update, round.Inputs.Layout); err != nil {
			t.Fatal(err)
		}
	}
}
