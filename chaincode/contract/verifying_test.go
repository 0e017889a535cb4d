package contract_test

import (
	"io"
	"testing"
	"time"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// gated holds back every blob until the gate opens.
type gated struct {
	aggregate.Blobs
	gate chan struct{}
}

func (g gated) Open(digest aggregate.Digest) (io.ReadCloser, error) {
	<-g.gate
	return g.Blobs.Open(digest)
}

func TestAnExpensiveSumIsVerifiedInTheBackgroundAndFoundAgain(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	blobs := gated{f.Blobs, make(chan struct{})}
	verifier := aggregate.NewVerifier(blobs, aggregate.Limits{Inline: time.Nanosecond})
	f.Contract.Verifier = round.Recompute{Work: verifier}
	proposer, proposal := p.Aggregator(), p.Proposal()
	refused(t, f, proposer, "ProposeAggregate", proposal, errcode.Verifying)
	close(blobs.gate)
	for range 500 {
		_, _, err := f.Prepare(proposer, "ProposeAggregate", proposal)
		if err == nil {
			return
		}
		equal(t, errcode.Verifying, errcode.Of(err))
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the verification never ended")
}

func TestT24ASumThatCostsTooMuchIsRefused(t *testing.T) {
	f := training(4, `{}`)
	p := f.Open("tumour", options{})
	p.To(round.PhaseAttest)
	verifier := aggregate.NewVerifier(f.Blobs, aggregate.Limits{Cost: time.Nanosecond})
	f.Contract.Verifier = round.Recompute{Work: verifier}
	refused(t, f, p.Aggregator(), "ProposeAggregate", p.Proposal(), errcode.LimitExceeded)
}

// dishonest endorses any update, as an organisation's own process might.
type dishonest struct{ round.Verifier }

func (dishonest) CheckUpdate(aggregate.Digest, aggregate.Layout, string) error { return nil }

func TestT18AnUpdateOfBrokenFormIsBlamedWithProofAndTheTrainingGoesOn(t *testing.T) {
	f := contracttest.New(5, `{}`)
	f.Ready(1, 5)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUpdates)
	p.Say("CommitUpdate", p.Update, 0, 1, 2, 3)
	unpadded := append(p.Updates[4][:31:31], 1)
	digest := f.Blobs.Put(unpadded)
	broken := changed(p.Update(4), "digest", ledger.Hex(digest[:]))
	refused(t, f, p.Node(4), "CommitUpdate", broken, errcode.BadUpdate)
	honest := f.Contract.Verifier
	f.Contract.Verifier = dishonest{honest}
	f.Must(p.Node(4), "CommitUpdate", broken, nil)
	f.Contract.Verifier = honest
	p.Advance(round.PhaseUnmask)
	p.To(round.PhaseAttest)
	refused(t, f, p.Aggregator(), "ProposeAggregate", p.Proposal(), errcode.BadUpdate)
	report := func(accused int) object {
		return p.With(object{"kind": "update", "accused": contracttest.ID(accused), "evidence": object{}})
	}
	refused(t, f, p.Node(0), "ReportFault", report(3), errcode.NotProven)
	f.Must(p.Node(0), "ReportFault", report(4), nil)
	equal(t, string(errcode.VoidGarbage), p.View().VoidReason)
	equal(t, round.FlagUpdate, flags(f, contracttest.ID(4))[0].Kind)
	next := f.Open("tumour", options{})
	equal(t, 4, len(next.View().Cohort))
	next.Finish()
}
