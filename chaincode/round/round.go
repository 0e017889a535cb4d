// Package round is the state machine of a training's rounds: who may say what in which phase, when a phase is over, and
// what must hold before anything is revealed. transition.go is the machine as one table; docs/life-of-a-round.md explains it. T
// numbers in comments are those of docs/threat-model.md.
package round

import (
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
)

// Ref names one attempt of one round of a training. Rounds count through a training's whole life, also after a vote rolls it
// back; attempts count within a round. So no two attempts ever share a Ref.
type Ref struct {
	Training string `json:"training"`
	Round    uint64 `json:"round"`   // from 1
	Attempt  uint64 `json:"attempt"` // from 1
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

// Member is a drawn participant with what the round needs of it. Nothing that happens to the participant later changes it.
type Member struct {
	Participant string `json:"participant"`
	MSPID       string `json:"msp_id"`
	// Rows are the vetted rows as they stood when the round was opened. Invariant: what the member declares is at most these,
	// rounded up to the voted granularity.
	Rows uint64 `json:"rows"`
	// Quality and Reliability are factors of the member's reward, from the epoch's snapshot. Invariant: 1 to 1000 each.
	Quality     uint64 `json:"quality"`
	Reliability uint64 `json:"reliability"`
}

// Round is what OpenRound fixes for good. No transaction changes it.
type Round struct {
	Ref
	// Epoch is the one whose draw the cohort comes from. Invariant: Epoch >= 1.
	Epoch uint64 `json:"epoch"`
	// Parent is the round whose Final made BaseState, 0 for the plan's initial state. Invariant: Parent < Round.
	Parent uint64 `json:"parent"`
	// Depth counts the rounds from the initial state to this one's result. Invariant: Depth is one more than the parent's, and
	// at most the rounds that the training was voted.
	Depth        uint64 `json:"depth"`
	Plan         string `json:"plan"`
	BaseState    string `json:"base_state"`
	LayoutDigest string `json:"layout_digest"`
	// Session is the digest of channel, Ref, Plan, BaseState and LayoutDigest. Every key, share and mask of this attempt is
	// bound to it, so that none can be used in another.
	Session string `json:"session"`
	// UpdateBytes is the length of each masked update, which follows from the plan's layout.
	UpdateBytes uint64 `json:"update_bytes"`
	// Threshold is how many shares rebuild a secret. Invariant: ⌊2n/3⌋+1 of the n in Cohort, however many drop out.
	Threshold int `json:"threshold"`
	// Cohort is in cohort order, which is by id. Invariant: at least cohort_min members.
	Cohort []Member `json:"cohort"`
	// KeptOut are those who would be in the cohort had nobody complained of them without proof: their part of the budget is paid
	// to no member that would be in it anyway. InPlace are the members that would not be. Invariant: Cohort and KeptOut share nobody.
	KeptOut []Member `json:"kept_out"`
	InPlace []string `json:"in_place"`
	// Groups are the groups that masks are shared within, each in cohort order. Invariant: a partition of the cohort; absent where
	// the cohort has one sum.
	Groups [][]string `json:"groups,omitempty"`
	// Aggregators is the order in which members may propose. Invariant: a permutation of the cohort's ids.
	Aggregators []string `json:"aggregators"`
	OpenedMS    int64    `json:"opened_ms"`
	// Beacon is what the attempt before left, or the founders'. It seeds Aggregators, and the draw where the attempt is the
	// first of an epoch.
	Beacon string `json:"beacon"`
	// Budget is what a Final pays. It is set aside once for all attempts of a round.
	Budget uint64 `json:"budget"`
	// Lifted says that a vote let this one attempt freeze survivors that differ by too few from an earlier set.
	Lifted bool `json:"lifted"`
	// Rules and Parameters are those in force when the round was opened: a vote changes the next round, never this one.
	Rules      uint64                `json:"rules"`
	Parameters governance.Parameters `json:"parameters"`
}

// Names returns the cohort's ids in order.
func (r Round) Names() []string {
	names := make([]string, len(r.Cohort))
	for i, member := range r.Cohort {
		names[i] = member.Participant
	}
	return names
}

// floor is how many members no phase may end with fewer of.
func (r Round) floor() int { return max(r.Threshold, int(r.Parameters.SurvivorMin)) }

// Status is the one record of a round that changes: its phase and what earlier phases froze.
//
// Invariant: Survivors ⊆ U2 ⊆ U1 ⊆ cohort, in cohort order. Each is empty until its phase ends, and has at least floor()
// members from then on.
type Status struct {
	Phase Phase `json:"phase"`
	// DeadlineMS is from when on the phase may end without those who are missing; in Attest, while a proposal is open, from
	// when on it may be passed over.
	DeadlineMS int64 `json:"deadline_ms"`
	// U1 are those who published keys, U2 those of them who dealt shares, Survivors those of them whose updates are summed.
	U1        []string `json:"u1"`
	U2        []string `json:"u2"`
	Survivors []string `json:"survivors"`
	// LeftOut are those whose updates are there and are not summed, since their group stays closed. Invariant: absent where there
	// are none, else none of Survivors, in cohort order.
	LeftOut []string `json:"left_out,omitempty"`
	// Beacon is what this attempt leaves to the next: the round's own until Attest, from then on what a Final leaves, and
	// after Void what a void attempt leaves.
	Beacon string `json:"beacon"`
	// Turn is set from Attest on.
	Turn Turn `json:"turn"`
	// Number counts the proposals. Invariant: proposals 1 to Number are on the ledger, and only the last can be open.
	Number uint64 `json:"number"`
	// Open says that proposal Number awaits attestations. Invariant: Open only in Attest.
	Open bool `json:"open"`
	// State is the result. Invariant: empty before Final, then the state of proposal Number.
	State string `json:"state"`
	// DeviationE9 is the largest deviation that an attestation in favour of the result told. Invariant: 0 before Final, and
	// at most MaxDeviationE9.
	DeviationE9 uint64 `json:"deviation_e9"`
	// Voters and Majority are by what the result was agreed: how many organisations were active, and how many of them had to
	// agree. Invariant: 0 before Final, then at least Majority organisations agree to State.
	Voters   int `json:"voters"`
	Majority int `json:"majority"`
	// VoidReason is an error code. Invariant: it is set in Void, and only there.
	VoidReason string `json:"void_reason"`
}

// Turn says whose turn it is to propose: the member at Position of the surviving aggregators since FromMS, and one more
// with every lease that passes. A turn does not end when the next begins.
//
// Invariant: 0 <= Position < the number of survivors.
type Turn struct {
	Position int   `json:"position"`
	FromMS   int64 `json:"from_ms"`
}
