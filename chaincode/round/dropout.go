package round

import (
	"slices"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

// Dropout is a member's word that it takes no further part in an attempt: its training failed, say, or it refuses what the round
// asks of it. Nobody waits for it any more. It is a dropout as those are that are silent until a deadline, and owes as much: who
// says so spares the others the wait, and nothing else.
//
// Scenario: ten members train, with an hour for it. After a minute the training of j fails. The nine others' updates are there
// after two minutes, and the survivors are frozen then; were j silent, they would be after an hour. It cannot take its word back:
// what others say next may depend on who is left.
type Dropout struct {
	// Phase is the one in which it left. Invariant: the member has a record in every phase before it, and none in it.
	Phase Phase `json:"phase"`
	// Reason is the node's own code, for the regulator: no rule reads it.
	Reason string `json:"reason"`
	Word
}

// DropoutRequest is the argument of DropOut.
type DropoutRequest struct {
	Ref
	Reason string `json:"reason"`
}

// DropOut records that a member for which the phase waits takes no further part in the attempt. What it has said in earlier
// phases stands, and the shares of its secrets serve as those of every dropout.
func DropOut(s ledger.State, env ledger.Env, req DropoutRequest) (Response, ledger.Event, error) {
	none := ledger.Event{}
	round, status, err := standing(s, req.Ref)
	if err != nil {
		return Response{}, none, err
	}
	kind, waits := recordOf[status.Phase]
	if !waits {
		return Response{}, none, errcode.New(errcode.WrongPhase, "round %d, attempt %d is in phase %s, which waits for no member", req.Round, req.Attempt, status.Phase)
	}
	if !nodeCode.MatchString(req.Reason) {
		return Response{}, none, errcode.New(errcode.BadArgument, "reason is FL and four digits, not %.20q", req.Reason)
	}
	id, _, err := speaks(s, env, round, kind, status.expected(round), "the members that the phase waits for")
	if err != nil {
		return Response{}, none, err
	}
	left := Dropout{status.Phase, req.Reason, Word{max(env.TimeMS, began(round, status))}}
	return Response{req.Ref, status.Phase}, happened("DroppedOut", req.Ref, status.Phase), ledger.Store(s, round.key("dropout", id), left)
}

// recordOf names the kind of record that a phase waits for, of each expected member one.
var recordOf = map[Phase]string{PhaseKeys: "keys", PhaseShares: "shares", PhaseUpdates: "update", PhaseUnmask: "reveal"}

// speaks returns the caller and the key of the record that it may now write: it is one of members, has not written it yet and
// has not dropped out. What its rule reads beside is read ahead.
func speaks(s ledger.State, env ledger.Env, round Round, kind string, members []string, what string, beside ...string) (id, key string, err error) {
	if id, err = caller(s, env, members, what); err != nil {
		return id, "", err
	}
	key = round.key(kind, id)
	reads := append(slices.Clone(beside), key)
	if differ(round.Rules).drops {
		reads = append(reads, round.key("dropout", id))
	}
	if err = s.Ahead(reads...); err == nil {
		err = once(s, key)
	}
	if err == nil && differ(round.Rules).drops {
		err = still(s, round, id)
	}
	return id, key, err
}

// still refuses a member that has dropped out.
//
// Scenario: a, b and c have published keys, and d has dropped out instead: Keys is over, and a deals shares to b and c. Were d to
// publish keys now, since the record of the phase still says Keys, a's shares would be too few.
func still(s ledger.State, round Round, id string) error {
	left, found, err := ledger.Load[Dropout](s, round.key("dropout", id))
	if err == nil && found {
		err = errcode.New(errcode.DroppedOut, "%s left in phase %s (%s): it comes back with the next attempt", id, left.Phase, left.Reason)
	}
	return err
}

// flagDropout flags a member that is a dropout, whether it said so or was silent.
func (a *advance) flagDropout(id string) error {
	detail := "the participant did not speak before a deadline"
	if differ(a.round.Rules).drops {
		left, said, err := ledger.Load[Dropout](a.state, a.round.key("dropout", id))
		if err != nil {
			return err
		}
		if said {
			detail = describe("the participant left in phase %s: %s", left.Phase, left.Reason)
		}
	}
	return a.flag(id, FlagDropout, detail)
}

// dropoutsOf are those who said that they take no further part, by member.
func dropoutsOf(s ledger.Reader, round Round) (map[string]Dropout, error) {
	if !differ(round.Rules).drops {
		return nil, nil
	}
	return byMember[Dropout](s, round.Ref, "dropout")
}
