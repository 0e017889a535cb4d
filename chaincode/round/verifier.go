package round

import (
	"errors"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/mode"
	"fedledger/chaincode/secagg"
)

// Verifier is what an endorser recomputes from blobs. For the same arguments every endorser accepts or has an error that
// keeps it from endorsing; none comes to another result. by is the organisation that asks.
type Verifier interface {
	// CheckSealed accepts a sealed bundle that this organisation holds unaltered and that has the length of one among so many members.
	CheckSealed(digest aggregate.Digest, members int, by string) error
	// CheckUpdate accepts a masked update that this organisation holds unaltered and in the layout's form.
	CheckUpdate(digest aggregate.Digest, layout aggregate.Layout, by string) error
	// VerifyAggregate accepts inputs whose proposed aggregate is the survivors' sum and whose rows are the counted total.
	VerifyAggregate(inputs aggregate.Inputs, rows uint64) error
	// Recheck is VerifyAggregate for what no round waits for: it may take its time.
	Recheck(inputs aggregate.Inputs, rows uint64, by string) error
	// VerifyFault accepts a fault that the inputs prove.
	VerifyFault(inputs aggregate.Inputs, fault aggregate.Fault) error
}

// Recompute verifies from an organisation's own blobs.
type Recompute struct{ Work }

// Work reads blobs: an *aggregate.Verifier, which remembers and shares its time out, or aggregate.Plain, which does neither.
type Work interface {
	CheckBlob(digest aggregate.Digest, length int, by string) error
	CheckUpdate(digest aggregate.Digest, layout aggregate.Layout, by string) error
	Verify(in aggregate.Inputs) (aggregate.Result, error)
	// Again is Verify at the lowest priority.
	Again(in aggregate.Inputs, by string) (aggregate.Result, error)
}

var (
	_ Verifier = Recompute{}
	_ Work     = (*aggregate.Verifier)(nil)
	_ Work     = aggregate.Plain{}
)

// CheckSealed implements Verifier.
func (r Recompute) CheckSealed(digest aggregate.Digest, members int, by string) error {
	length := secagg.BundleBytes(members)
	err := r.CheckBlob(digest, length, by)
	if errors.Is(err, aggregate.ErrLength) {
		return errcode.New(errcode.WrongBundle, "the sealed bundle of one of %d members has %d bytes", members, length)
	}
	return refusal(err)
}

// CheckUpdate implements Verifier.
func (r Recompute) CheckUpdate(digest aggregate.Digest, layout aggregate.Layout, by string) error {
	return refusal(r.Work.CheckUpdate(digest, layout, by))
}

// VerifyAggregate implements Verifier.
func (r Recompute) VerifyAggregate(inputs aggregate.Inputs, rows uint64) error {
	result, err := r.Verify(inputs)
	return checkRows(result, err, rows)
}

// Recheck implements Verifier.
func (r Recompute) Recheck(inputs aggregate.Inputs, rows uint64, by string) error {
	result, err := r.Again(inputs, by)
	return checkRows(result, err, rows)
}

func checkRows(result aggregate.Result, err error, rows uint64) error {
	if err != nil {
		return refusal(err)
	}
	if result.HasRows && result.Rows != rows {
		return errcode.New(errcode.WrongCount, "%d examples proposed, the sum says %d", rows, result.Rows)
	}
	return nil
}

// VerifyFault implements Verifier.
func (r Recompute) VerifyFault(inputs aggregate.Inputs, claimed aggregate.Fault) error {
	_, err := r.Verify(inputs)
	var found *aggregate.Fault
	switch {
	case errors.As(err, &found) && found.Kind == claimed.Kind && found.Participant == claimed.Participant:
		return nil
	case err == nil || errors.As(err, &found):
		return errcode.New(errcode.NotProven, "the inputs do not prove it")
	}
	return refusal(err)
}

