package governance

import (
	"encoding/json"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

const (
	maxReason = 1_000
	maxBody   = 256 << 10 // of the largest kind
	// smallBody bounds the body of every other kind.
	smallBody = 8 << 10
	// maxOpen and maxOpenBytes bound the undecided proposals of one organisation.
	maxOpen      = 32
	maxOpenBytes = 1 << 20
)

// Proposal is a change that needs the consortium's votes.
type Proposal struct {
	ID         string          `json:"proposal"`
	Kind       string          `json:"kind"`
	Body       json.RawMessage `json:"body"`
	Reason     string          `json:"reason"`
	Proposer   string          `json:"proposer"`
	CreatedMS  int64           `json:"created_ms"`
	DeadlineMS int64           `json:"deadline_ms"`
	Status     string          `json:"status"`
}

// States of a proposal. An open one past its deadline can no longer be voted on.
const (
	Open     = "open"
	Executed = "executed"
	Rejected = "rejected"
)

// Ballot is one organisation's vote.
type Ballot struct {
	Approve bool  `json:"approve"`
	TimeMS  int64 `json:"time_ms"`
}

// ProposeRequest is the argument of Propose. A deadline of 0 means now plus proposal_ms.
type ProposeRequest struct {
	Kind       string          `json:"kind"`
	Body       json.RawMessage `json:"body"`
	DeadlineMS int64           `json:"deadline_ms"`
	Reason     string          `json:"reason"`
}

// VoteRequest is the argument of Vote.
type VoteRequest struct {
	Proposal string `json:"proposal"`
	Approve  bool   `json:"approve"`
}

// ProposalResponse tells what became of a proposal.
type ProposalResponse struct {
	Proposal string `json:"proposal"`
	Status   string `json:"status"`
	Yes      int    `json:"yes"`
	No       int    `json:"no"`
}

// Propose opens a proposal; it counts as the proposer's yes.
func Propose(s ledger.State, env ledger.Env, kinds Kinds, req ProposeRequest) (ProposalResponse, ledger.Event, error) {
	none := ledger.Event{}
	if err := CheckAdmin(s, env); err != nil {
		return ProposalResponse{}, none, err
	}
	parameters, err := CurrentParameters(s)
	if err != nil {
		return ProposalResponse{}, none, err
	}
	proposal := Proposal{env.TxID, req.Kind, req.Body, req.Reason, env.Caller.MSPID, env.TimeMS, req.DeadlineMS, Open}
	if proposal.DeadlineMS == 0 {
		proposal.DeadlineMS = env.TimeMS + parameters.ProposalMS
	}
	if err := checkProposal(proposal, kinds, parameters); err != nil {
		return ProposalResponse{}, none, err
	}
	if err := checkRoom(s, env, len(proposal.Body)); err != nil {
		return ProposalResponse{}, none, err
	}
	response, event, err := decide(s, env, kinds, proposal, true)
	if err != nil || response.Status != Open {
		return response, event, err
	}
	return response, event, ledger.Store(s, openKey(proposal), OpenProposal{env.TimeMS + parameters.ProposalMS, len(proposal.Body)})
}

// OpenProposal takes up room of its proposer's organisation until votes have decided the proposal, or for proposal_ms,
// whatever the deadline: so that nobody fills the ledger with proposals that are over at once.
type OpenProposal struct {
	UntilMS int64 `json:"until_ms"`
	Bytes   int   `json:"bytes"`
}

func openKey(proposal Proposal) string {
	return ledger.Key("open-proposal", proposal.Proposer, proposal.ID)
}

// checkRoom refuses one more proposal of an organisation that has as many, or as large ones, undecided as it may; those
// whose time is up make room.
func checkRoom(s ledger.State, env ledger.Env, bytes int) error {
	items, err := ledger.List[OpenProposal](s, "open-proposal", env.Caller.MSPID)
	if err != nil {
		return err
	}
	held := 0
	for _, item := range items {
		if env.TimeMS < item.Record.UntilMS {
			held, bytes = held+1, bytes+item.Record.Bytes
		} else if err := s.Del(ledger.Key("open-proposal", item.Parts...)); err != nil {
			return err
		}
	}
	if held >= maxOpen || bytes > maxOpenBytes {
		return errcode.New(errcode.TooManyProposals, "%s has %d undecided proposals (at most %d; with this one %d bytes, at most %d): let the members decide them",
			env.Caller.MSPID, held, maxOpen, bytes, maxOpenBytes)
	}
	return nil
}

func checkProposal(proposal Proposal, kinds Kinds, parameters Parameters) error {
	kind, known := kinds[proposal.Kind]
	switch left := proposal.DeadlineMS - proposal.CreatedMS; {
	case !known:
		return errcode.New(errcode.UnknownKind, "%q", proposal.Kind)
	case len(proposal.Body) == 0 || len(proposal.Body) > kind.largest:
		return errcode.New(errcode.LimitExceeded, "body has %d bytes, must be 1 to %d", len(proposal.Body), kind.largest)
	case left <= 0 || left > parameters.ProposalMS:
		return errcode.New(errcode.BadDeadline, "the deadline must be a time at most %d ms from now", parameters.ProposalMS)
	}
	if err := ledger.CheckText("reason", proposal.Reason, maxReason); err != nil {
		return err
	}
	return kind.check(proposal.Body, parameters)
}

// Vote records an organisation's vote and, at the threshold, executes the proposal in the same transaction.
func Vote(s ledger.State, env ledger.Env, kinds Kinds, req VoteRequest) (ProposalResponse, ledger.Event, error) {
	none := ledger.Event{}
	if err := CheckAdmin(s, env); err != nil {
		return ProposalResponse{}, none, err
	}
	proposal, err := LoadProposal(s, req.Proposal)
	if err != nil {
		return ProposalResponse{}, none, err
	}
	if proposal.Status != Open || env.TimeMS > proposal.DeadlineMS {
		return ProposalResponse{}, none, errcode.New(errcode.ProposalClosed, "proposal %s is closed", proposal.ID)
	}
	if _, voted, err := ledger.Load[Ballot](s, ledger.Key("vote", proposal.ID, env.Caller.MSPID)); err != nil || voted {
		return ProposalResponse{}, none,
			firstOf(err, errcode.New(errcode.AlreadyVoted, "%s has voted on %s", env.Caller.MSPID, proposal.ID))
	}
	response, event, err := decide(s, env, kinds, proposal, req.Approve)
	if err != nil || response.Status == Open {
		return response, event, err
	}
	return response, event, s.Del(openKey(proposal))
}

// decide adds the caller's vote, counts those of active organisations, and closes the proposal where that decides it.
func decide(s ledger.State, env ledger.Env, kinds Kinds, proposal Proposal, approve bool) (ProposalResponse, ledger.Event, error) {
	none := ledger.Event{}
	ballot := Ballot{approve, env.TimeMS}
	if err := ledger.Store(s, ledger.Key("vote", proposal.ID, env.Caller.MSPID), ballot); err != nil {
		return ProposalResponse{}, none, err
	}
	yes, no, voters, err := tally(s, proposal.ID)
	if err != nil {
		return ProposalResponse{}, none, err
	}
	parameters, err := CurrentParameters(s)
	if err != nil {
		return ProposalResponse{}, none, err
	}
	name := "Voted"
	switch threshold := parameters.VoteThresholdPPM; {
	case passes(yes, voters, threshold):
		name, proposal.Status = "ProposalExecuted", Executed
		if err := kinds[proposal.Kind].execute(s, env, proposal.Body, parameters); err != nil {
			return ProposalResponse{}, none, err
		}
	case !passes(voters-no, voters, threshold):
		name, proposal.Status = "ProposalRejected", Rejected
	}
	response := ProposalResponse{proposal.ID, proposal.Status, yes, no}
	payload := map[string]any{"proposal": proposal.ID, "kind": proposal.Kind, "status": proposal.Status, "voter": env.Caller.MSPID}
	return response, ledger.Event{Name: name, Payload: payload}, ledger.Store(s, ledger.Key("proposal", proposal.ID), proposal)
}

// passes says whether more than the threshold's share of the voters said yes.
func passes(yes, voters int, thresholdPPM uint64) bool {
	return uint64(yes)*1_000_000 > uint64(voters)*thresholdPPM
}

func tally(s ledger.State, proposal string) (yes, no, voters int, err error) {
	active, err := Voters(s)
	if err != nil {
		return 0, 0, 0, err
	}
	for _, msp := range active {
		ballot, voted, err := ledger.Load[Ballot](s, ledger.Key("vote", proposal, msp))
		switch {
		case err != nil:
			return 0, 0, 0, err
		case voted && ballot.Approve:
			yes++
		case voted:
			no++
		}
	}
	return yes, no, len(active), nil
}

// LoadProposal reads a proposal.
func LoadProposal(s ledger.State, id string) (Proposal, error) {
	if err := ledger.CheckTxID(id); err != nil {
		return Proposal{}, err
	}
	proposal, found, err := ledger.Load[Proposal](s, ledger.Key("proposal", id))
	if err == nil && !found {
		err = errcode.New(errcode.UnknownProposal, "%s", id)
	}
	return proposal, err
}

// Votes lists the votes on a proposal by MSP id.
func Votes(s ledger.State, id string) (map[string]Ballot, error) {
	items, err := ledger.List[Ballot](s, "vote", id)
	votes := map[string]Ballot{}
	for _, item := range items {
		votes[item.Parts[1]] = item.Record
	}
	return votes, err
}
