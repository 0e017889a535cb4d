package contract_test

import (
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/round"
)

// slow blobs take a while to open, so that a sum is worth refusing.
type slow struct {
	aggregate.Blobs
	opened *atomic.Int64
	each   time.Duration
}

func (s slow) Open(digest aggregate.Digest) (io.ReadCloser, error) {
	s.opened.Add(1)
	time.Sleep(s.each)
	return s.Blobs.Open(digest)
}

// accusing is a federation with old rounds that are Final and one in Attest; the fourth member's node, or that of another who
// plays along, reports payloads that the second signed.
type accusing struct {
	*testing.T
	f     *contracttest.Federation
	old   []*contracttest.Played
	p     *contracttest.Played
	liar  identity
	blobs slow
}

func accuse(t *testing.T, past int, each time.Duration) *accusing {
	t.Helper()
	a := &accusing{T: t, f: contracttest.New(4, `{}`), blobs: slow{opened: &atomic.Int64{}, each: each}}
	a.f.Ready(past+1, 4)
	for range past {
		p := a.f.Open("tumour", options{})
		p.Finish()
		a.old = append(a.old, p)
	}
	a.p = a.f.Open("tumour", options{})
	a.p.To(round.PhaseAttest)
	a.liar = issue(t, "client")
	a.f.Must(contracttest.Admin(1), "RotateKey", object{"participant": contracttest.ID(1), "key_hash": a.liar.keyHash}, nil)
	a.blobs.Blobs = a.f.Blobs
	verifier := aggregate.NewVerifier(a.blobs, aggregate.Limits{Inline: 1}) // as if each sum cost more than a second
	a.f.Contract.Verifier = round.Recompute{Blobs: a.f.Blobs, Verify: verifier.Verify, Again: verifier.Again}
	return a
}

// report evaluates a report by a member's node of what the liar signed about a round.
func (a *accusing) report(by int, about *contracttest.Played, payload object) error {
	_, _, err := a.f.Prepare(contracttest.Node(by), "ReportFault", about.With(object{"kind": "refused_payload", "accused": contracttest.ID(1),
		"evidence": signed(a.T, a.liar, contracttest.MSP(1), contracttest.Channel, contracttest.Chaincode, "ProposeAggregate", payload)}))
	return err
}

func TestT24AReportOfARecordedSumCostsNothing(t *testing.T) {
	a := accuse(t, 2, 0)
	for _, old := range a.old {
		if err := a.report(0, old, changed(old.Proposal(), "aggregate", contracttest.Digest("lie"))); err != nil {
			t.Fatal(err)
		}
		equal(t, errcode.NotProven, errcode.Of(a.report(0, old, old.Proposal())))
		if err := a.report(0, old, changed(old.Proposal(), "examples", 399)); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, int64(0), a.blobs.opened.Load())
}

func TestT24AnOrganisationReportsNoFaultOfItsOwn(t *testing.T) {
	a := accuse(t, 1, 0)
	node := contracttest.Node(1)
	node.KeyHash = a.liar.keyHash
	refused(t, a.f, node, "ReportFault", a.p.With(object{"kind": "refused_payload", "accused": contracttest.ID(1),
		"evidence": signed(t, a.liar, contracttest.MSP(1), contracttest.Channel, contracttest.Chaincode, "ProposeAggregate", a.p.Proposal())}), errcode.NotPermitted)
	equal(t, int64(0), a.blobs.opened.Load())
}

// served returns how long the elected aggregator waits for an endorser that somebody else asks for what it likes meanwhile.
func (a *accusing) served(meanwhile func()) time.Duration {
	for range 9 { // it comes first
		meanwhile()
	}
	began := time.Now()
	for next := began; ; {
		_, _, err := a.f.Prepare(a.p.Aggregator(), "ProposeAggregate", a.p.Proposal())
		if err == nil {
			return time.Since(began)
		}
		if errcode.Of(err) != errcode.Verifying || time.Since(began) > 30*time.Second {
			a.Fatal(err)
		}
		meanwhile() // at least once a try, however busy the machine is
		for next = next.Add(5 * time.Millisecond); time.Now().Before(next); {
			time.Sleep(time.Millisecond)
			meanwhile()
		}
	}
}

// TestT24NobodysReportsSlowTheElectedAggregatorDown lets two members play together: one signs, the other reports, about every
// round in turn, as fast as it can. Other work on the machine can only add to a time, so the best of some tries counts.
func TestT24NobodysReportsSlowTheElectedAggregatorDown(t *testing.T) {
	const each, tries = 150 * time.Millisecond, 3
	quiet, pressed, next := time.Hour, time.Hour, 0
	for try := 0; try < tries && (try == 0 || pressed > quiet*12/10); try++ {
		quiet = min(quiet, accuse(t, 8, each).served(func() {}))
		a := accuse(t, 8, each)
		rounds := append(slices.Clone(a.old), a.p)
		pressed = min(pressed, a.served(func() {
			about := rounds[next%len(rounds)]
			_ = a.report(2+next%2, about, changed(about.Proposal(), "aggregate", contracttest.Digest("lie")))
			next++
		}))
	}
	if next < 10 || pressed > quiet*12/10 {
		t.Fatalf("%d reports: the aggregator waited %v instead of %v", next, pressed, quiet)
	}
}
