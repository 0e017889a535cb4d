package round

import (
	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

// Flag is an anomaly with its evidence, for the regulator to list. Invariant: an attempt has at most one of a kind for each
// participant.
type Flag struct {
	Ref
	// Participant is empty where nobody can be named.
	Participant string `json:"participant"`
	Kind        string `json:"kind"`
	// Detail is for people: no rule reads it.
	Detail string `json:"detail"`
	// TxID and TimeMS are those of the transaction that raised the flag.
	TxID   string `json:"tx_id"`
	TimeMS int64  `json:"time_ms"`
}

// Kinds of flags.
const (
	FlagDropout  = "dropout"
	FlagDealer   = "bad-dealer"
	FlagSeals    = "bad-seals"
	FlagUpdate   = "bad-update"
	FlagGarbage  = "garbage"
	FlagRefuted  = "refuted-aggregate"
	FlagCounts   = "count-mismatch"
	FlagExposure = "exposure"
	FlagRefusal  = "refused-payload"
	// FlagContradiction is of members whose organisation both disagreed with the very claim that became the result and made it
	// or agreed to it.
	FlagContradiction = "contradiction"
)

// Blame keeps a participant out of the epoch's further cohorts while others make one: see draw for how it comes back.
type Blame struct {
	// Ref is the attempt that ended on the participant's account.
	Ref
	// Reason is the attempt's VoidReason: FL0427, FL0428 or FL0431.
	Reason string `json:"reason"`
	// Proven says that the ledger's own records or the blobs that they name prove it: then the participant does not count in
	// differences from what the attempt froze. Invariant: false exactly where Reason is FL0431, which stands on complaints.
	Proven bool `json:"proven"`
}

func (a *advance) flag(participant, kind, detail string) error {
	flag := Flag{a.round.Ref, participant, kind, detail, a.env.TxID, a.env.TimeMS}
	who := participant
	if who == "" {
		who = "-"
	}
	return ledger.Store(a.state, a.round.key("flag", who, kind), flag)
}

func (a *advance) flagExposures() error {
	frozen, _, err := ledger.Load[Frozen](a.state, ledger.Key("base", append([]string{a.round.BaseState}, a.round.parts()...)...))
	if err != nil {
		return err
	}
	for _, exposure := range frozen.Exposure {
		if exposure.Difference >= int(a.round.Parameters.SurvivorDifferenceMin) {
			continue
		}
		detail := describe("a survivor set of this epoch differs by %d participants: their sum can be told apart approximately", exposure.Difference)
		if err := a.flag(exposure.Participant, FlagExposure, detail); err != nil {
			return err
		}
	}
	return nil
}

// blame flags those at fault and excludes them from the epoch.
func (a *advance) blame(reason errcode.Code, blamed []string) error {
	kind, proven := FlagDealer, true
	switch reason {
	case errcode.VoidBadSeals:
		kind, proven = FlagSeals, false
	case errcode.VoidGarbage:
		kind = FlagUpdate
	}
	for _, id := range blamed {
		if err := a.flag(id, kind, describe("round %d, attempt %d ended with %s", a.round.Round, a.round.Attempt, reason)); err != nil {
			return err
		}
		key := ledger.Key("blame", a.round.Training, ledger.Number(a.round.Epoch), id, ledger.Number(a.round.Round), ledger.Number(a.round.Attempt))
		if err := ledger.Store(a.state, key, Blame{a.round.Ref, string(reason), proven}); err != nil {
			return err
		}
	}
	return nil
}

// FaultRequest is the argument of ReportFault.
type FaultRequest struct {
	Ref
	Kind     string         `json:"kind"`
	Accused  string         `json:"accused"`
	Evidence SignedProposal `json:"evidence"` // of a refused_payload: the proposal that endorsers refused
}

// Kinds of faults that can be reported.
const (
	FaultSeal    = "bad_seal"        // phase Updates: the reporter cannot open or verify what the accused dealt it
	FaultGarbage = "garbage"         // phase Attest: the unmasked sum is out of range; nobody is accused
	FaultUpdate  = "update"          // phase Attest: the accused's update breaks the layout's form
	FaultRefused = "refused_payload" // the accused signed a payload that breaks the rules
)

// ReportFault records a fault that the endorsers can check again.
func ReportFault(s ledger.State, env ledger.Env, verifier Verifier, open Opener, req FaultRequest) (Response, ledger.Event, error) {
	switch req.Kind {
	case FaultSeal:
		return complain(s, env, req)
	case FaultGarbage:
		return voidProven(s, env, verifier, req, aggregate.Fault{Kind: aggregate.FaultGarbage})
	case FaultUpdate:
		return voidProven(s, env, verifier, req, aggregate.Fault{Kind: aggregate.FaultUpdate, Participant: req.Accused})
	case FaultRefused:
		return reportRefused(s, env, verifier, open, req)
	}
	return Response{}, ledger.Event{}, errcode.New(errcode.UnknownFault, "%.40q", req.Kind)
}

// voidProven ends an attempt whose sum cannot be had, where the endorsers find the same fault.
func voidProven(s ledger.State, env ledger.Env, verifier Verifier, req FaultRequest, fault aggregate.Fault) (Response, ledger.Event, error) {
	none := ledger.Event{}
	round, status, err := inPhase(s, req.Ref, PhaseAttest)
	if err != nil {
		return Response{}, none, err
	}
	if _, err := caller(s, env, status.Survivors, "the survivors"); err != nil {
		return Response{}, none, err
	}
	in, err := inputs(s, round, status, AggregateRequest{})
	if err != nil {
		return Response{}, none, err
	}
	if err := verifier.VerifyFault(in, fault); err != nil {
		return Response{}, none, err
	}
	change := newAdvance(s, env, round, status)
	found := culprits{}
	if fault.Participant != "" {
		found.blamed = []string{fault.Participant}
	} else if err := change.flag("", FlagGarbage, "the unmasked sum lies outside its range: some survivor masked garbage"); err != nil {
		return Response{}, none, err
	}
	return Response{req.Ref, Void}, happened("RoundVoid", req.Ref, Void), change.void(errcode.VoidGarbage, found)
}