// refusal gives an error of package aggregate its code.
func refusal(err error) error {
	var fault *aggregate.Fault
	switch {
	case err == nil:
		return nil
	case errors.As(err, &fault):
		return faultRefusal(fault)
	case errors.Is(err, aggregate.ErrBlob):
		return errcode.New(errcode.BlobMissing, "%v", err)
	case errors.Is(err, aggregate.ErrVerifying):
		return errcode.New(errcode.Verifying, "verifying, retry")
	case errors.Is(err, aggregate.ErrCost):
		return errcode.New(errcode.LimitExceeded, "%v", err)
	}
	return errcode.New(errcode.InputRefused, "%v", err)
}

func faultRefusal(fault *aggregate.Fault) error {
	switch fault.Kind {
	case aggregate.FaultAggregator:
		return errcode.New(errcode.AggregateMismatch, "%v", fault)
	case aggregate.FaultGarbage:
		return errcode.New(errcode.OutOfRange, "%v: send ReportFault of kind garbage", fault)
	case aggregate.FaultUpdate:
		return errcode.New(errcode.BadUpdate, "%v", fault)
	}
	return errcode.New(errcode.InputRefused, "%v", fault)
}

// checkCost refuses a cohort whose worst case, with the most dropouts that a round survives, costs endorsers more than the
// consortium agreed to. It is checked before a round opens, so that every open round can end.
func checkCost(plan Plan, cohort int, parameters governance.Parameters) error {
	layout, err := parseLayout(plan.Layout)
	if err != nil {
		return err
	}
	threshold, worst := secagg.Threshold(cohort), int64(0)
	for survivors := max(threshold, int(parameters.SurvivorMin)); survivors <= cohort; survivors++ {
		in := aggregate.Inputs{Threshold: threshold, Layout: layout, Cohort: make([]aggregate.Participant, cohort)}
		in.Rule = mode.Of(parameters).Rule()
		groups := max(1, mode.Of(parameters).Groups(cohort))
		for place := range in.Cohort {
			in.Cohort[place].Shared, in.Cohort[place].Survivor = true, place < survivors
			in.Cohort[place].Group = place % groups
		}
		worst = max(worst, in.Cost().Milliseconds())
	}
	if worst > parameters.VerificationMS {
		return errcode.New(errcode.LimitExceeded, "verifying %d updates of %d bytes may take %d ms, verification_ms is %d: "+
			"vote it up, or train a smaller plan or cohort", cohort, layout.Bytes(), worst, parameters.VerificationMS)
	}
	return nil
}

// checkMode refuses a plan that the voted mode cannot aggregate.
func checkMode(plan Plan, parameters governance.Parameters) error {
	layout, err := parseLayout(plan.Layout)
	if err == nil && mode.Of(parameters).CheckPlan(layout) != nil {
		err = errcode.New(errcode.BadLayout, "%v; or vote another mode", mode.Of(parameters).CheckPlan(layout))
	}
	if err == nil && plan.private() && parameters.Mode != governance.ModeSecureSum {
		err = errcode.New(errcode.BadLayout, "the plan counts on the noise of all survivors in one sum; or vote another mode than %s", parameters.Mode)
	}
	return err
}

func roundLayout(s ledger.State, round Round) (aggregate.Layout, error) {
	plan, err := LoadPlan(s, round.Plan)
	if err != nil {
		return aggregate.Layout{}, err
	}
	return parseLayout(plan.Layout)
}

// inputs gathers all that the aggregate of a frozen round depends on, and what is proposed for it, if anything is.
func inputs(s ledger.State, round Round, status Status, proposed AggregateRequest) (aggregate.Inputs, error) {
	layout, err := roundLayout(s, round)
	if err != nil {
		return aggregate.Inputs{}, err
	}
	evidence, err := loadEvidence(s, round)
	if err != nil {
		return aggregate.Inputs{}, err
	}
	in := aggregate.Inputs{Session: bytes32(round.Session), Threshold: round.Threshold, Layout: layout, Rule: round.mode().Rule()}
	if proposed.Aggregate != "" {
		in.Aggregate, in.Outlying = bytes32(proposed.Aggregate), proposed.Outlying
	}
	for _, sum := range proposed.Sums {
		in.Sums = append(in.Sums, bytes32(sum))
	}
	for _, id := range round.Names() {
		in.Cohort = append(in.Cohort, evidence.participant(round, status, id))
	}
	return in, nil
}
