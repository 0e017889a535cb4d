package round

import (
	"slices"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/secagg"
)

// Complaint is a member's word that it cannot open or verify what a dealer sealed for it. It proves nothing: only keys that
// open other messages would. So the dealer is asked (Feldman 1987, Pedersen 1991): it answers with the member's two shares,
// under its root, which count as revealed by the member, and the complaint is settled. An honest dealer, of which only
// faulty members complain, gives away what they know anyway.
//
// Scenario: seven members, threshold 5, so at most 2 may be faulty. a complains of d. Though five others hold d's shares, the
// freeze waits: if d and e are faulty, d sealed garbage for a alone and e later withholds its share of d, four are left, and
// survivors are frozen that nobody can unmask or blame. d answers a, and the round goes on; or d is silent for as long as the
// phase Shares lasts, and the attempt is void (FL0431), d a dropout that is blamed without proof. If b and c complain as well,
// one of the three must be honest: the attempt is void at once (FL0431), and no answer is taken any more.
type Complaint struct {
	// TimeMS is when it was made: from then on the dealer's time runs.
	TimeMS int64 `json:"time_ms"`
	// Mask and Seed are the member's two shares in hex. Invariant: both empty until the dealer answers, then both under its root.
	Mask string `json:"mask"`
	Seed string `json:"seed"`
}

func (c Complaint) answered() bool { return c.Mask != "" }

// faulty is how many members of a cohort may be: a cohort bears the silence of so many, and a secret's threshold bears that
// their shares are known.
func (r Round) faulty() int { return len(r.Cohort) - r.Threshold }

func complain(s ledger.State, env ledger.Env, req FaultRequest) (Response, ledger.Event, error) {
	none := ledger.Event{}
	round, status, err := inPhase(s, req.Ref, PhaseUpdates)
	if err != nil {
		return Response{}, none, err
	}
	id, err := caller(s, env, status.U2, "the members with shares")
	if err != nil {
		return Response{}, none, err
	}
	if !slices.Contains(status.U2, req.Accused) || req.Accused == id {
		return Response{}, none, errcode.New(errcode.NotProven, "the accused must be another dealer of this attempt")
	}
	key := req.key("complaint", req.Accused, id)
	if raw, err := s.Get(key); err != nil || raw != nil {
		return Response{}, none, either(err, errcode.New(errcode.AlreadyReported, "it is on the ledger already"))
	}
	return Response{req.Ref, PhaseUpdates}, happened("FaultReported", req.Ref, PhaseUpdates),
		ledger.Store(s, key, Complaint{TimeMS: max(env.TimeMS, began(round, status))})
}

// AnswerRequest is the argument of AnswerComplaint.
type AnswerRequest struct {
	Ref
	To   string   `json:"to"`
	Mask string   `json:"mask"`
	Seed string   `json:"seed"`
	Path []string `json:"path"`
}

// AnswerComplaint records the two shares of a member that complained of the caller, where no more complained than may be
// faulty: more shares than that must not be known of anyone.
func AnswerComplaint(s ledger.State, env ledger.Env, req AnswerRequest) (Response, ledger.Event, error) {
	none := ledger.Event{}
	round, status, err := inPhase(s, req.Ref, PhaseUpdates)
	if err != nil {
		return Response{}, none, err
	}
	id, err := caller(s, env, status.U2, "the members with shares")
	if err != nil {
		return Response{}, none, err
	}
	complaints, err := ledger.List[Complaint](s, "complaint", append(req.parts(), id)...)
	if err != nil {
		return Response{}, none, err
	}
	place := slices.IndexFunc(complaints, func(item ledger.Item[Complaint]) bool { return item.Parts[4] == req.To })
	if place < 0 || len(complaints) > round.faulty() {
		return Response{}, none, errcode.New(errcode.NotAnswerable,
			"%d members complain of the caller, up to %d are answered; %.40q is among them: %t", len(complaints), round.faulty(), req.To, place >= 0)
	}
	complaint := complaints[place].Record
	if complaint.answered() {
		return Response{}, none, errcode.New(errcode.AlreadyDone, "it is on the ledger already")
	}
	if err := checkAnswer(s, round, status, id, req); err != nil {
		return Response{}, none, err
	}
	complaint.Mask, complaint.Seed = req.Mask, req.Seed
	return Response{req.Ref, PhaseUpdates}, happened("ComplaintAnswered", req.Ref, PhaseUpdates),
		ledger.Store(s, req.key("complaint", id, req.To), complaint)
}

func checkAnswer(s ledger.State, round Round, status Status, dealer string, req AnswerRequest) error {
	shares, _, err := ledger.Load[Shares](s, round.key("shares", dealer))
	if err != nil {
		return err
	}
	seed, err := shareValue(req.Seed)
	if err != nil {
		return err
	}
	mask := OfferedShare{RevealedShare{dealer, string(secagg.KindMask), req.Mask}, req.Path}
	reveal, err := decodeShare(req.To, mask)
	if err != nil {
		return err
	}
	if err := secagg.CheckDealt(bytes32(round.Session), bytes32(shares.SharesRoot), status.U1, reveal, seed); err != nil {
		return errcode.New(errcode.BadShareProof, "shares for %s: %v", req.To, err)
	}
	return nil
}

// share returns the answered share of a kind, or nothing.
func (c Complaint) share(kind secagg.Kind) string {
	if kind == secagg.KindSeed {
		return c.Seed
	}
	return c.Mask
}

// against reads all complaints of an attempt: by dealer, by member that complained.
func against(s ledger.Reader, ref Ref) (map[string]map[string]Complaint, error) {
	items, err := ledger.List[Complaint](s, "complaint", ref.parts()...)
	found := map[string]map[string]Complaint{}
	for _, item := range items {
		dealer, from := item.Parts[3], item.Parts[4]
		if found[dealer] == nil {
			found[dealer] = map[string]Complaint{}
		}
		found[dealer][from] = item.Record
	}
	return found, err
}

// seals is how the complaints about sealed shares stand.
type seals struct {
	blamed []string // dealers on whose account the attempt ends: those in silent, and those of whom too many complain
	silent []string // dealers that left one waiting for too long though they might answer. Invariant: silent ⊆ blamed ⊆ U2
	due    bool     // a dealer may still answer a complaint
}

// readSeals judges the complaints of phase Updates; in others there is nothing to judge.
func readSeals(s ledger.Reader, round Round, status Status, nowMS int64) (seals, error) {
	if status.Phase != PhaseUpdates {
		return seals{}, nil
	}
	complaints, err := against(s, round.Ref)
	found := seals{}
	for _, dealer := range status.U2 {
		overdue := false
		for _, complaint := range complaints[dealer] { // any order: counted
			if complaint.answered() {
				continue
			}
			found.due = true
			overdue = overdue || nowMS >= complaint.TimeMS+round.Parameters.SharesMS
		}
		tooMany := len(complaints[dealer]) > round.faulty() // it may not answer: its silence says nothing
		if overdue && !tooMany {
			found.silent = append(found.silent, dealer)
		}
		if overdue || tooMany {
			found.blamed = append(found.blamed, dealer)
		}
	}
	return found, err
}

// badSeals holds where more complain about a dealer than may be faulty, or where it has left one of them without an answer for as
// long as the phase Shares lasts. Of whom no complaint is open, t honest members' shares are at hand whatever the others withhold.
func (f facts) badSeals() (bool, error) {
	found, err := f.seals()
	return len(found.blamed) > 0, err
}
