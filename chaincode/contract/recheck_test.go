package contract_test

import (
	"io"
	"sync/atomic"
	"testing"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/round"
)

// opened counts how often blobs are opened.
type opened struct {
	aggregate.Blobs
	times *atomic.Int64
}

func (o opened) Open(digest aggregate.Digest) (io.ReadCloser, error) {
	o.times.Add(1)
	return o.Blobs.Open(digest)
}

// accusing is a federation with old rounds that are Final and one in Attest; the fourth member's node, or that of another who
// plays along, reports payloads that the second signed.
type accusing struct {
	*testing.T
	f     *contracttest.Federation
	old   []*contracttest.Played
	p     *contracttest.Played
	liar  contracttest.Identity
	blobs opened
}

func accuse(t *testing.T, past int) *accusing {
	t.Helper()
	a := &accusing{T: t, f: contracttest.New(4, `{}`)}
	a.f.Ready(past+1, 4)
	a.play(past, options{})
	a.blobs = opened{a.f.Blobs, &atomic.Int64{}}
	a.f.Contract.Verifier = round.Recompute{Work: aggregate.NewVerifier(a.blobs, aggregate.Limits{Inline: 1})} // as if each sum cost more than a second
	return a
}

func (a *accusing) play(past int, o options) {
	for range past {
		p := a.f.Open("tumour", o)
		p.Finish()
		a.old = append(a.old, p)
	}
	a.p = a.f.Open("tumour", o)
	a.p.To(round.PhaseAttest)
	a.liar = contracttest.Issue("liar", "client")
	a.f.Must(contracttest.Admin(1), "RotateKey", object{"participant": contracttest.ID(1), "key_hash": a.liar.KeyHash}, nil)
}

// report evaluates a report by a member's node of what the liar signed about a round.
func (a *accusing) report(by int, about *contracttest.Played, payload object) error {
	_, _, err := a.f.Prepare(contracttest.Node(by), "ReportFault", about.With(object{"kind": "refused_payload", "accused": contracttest.ID(1),
		"evidence": a.liar.Sign(contracttest.MSP(1), contracttest.Channel, contracttest.Chaincode, "ProposeAggregate", payload)}))
	return err
}

func TestT24AReportOfARecordedSumCostsNothing(t *testing.T) {
	a := accuse(t, 2)
	for _, old := range a.old {
		if err := a.report(0, old, changed(old.Proposal(), "aggregate", contracttest.Digest("lie"))); err != nil {
			t.Fatal(err)
		}
		equal(t, errcode.NotProven, errcode.Of(a.report(0, old, old.Proposal())))
		if err := a.report(0, old, changed(old.Proposal(), "examples", 399)); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, int64(0), a.blobs.times.Load())
}

func TestT24AnOrganisationReportsNoFaultOfItsOwn(t *testing.T) {
	a := accuse(t, 1)
	node := contracttest.Node(1)
	node.KeyHash = a.liar.KeyHash
	refused(t, a.f, node, "ReportFault", a.p.With(object{"kind": "refused_payload", "accused": contracttest.ID(1),
		"evidence": a.liar.Sign(contracttest.MSP(1), contracttest.Channel, contracttest.Chaincode, "ProposeAggregate", a.p.Proposal())}), errcode.NotPermitted)
	equal(t, int64(0), a.blobs.times.Load())
}
