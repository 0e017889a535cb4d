// Package round is the state machine of a training's rounds: who may say what in which phase, when a phase is over, and
// what must hold before anything is revealed. transition.go is the machine as one table.
package round

import (
	"encoding/json"
	"slices"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
)

// Ref names one attempt of one round of a training.
type Ref struct {
	Training string `json:"training"`
	Round    uint64 `json:"round"`
	Attempt  uint64 `json:"attempt"`
}

func (r Ref) key(kind string, parts ...string) string {
	return ledger.Key(kind, append(r.parts(), parts...)...)
}

func (r Ref) parts() []string {
	return []string{r.Training, ledger.Number(r.Round), ledger.Number(r.Attempt)}
}

func (r Ref) check() error {
	if err := ledger.CheckID("training", r.Training); err != nil {
		return err
	}
	if r.Round < 1 || r.Attempt < 1 || r.Round > maxRounds || r.Attempt > maxRounds {
		return errcode.New(errcode.BadArgument, "round and attempt count from 1")
	}
	return nil
}

const maxRounds = 1_000_000_000

// Member is a drawn participant with what the round needs of it, as it stood when the round was opened.
type Member struct {
	Participant string `json:"participant"`
	MSPID       string `json:"msp_id"`
	Rows        uint64 `json:"rows"`
	Quality     uint64 `json:"quality"`
	Reliability uint64 `json:"reliability"`
}

// Round is what OpenRound fixes for good. Members are in cohort order, which is by id.
type Round struct {
	Ref
	Epoch        uint64                `json:"epoch"`
	Parent       uint64                `json:"parent"`
	Depth        uint64                `json:"depth"`
	Plan         string                `json:"plan"`
	BaseState    string                `json:"base_state"`
	LayoutDigest string                `json:"layout_digest"`
	Session      string                `json:"session"`
	UpdateBytes  uint64                `json:"update_bytes"`
	Threshold    int                   `json:"threshold"`
	Cohort       []Member              `json:"cohort"`
	Aggregators  []string              `json:"aggregators"`
	OpenedMS     int64                 `json:"opened_ms"`
	Beacon       string                `json:"beacon"`
	Budget       uint64                `json:"budget"`
	Lifted       bool                  `json:"lifted"`
	Rules        uint64                `json:"rules"`
	Parameters   governance.Parameters `json:"parameters"`
}

// Names returns the cohort's ids in order.
func (r Round) Names() []string {
	names := make([]string, len(r.Cohort))
	for i, member := range r.Cohort {
		names[i] = member.Participant
	}
	return names
}

func (r Round) floor() int { return max(r.Threshold, int(r.Parameters.SurvivorMin)) }

// Status is the one record of a round that changes: its phase and what earlier phases froze.
type Status struct {
	Phase       Phase    `json:"phase"`
	DeadlineMS  int64    `json:"deadline_ms"`
	U1          []string `json:"u1"`
	U2          []string `json:"u2"`
	Survivors   []string `json:"survivors"`
	Beacon      string   `json:"beacon"`
	Turn        Turn     `json:"turn"`
	Number      uint64   `json:"number"`
	Open        bool     `json:"open"`
	State       string   `json:"state"`
	DeviationE9 uint64   `json:"deviation_e9"`
	VoidReason  string   `json:"void_reason"`
}

// Turn says whose turn it is to propose: the member at Position of the surviving aggregators since FromMS, and one more
// with every lease that passes.
type Turn struct {
	Position int   `json:"position"`
	FromMS   int64 `json:"from_ms"`
}

// Keys are a member's two fresh public keys.
type Keys struct {
	SealKey string `json:"seal_key"`
	MaskKey string `json:"mask_key"`
}

// Shares are a member's commitments to its seed and to all shares that it dealt, and the digest of its sealed bundle.
type Shares struct {
	SeedCommitment string `json:"seed_commitment"`
	SharesRoot     string `json:"shares_root"`
	Sealed         string `json:"sealed"`
}

