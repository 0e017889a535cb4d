package governance

import (
	"encoding/json"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

// Parameters are what the consortium may change by vote. Shares are in parts per million (ppm), durations in
// milliseconds, amounts in the smallest unit of the token.
type Parameters struct {
	CohortMin                   uint64 `json:"cohort_min"`
	MaxCohort                   uint64 `json:"max_cohort"`
	SurvivorMin                 uint64 `json:"survivor_min"`
	SurvivorDifferenceMin       uint64 `json:"survivor_difference_min"`
	ShareLimitPPM               uint64 `json:"share_limit_ppm"`
	StrictDifferencing          uint64 `json:"strict_differencing"`
	ParticipantsPerOrganisation uint64 `json:"participants_per_organisation"`
	EpochRounds                 uint64 `json:"epoch_rounds"`
	MinimumRows                 uint64 `json:"minimum_rows"`
	CountBucket                 uint64 `json:"count_bucket"`
	MaxUpdateBytes              uint64 `json:"max_update_bytes"`
	VerificationMS              int64  `json:"verification_ms"`
	TimeWindowMS                int64  `json:"time_window_ms"`
	KeysMS                      int64  `json:"keys_ms"`
	SharesMS                    int64  `json:"shares_ms"`
	UpdatesMS                   int64  `json:"updates_ms"`
	UnmaskMS                    int64  `json:"unmask_ms"`
	AttestMS                    int64  `json:"attest_ms"`
	AggregatorLeaseMS           int64  `json:"aggregator_lease_ms"`
	ProposalMS                  int64  `json:"proposal_ms"`
	BeaconMS                    int64  `json:"beacon_ms"`
	VoteThresholdPPM            uint64 `json:"vote_threshold_ppm"`
	FoundingGrant               uint64 `json:"founding_grant"`
	TreasuryGrant               uint64 `json:"treasury_grant"`
	RoundBudget                 uint64 `json:"round_budget"`
	MinimumStake                uint64 `json:"minimum_stake"`
	StakeLockMS                 int64  `json:"stake_lock_ms"`
	TransferMS                  int64  `json:"transfer_ms"`
	SlashDropoutPPM             uint64 `json:"slash_dropout_ppm"`
	SlashFaultPPM               uint64 `json:"slash_fault_ppm"`
	ReputationDecayPPM          uint64 `json:"reputation_decay_ppm"`
	Mode                        string `json:"mode"`
	// RobustGroups are the settings of the mode of that name. Invariant: nil in every other mode.
	RobustGroups *RobustGroups `json:"robust_groups,omitempty"`
	// Contribution are the terms of paying what groups contributed. Invariant: nil in every mode but robust_groups.
	Contribution *Contribution `json:"contribution,omitempty"`
	// Plain are those of the mode plain, likewise.
	Plain *Plain `json:"plain,omitempty"`
}

// Modes of aggregation. Version 1 of the rules has the first alone.
const (
	ModeSecureSum    = "secure_sum"
	ModeRobustGroups = "robust_groups"
	ModePlain        = "plain"
)

// Defaults are the parameters that a definition does not name. Durations suit a demonstration, which names no time window;
// a consortium names that of its peers, and then no phase is shorter than three of them.
func Defaults() Parameters {
	return Parameters{
		CohortMin: 4, MaxCohort: 100, SurvivorMin: 3, SurvivorDifferenceMin: 3, ShareLimitPPM: 700_000,
		ParticipantsPerOrganisation: 1, EpochRounds: 5, MinimumRows: 1, CountBucket: 1, MaxUpdateBytes: 64 << 20, VerificationMS: 600_000,
		KeysMS: 8_000, SharesMS: 8_000, UpdatesMS: 30_000, UnmaskMS: 8_000, AttestMS: 15_000, AggregatorLeaseMS: 10_000,
		ProposalMS: 7 * 24 * 3_600_000, BeaconMS: 180_000, VoteThresholdPPM: 500_000,
		FoundingGrant: 10_000_000, TreasuryGrant: 1_000_000_000, RoundBudget: 1_000_000, MinimumStake: 1_000_000,
		StakeLockMS: 24 * 3_600_000, TransferMS: 5_000, SlashDropoutPPM: 10_000, SlashFaultPPM: 100_000, ReputationDecayPPM: 100_000,
		Mode: ModeSecureSum,
	}
}

// Bound is a parameter with its range.
type Bound struct {
	Name      string
	Value     uint64
	Low, High uint64
}

// Bounds returns every parameter but the mode with its range, which may depend on others. The floors of secure aggregation
// (a cohort of 4, 3 survivors) cannot be voted away.
func (p Parameters) Bounds() []Bound {
	const ppm, longest, tokens = 1_000_000, 365 * 24 * 3_600_000, 1 << 53
	shortest := max(1, 3*uint64(p.TimeWindowMS)) // who begins a wait and who ends it may be a window off each: one is left
	return []Bound{
		{"cohort_min", p.CohortMin, 4, p.MaxCohort},
		{"max_cohort", p.MaxCohort, 4, 100},
		{"survivor_min", p.SurvivorMin, 3, p.CohortMin},
		{"survivor_difference_min", p.SurvivorDifferenceMin, 3, 100},
		{"share_limit_ppm", p.ShareLimitPPM, 1, ppm},
		{"strict_differencing", p.StrictDifferencing, 0, 1},
		{"participants_per_organisation", p.ParticipantsPerOrganisation, 1, 100},
		{"epoch_rounds", p.EpochRounds, 1, 1_000_000},
		{"minimum_rows", p.MinimumRows, 1, 1 << 40},
		{"count_bucket", p.CountBucket, 1, 1 << 40},
		{"max_update_bytes", p.MaxUpdateBytes, 16, 1 << 32},
		{"verification_ms", uint64(p.VerificationMS), 1_000, longest},
		{"time_window_ms", uint64(p.TimeWindowMS), 0, 3_600_000},
		{"keys_ms", uint64(p.KeysMS), shortest, longest},
		{"shares_ms", uint64(p.SharesMS), shortest, longest},
		{"updates_ms", uint64(p.UpdatesMS), shortest, longest},
		{"unmask_ms", uint64(p.UnmaskMS), shortest, longest},
		{"attest_ms", uint64(p.AttestMS), shortest, longest},
		{"aggregator_lease_ms", uint64(p.AggregatorLeaseMS), 1, longest},
		{"proposal_ms", uint64(p.ProposalMS), shortest, longest},
		{"beacon_ms", uint64(p.BeaconMS), shortest, longest},
		{"vote_threshold_ppm", p.VoteThresholdPPM, ppm / 2, ppm - 1},
		{"founding_grant", p.FoundingGrant, 0, tokens},
		{"treasury_grant", p.TreasuryGrant, 0, tokens},
		{"round_budget", p.RoundBudget, 0, tokens},
		{"minimum_stake", p.MinimumStake, 0, tokens},
		{"stake_lock_ms", uint64(p.StakeLockMS), 0, longest},
		{"transfer_ms", uint64(p.TransferMS), 0, longest},
		{"slash_dropout_ppm", p.SlashDropoutPPM, 0, ppm},
		{"slash_fault_ppm", p.SlashFaultPPM, 0, ppm},
		{"reputation_decay_ppm", p.ReputationDecayPPM, 1, ppm},
	}
}

// FaultSlash is what a proven fault costs.
func (p Parameters) FaultSlash() uint64 { return part(p.MinimumStake, p.SlashFaultPPM) }

// DropoutSlash is what a dropout costs.
func (p Parameters) DropoutSlash() uint64 { return part(p.MinimumStake, p.SlashDropoutPPM) }

// part is so many ppm of an amount, rounded down; split so that no product overflows.
func part(amount, ppm uint64) uint64 {
	return amount/1_000_000*ppm + amount%1_000_000*ppm/1_000_000
}

// Check refuses a parameter outside its range, and a mode that is not among those that a version of the rules has.
func (p Parameters) Check(modes ...string) error {
	for _, b := range p.Bounds() {
		if b.Value < b.Low || b.Value > b.High {
			return errcode.New(errcode.BadParameter, "%s is %d, must be %d to %d", b.Name, b.Value, b.Low, b.High)
		}
	}
	return p.checkMode(modes)
}

// With returns the parameters with those that changes names replaced.
func (p Parameters) With(changes json.RawMessage, modes ...string) (Parameters, error) {
	if len(changes) == 0 {
		return p, p.Check(modes...)
	}
	if err := codec.DecodeStrict(changes, &p); err != nil {
		return p, errcode.New(errcode.BadParameter, "parameters: %v", err)
	}
	if err := p.checkSettings(changes, modes); err != nil {
		return p, err
	}
	if err := p.checkContribution(changes, modes); err != nil {
		return p, err
	}
	return p.settled(), p.Check(modes...)
}

var parametersKey = ledger.Key("parameters")

// CurrentParameters reads the parameters in force.
func CurrentParameters(s ledger.State) (Parameters, error) {
	p, found, err := ledger.Load[Parameters](s, parametersKey)
	if err == nil && !found {
		err = errcode.New(errcode.NotFounded, "send Found first")
	}
	return p, err
}

type parametersBody struct {
	Parameters json.RawMessage `json:"parameters"`
}

// SetParameters returns what executes set_parameters{parameters}, a part of them or all, where the version in force has these
// modes.
func SetParameters(modes ...string) Kind {
	next := func(raw json.RawMessage, current Parameters) (Parameters, error) {
		var change parametersBody
		if err := codec.DecodeStrict(raw, &change); err != nil {
			return current, errcode.New(errcode.BadArgument, "body: %v", err)
		}
		return current.With(change.Parameters, modes...)
	}
	return Kind{
		largest: smallBody,
		check: func(raw json.RawMessage, parameters Parameters) error {
			_, err := next(raw, parameters)
			return err
		},
		execute: func(s ledger.State, _ ledger.Env, raw json.RawMessage, parameters Parameters) error {
			changed, err := next(raw, parameters)
			if err != nil {
				return err
			}
			return ledger.Store(s, parametersKey, changed)
		},
	}
}
