package contract_test

import (
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/round"
)

// wide is the layout of the tests below: an update of four MiB.
var wide = strings.Replace(contracttest.Layout, `"slots":3,"path":[],"shape":[3]`, `"slots":1048576,"path":[],"shape":[1048576]`, 1)

func ones(_ int, segment aggregate.Segment, _ uint64) uint64 {
	if segment.Kind == "count" {
		return 100
	}
	return 1
}

// metered counts the bytes that an endorser reads of the updates that the elected aggregator waits for, and of all others. Both
// kinds are held back, each by a gate.
type metered struct {
	aggregate.Blobs
	mine               map[aggregate.Digest]bool
	first, second      chan struct{} // gates of the others' and of mine
	mutex              sync.Mutex
	begun              bool
	own, others, aside int64 // aside is what had been read of the others when one of mine was last read
}

func (m *metered) Open(digest aggregate.Digest) (io.ReadCloser, error) {
	gate := m.first
	if m.mine[digest] {
		m.mutex.Lock()
		m.begun = true
		m.mutex.Unlock()
		gate = m.second
	}
	<-gate
	reader, err := m.Blobs.Open(digest)
	return meter{reader, m, m.mine[digest]}, err
}

func (m *metered) began() bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.begun
}

type meter struct {
	io.ReadCloser
	m    *metered
	mine bool
}

func (r meter) Read(into []byte) (int, error) {
	n, err := r.ReadCloser.Read(into)
	r.m.mutex.Lock()
	defer r.m.mutex.Unlock()
	if r.mine {
		r.m.own, r.m.aside = r.m.own+int64(n), r.m.others
	} else {
		r.m.others += int64(n)
	}
	return n, err
}

// pressed is a federation in which one round waits for its sum, while two members have an endorser of their choice read others.
type pressed struct {
	accusing
	blobs    *metered
	other    *contracttest.Played // in Attest, without a sum
	updating *contracttest.Played
	updates  []object // by place
	named    []string // digests of updates that lie there
	asked    int
}

func press(t *testing.T) *pressed {
	t.Helper()
	a := &pressed{accusing: accusing{T: t, f: contracttest.New(4, `{}`)}}
	a.f.Layout = wide
	a.f.Ready(2, 4)
	a.f.Start("other", 1, 4)
	a.f.Start("updating", 1, 4)
	a.other = a.f.Open("other", options{Values: ones})
	a.other.To(round.PhaseAttest)
	a.updating = a.f.Open("updating", options{Values: ones})
	a.updating.To(round.PhaseUpdates)
	a.play(1, options{Values: ones})
	a.blobs = &metered{Blobs: a.f.Blobs, mine: map[aggregate.Digest]bool{}, first: make(chan struct{}), second: make(chan struct{})}
	for _, p := range append(a.old, a.other, a.updating) {
		for place := range p.Members {
			a.named = append(a.named, p.Update(place)["digest"].(string))
		}
	}
	for place := range a.updating.Members {
		a.updates = append(a.updates, a.updating.Update(place))
	}
	for _, member := range a.p.Inputs.Cohort {
		a.blobs.mine[member.Update] = true
	}
	limits := aggregate.Limits{Inline: 1, Patience: 20 * time.Millisecond} // as if each sum cost more than a second
	a.f.Contract.Verifier = round.Recompute{Work: aggregate.NewVerifier(a.blobs, limits)}
	return a
}

// attack lets two members play together: one signs, another reports, about every round in turn; both would commit whatever lies there.
func (a *pressed) attack() {
	about := append(append([]*contracttest.Played{}, a.old...), a.other)[a.asked%(len(a.old)+1)]
	_ = a.report(2+a.asked%2, about, changed(about.Proposal(), "aggregate", contracttest.Digest("lie")))
	place := 2 + a.asked%2
	_, _, _ = a.f.Prepare(a.updating.Node(place), "CommitUpdate", changed(a.updates[place], "digest", a.named[a.asked%len(a.named)]))
	a.asked++
}

// serve asks for the elected aggregator until its sum is verified.
func (a *pressed) serve() {
	for range 10_000 {
		_, _, err := a.f.Prepare(a.p.Aggregator(), "ProposeAggregate", a.p.Proposal())
		if err == nil {
			return
		}
		if errcode.Of(err) != errcode.Verifying {
			a.Fatal(err)
		}
		a.attack()
		time.Sleep(time.Millisecond)
	}
	a.Fatal("the sum is never verified")
}

// TestT24NobodysReportsOrCommitsSlowTheElectedAggregatorDown counts what an endorser reads between the aggregator's first call and
// the end of its verification: of others' blobs at most a fifth of what it reads of the aggregator's.
func TestT24NobodysReportsOrCommitsSlowTheElectedAggregatorDown(t *testing.T) {
	a := press(t)
	for range 9 { // they come first
		a.attack()
	}
	refused(t, a.f, a.p.Aggregator(), "ProposeAggregate", a.p.Proposal(), errcode.Verifying)
	for wait := 0; wait < 20_000 && !a.blobs.began(); wait++ {
		time.Sleep(time.Millisecond)
	}
	close(a.blobs.first)
	for range 20 {
		a.attack()
	}
	close(a.blobs.second)
	a.serve()
	if a.blobs.own < 4<<22 || a.blobs.aside > a.blobs.own/5 {
		t.Fatalf("beside %d bytes of the aggregator's updates, %d of others' were read", a.blobs.own, a.blobs.aside)
	}
}

func TestT24CommittingWhatWasJustCheckedCostsNothing(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	plain, blobs := f.Contract.Verifier, opened{f.Blobs, &atomic.Int64{}}
	verifier := round.Recompute{Work: aggregate.NewVerifier(blobs, aggregate.Limits{Patience: time.Minute})}
	for _, step := range []struct {
		phase    round.Phase
		function string
		argument func(int) object
	}{{round.PhaseShares, "CommitShares", p.Shares}, {round.PhaseUpdates, "CommitUpdate", p.Update}} {
		f.Contract.Verifier = plain
		p.To(step.phase)
		f.Contract.Verifier = verifier
		before, argument := blobs.times.Load(), step.argument(0)
		for range 5 {
			if _, _, err := f.Prepare(p.Node(0), step.function, argument); err != nil {
				t.Fatal(err)
			}
		}
		equal(t, before+1, blobs.times.Load())
	}
}
