package aggregate_test

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/aggregate/aggregatetest"
)

// gated holds whoever opens blobs of one round back until its gate is opened, and notes whose blobs were opened, in order.
type gated struct {
	aggregatetest.Memory
	gate  chan struct{}
	held  map[aggregate.Digest]bool
	names map[aggregate.Digest]string

	mutex  sync.Mutex
	opened []string
}

func (g *gated) Open(digest aggregate.Digest) (io.ReadCloser, error) {
	g.mutex.Lock()
	if name := g.names[digest]; len(g.opened) == 0 || g.opened[len(g.opened)-1] != name {
		g.opened = append(g.opened, name)
	}
	g.mutex.Unlock()
	if g.held[digest] {
		<-g.gate
	}
	return g.Memory.Open(digest)
}

// rounds plays so many rounds over one set of blobs; opening those of the first is held back.
func rounds(n int) ([]aggregate.Inputs, *gated) {
	blobs := &gated{Memory: aggregatetest.Memory{}, gate: make(chan struct{}), held: map[aggregate.Digest]bool{}, names: map[aggregate.Digest]string{}}
	all := []aggregate.Inputs{}
	for i := range n {
		round := aggregatetest.Play(aggregatetest.Options{Cohort: 4, Layout: small, Seed: uint64(100 + i)})
		for digest, content := range round.Blobs {
			blobs.Memory[digest] = content
			blobs.held[digest], blobs.names[digest] = i == 0, fmt.Sprint(i)
		}
		all = append(all, round.Inputs)
	}
	return all, blobs
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 5000 {
		if holds() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal(what)
}

func answered(v *aggregate.Verifier, in aggregate.Inputs, by string) func() bool {
	return func() bool {
		_, err := v.Again(in, by)
		return !errors.Is(err, aggregate.ErrVerifying)
	}
}

func TestARecheckStandsStillWhileAVerificationRuns(t *testing.T) {
	in, blobs := rounds(2)
	v := aggregate.NewVerifier(blobs, aggregate.Limits{Inline: background})
	if _, err := v.Verify(in[0]); !errors.Is(err, aggregate.ErrVerifying) {
		t.Fatal(err)
	}
	eventually(t, "the verification does not run", func() bool {
		blobs.mutex.Lock()
		defer blobs.mutex.Unlock()
		return len(blobs.opened) > 0
	})
	for range 100 {
		if _, err := v.Again(in[1], "a"); !errors.Is(err, aggregate.ErrVerifying) {
			t.Fatalf("the recheck ended beside the verification: %v", err)
		}
		time.Sleep(time.Millisecond)
	}
	close(blobs.gate)
	if _, err := finish(t, v, in[0]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the recheck does not end after the verification", answered(v, in[1], "a"))
}

func TestOneCallersRechecksDoNotHoldUpAnothers(t *testing.T) {
	in, blobs := rounds(9)
	v := aggregate.NewVerifier(blobs, aggregate.Limits{})
	for range 20 { // one caller asks for eight, again and again
		for _, one := range in[:8] {
			_, _ = v.Again(one, "greedy")
		}
	}
	if _, err := v.Again(in[8], "modest"); !errors.Is(err, aggregate.ErrVerifying) {
		t.Fatal(err)
	}
	close(blobs.gate)
	eventually(t, "the modest caller gets no answer", answered(v, in[8], "modest"))
	blobs.mutex.Lock()
	defer blobs.mutex.Unlock()
	if got := fmt.Sprint(blobs.opened); got != "[0 8]" {
		t.Fatalf("rechecks ran in the order %s", got)
	}
}

func TestARecheckOfWhatWasVerifiedIsAnsweredFromMemory(t *testing.T) {
	round := play(4)
	blobs := &watched{Memory: round.Blobs}
	v := aggregate.NewVerifier(blobs, aggregate.Limits{})
	if _, err := v.Verify(round.Inputs); err != nil {
		t.Fatal(err)
	}
	lie := round.Inputs
	lie.Aggregate[0] ^= 1
	_, err := v.Again(lie, "a")
	expectFault(t, err, aggregate.FaultAggregator, "")
	if opened := blobs.opened.Load(); opened != 4 {
		t.Fatalf("%d blobs were opened, 4 by the verification", opened)
	}
}