// Update is a member's masked update.
type Update struct {
	Digest   string `json:"digest"`
	Length   uint64 `json:"length"`
	Examples uint64 `json:"examples"`
}

// Reveal is what one member revealed, in cohort order of the dealers.
type Reveal struct {
	Shares []RevealedShare `json:"shares"`
}

// RevealedShare is one share that was checked against its dealer's root.
type RevealedShare struct {
	Dealer string `json:"dealer"`
	Kind   string `json:"kind"`
	Value  string `json:"value"`
}

// Proposed is an aggregator's claim about the round's result.
type Proposed struct {
	Number    uint64            `json:"number"`
	Proposer  string            `json:"proposer"`
	Aggregate string            `json:"aggregate"`
	State     string            `json:"state"`
	Metrics   map[string]string `json:"metrics"`
	Examples  uint64            `json:"examples"`
}

// Attestation is an organisation's verdict on the proposed state.
type Attestation struct {
	State       string `json:"state"`
	Agree       bool   `json:"agree"`
	DeviationE9 uint64 `json:"deviation_e9"`
}

func load(s ledger.State, ref Ref) (Round, Status, error) {
	if err := ref.check(); err != nil {
		return Round{}, Status{}, err
	}
	if err := s.Ahead(ref.key("round"), ref.key("phase")); err != nil {
		return Round{}, Status{}, err
	}
	round, found, err := ledger.Load[Round](s, ref.key("round"))
	if err == nil && !found {
		err = errcode.New(errcode.UnknownRound, "%s has no round %d, attempt %d", ref.Training, ref.Round, ref.Attempt)
	}
	if err != nil {
		return round, Status{}, err
	}
	status, _, err := ledger.Load[Status](s, ref.key("phase"))
	return round, status, err
}

// RulesOf returns the version of the rules under which the attempt that an argument names was opened, or the one in force
// where it names none.
func RulesOf(s ledger.State, argument []byte, inForce uint64) (uint64, error) {
	var ref Ref
	if json.Unmarshal(argument, &ref) != nil || ref.check() != nil {
		return inForce, nil
	}
	round, found, err := ledger.Load[Round](s, ref.key("round"))
	if err != nil || !found {
		return inForce, err
	}
	return round.Rules, nil
}

// inPhase loads a round that must be in this phase. Reading the phase is what kills a transaction that commits late.
func inPhase(s ledger.State, ref Ref, phase Phase) (Round, Status, error) {
	round, status, err := load(s, ref)
	if err == nil && status.Phase != phase {
		err = errcode.New(errcode.WrongPhase, "round %d, attempt %d is in phase %s, not %s", ref.Round, ref.Attempt, status.Phase, phase)
	}
	return round, status, err
}

func putStatus(s ledger.State, ref Ref, status Status) error {
	return ledger.Store(s, ref.key("phase"), status)
}

// once refuses what a participant has done in this attempt.
func once(s ledger.State, key string) error {
	raw, err := s.Get(key)
	if err == nil && raw != nil {
		err = errcode.New(errcode.AlreadyDone, "it is on the ledger already")
	}
	return err
}

func among(members []string, participant, what string) error {
	if !slices.Contains(members, participant) {
		return errcode.New(errcode.NotInCohort, "%s is not among %s", participant, what)
	}
	return nil
}

// byMember reads a range of one kind as a map from participant to record.
func byMember[T any](s ledger.Reader, ref Ref, kind string) (map[string]T, error) {
	items, err := ledger.List[T](s, kind, ref.parts()...)
	records := map[string]T{}
	for _, item := range items {
		records[item.Parts[3]] = item.Record
	}
	return records, err
}

// present returns those of members that records hold, in the members' order.
func present[T any](members []string, records map[string]T) []string {
	found := []string{}
	for _, member := range members {
		if _, ok := records[member]; ok {
			found = append(found, member)
		}
	}
	return found
}

// without returns members that are not in others, in the members' order.
func without(members, others []string) []string {
	left := []string{}
	for _, member := range members {
		if !slices.Contains(others, member) {
			left = append(left, member)
		}
	}
	return left
}
