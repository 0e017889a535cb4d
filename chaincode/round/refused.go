package round

import (
	"slices"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/membership"
	"fedledger/chaincode/rewards"
)

// Signed is a proposal whose signature has been checked: who asked for what.
type Signed struct {
	TxID     string
	KeyHash  string
	MSPID    string
	Function string
	Argument []byte
}

// SignedProposal is a proposal to this chaincode as its sender signed it: Fabric's two fields, in base64.
type SignedProposal struct {
	Proposal  string `json:"proposal"`
	Signature string `json:"signature"`
}

// Opener checks the signature of a proposal and opens it: Fabric's bytes are the edge's to know.
type Opener func(proposal SignedProposal) (Signed, error)

// reportRefused checks again what endorsers refused. A refusal leaves no trace on a ledger, so the signed payload is
// brought, and only rules over what is frozen for good are held against it: they say the same at any later time.
func reportRefused(s ledger.State, env ledger.Env, verifier Verifier, open Opener, req FaultRequest) (Response, ledger.Event, error) {
	none := ledger.Event{}
	if _, err := membership.Caller(s, env); err != nil {
		return Response{}, none, err
	}
	round, status, err := standing(s, req.Ref)
	if err != nil {
		return Response{}, none, err
	}
	accused, err := membership.Load(s, req.Accused)
	if err != nil {
		return Response{}, none, err
	}
	if err := checkReport(s, env, round, accused); err != nil {
		return Response{}, none, err
	}
	signed, err := open(req.Evidence)
	if err != nil {
		return Response{}, none, err
	}
	if ledger.CheckTxID(signed.TxID) != nil {
		return Response{}, none, errcode.New(errcode.NotProven, "the signed payload has no valid transaction id")
	}
	owner, err := membership.OwnerOf(s, signed.MSPID, signed.KeyHash)
	if err != nil {
		return Response{}, none, err
	}
	if owner != accused.ID {
		return Response{}, none, errcode.New(errcode.NotProven, "%s did not sign it", req.Accused)
	}
	refusal, err := recheck(s, round, status, verifier, env.Caller.MSPID, accused.ID, signed)
	if err != nil {
		return Response{}, none, err
	}
	change := newAdvance(s, env, round, status)
	if err := change.punish(accused.ID); err != nil {
		return Response{}, none, err
	}
	detail := describe("%s of transaction %s: %s", signed.Function, signed.TxID, refusal.Error())
	return Response{req.Ref, status.Phase}, happened("FaultReported", req.Ref, status.Phase), change.flag(accused.ID, FlagRefusal, detail)
}

// checkReport refuses, before anything is computed, a report of one's own organisation and one that is on the ledger.
func checkReport(s ledger.State, env ledger.Env, round Round, accused membership.Participant) error {
	if accused.MSPID == env.Caller.MSPID {
		return errcode.New(errcode.NotPermitted, "another organisation reports a fault of %s", accused.ID)
	}
	raw, err := s.Get(round.key("flag", accused.ID, FlagRefusal))
	if err == nil && raw != nil {
		err = errcode.New(errcode.AlreadyReported, "it is on the ledger already")
	}
	return err
}

// punish makes a fault of what an ended attempt showed of a member; one whose round is settled is folded at once. In an open
// attempt the flag is counted at its end.
func (a *advance) punish(accused string) error {
	if a.status.Phase != Final && a.status.Phase != Void || among(a.round.Names(), accused, "") != nil {
		return nil
	}
	settled, err := rewards.Settled(a.state, a.round.Training, a.round.Round)
	if err != nil {
		return err
	}
	outcome := rewards.Outcome{Outcome: rewards.Fault, Slash: a.round.Parameters.FaultSlash()}
	if settled {
		_, err = rewards.Fold(a.state, accused, outcome, a.round.Parameters.ReputationDecayPPM)
		return err
	}
	return rewards.PutOutcome(a.state, a.round.Training, a.round.Round, a.round.Attempt, accused, outcome)
}

// recheck returns the refusal that the signed payload earns, or an error where it earns none.
func recheck(s ledger.State, round Round, status Status, verifier Verifier, by, accused string, signed Signed) (error, error) {
	none := errcode.New(errcode.NotProven, "the signed payload breaks no rule that can be checked again")
	switch signed.Function {
	case "RevealShares":
		var req RevealRequest
		if codec.DecodeStrict(signed.Argument, &req) != nil || req.Ref != round.Ref || len(status.Survivors) == 0 {
			return nil, none
		}
		return proven(checkReveals(s, round, status, accused, req.Shares), none,
			errcode.WrongShareKind, errcode.BadShareProof)
	case "CommitUpdate":
		var req UpdateRequest
		if codec.DecodeStrict(signed.Argument, &req) != nil || req.Ref != round.Ref || among(round.Names(), accused, "") != nil {
			return nil, none
		}
		return proven(checkUpdate(round, accused, req), none, errcode.WrongBase, errcode.WrongLength, errcode.CountRefused)
	case "ProposeAggregate":
		var req AggregateRequest
		if codec.DecodeStrict(signed.Argument, &req) != nil || req.Ref != round.Ref || status.Phase != PhaseAttest && status.Phase != Final {
			return nil, none
		}
		if checkResult(req) != nil || checkSums(round, status, req) != nil {
			return nil, none
		}
		refusal := recheckAggregate(s, round, status, verifier, by, req)
		return proven(refusal, none, errcode.AggregateMismatch, errcode.WrongCount)
	}
	return nil, none
}

// recheckAggregate finds what was wrong with a proposed sum. Where one is on the ledger, endorsers have verified it, and the
// two are compared: that costs nothing. Only while a round has none is the sum computed again, after all else that endorsers
// compute (T24).
func recheckAggregate(s ledger.State, round Round, status Status, verifier Verifier, by string, req AggregateRequest) error {
	in, err := inputs(s, round, status, req)
	if err != nil {
		return err
	}
	recorded, err := ledger.List[Proposed](s, "proposed", round.parts()...)
	switch {
	case err != nil:
		return err
	case len(recorded) == 0:
		return verifier.Recheck(in, req.Examples, by)
	case recorded[0].Record.Aggregate != req.Aggregate:
		return errcode.New(errcode.AggregateMismatch, "proposed %s, the verified sum is %s", req.Aggregate, recorded[0].Record.Aggregate)
	case !slices.Equal(recorded[0].Record.Sums, req.Sums):
		return errcode.New(errcode.AggregateMismatch, "proposed the groups' sums %v, the verified ones are %v", req.Sums, recorded[0].Record.Sums)
	case !slices.Equal(recorded[0].Record.Outlying, req.Outlying):
		return errcode.New(errcode.AggregateMismatch, "proposed that the groups %v are left out, verified are %v", req.Outlying, recorded[0].Record.Outlying)
	case in.Layout.Count != nil && recorded[0].Record.Examples != req.Examples:
		return errcode.New(errcode.WrongCount, "%d examples proposed, the sum says %d", req.Examples, recorded[0].Record.Examples)
	}
	return nil
}

// proven returns refusal where it is one of these codes; other errors, a missing blob say, prove nothing.
func proven(refusal error, none *errcode.Error, codes ...errcode.Code) (error, error) {
	if refusal == nil {
		return nil, none
	}
	for _, code := range codes {
		if errcode.Of(refusal) == code {
			return refusal, nil
		}
	}
	return nil, refusal
}
