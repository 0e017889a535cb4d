package round

import (
	"slices"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/rewards"
)

// beaconAfter is the beacon that a Final leaves: H(beacon, previous, round, b of every survivor in cohort order). Everyone
// committed to b before seeing another's.
func beaconAfter(round Round, seeds [][]byte) string {
	beacon := codec.Hash(codec.LabelBeacon, append([][]byte{ledger.Bytes(round.Beacon), codec.U64(round.Round)}, seeds...)...)
	return ledger.Hex(beacon[:])
}

// beaconAfterVoid is what a void attempt leaves: H(beacon-void, previous, round, attempt).
func beaconAfterVoid(round Round) string {
	beacon := codec.Hash(codec.LabelBeaconVoid, ledger.Bytes(round.Beacon), codec.U64(round.Round), codec.U64(round.Attempt))
	return ledger.Hex(beacon[:])
}

// void ends the attempt without a result.
func (t *turn) void(reason string) error {
	if err := t.gather(); err != nil {
		return err
	}
	if err := t.blame(errcode.Code(reason)); err != nil {
		return err
	}
	faults, err := t.faults(errcode.Code(reason))
	if err != nil {
		return err
	}
	if err := t.outcomes(t.dropouts(errcode.Code(reason)), faults, nil); err != nil {
		return err
	}
	t.status.Phase, t.status.Open, t.status.VoidReason = Void, false, reason
	t.status.Beacon = beaconAfterVoid(t.round)
	return putStatus(t.state, t.round.Ref, t.status)
}

// dropouts are the members that missed a phase which is over, in cohort order.
func (t *turn) dropouts(reason errcode.Code) []string {
	missed := t.round.Names()
	switch t.status.Phase {
	case PhaseKeys:
		missed = []string{}
	case PhaseShares:
		missed = without(missed, t.status.U1)
	case PhaseUpdates:
		missed = without(missed, t.status.U2)
	default:
		missed = without(missed, t.status.Survivors)
	}
	if t.late() && t.status.Phase != PhaseAttest && reason != errcode.VoidByVote {
		missed = append(missed, without(t.expected(), t.arrived)...)
	}
	missed = append(missed, t.silent...)
	if t.status.Phase == PhaseAttest || t.status.Phase == Final {
		missed = append(missed, without(t.status.Survivors, t.arrived)...)
	}
	slices.Sort(missed)
	return missed
}

// faults are the members whose fault the ledger's own records prove: those blamed now and those flagged before.
func (t *turn) faults(reason errcode.Code) ([]string, error) {
	found := []string{}
	if reason != errcode.VoidBadSeals {
		found = append(found, t.badNames...)
	}
	flags, err := ledger.List[Flag](t.state, "flag", t.round.parts()...)
	for _, item := range flags {
		if item.Record.Kind == FlagRefuted || item.Record.Kind == FlagRefusal {
			found = append(found, item.Record.Participant)
		}
	}
	return found, err
}

// outcomes records what the attempt showed of its members: facts only.
func (t *turn) outcomes(dropouts, faults, finished []string) error {
	parameters := t.round.Parameters
	for _, member := range t.round.Cohort {
		var outcome rewards.Outcome
		switch id := member.Participant; {
		case slices.Contains(faults, id):
			outcome = rewards.Outcome{Outcome: rewards.Fault, Slash: part(parameters.MinimumStake, parameters.SlashFaultPPM)}
		case slices.Contains(dropouts, id):
			outcome = rewards.Outcome{Outcome: rewards.Dropout, Slash: part(parameters.MinimumStake, parameters.SlashDropoutPPM)}
			if err := t.flag(id, FlagDropout, "the participant did not speak before a deadline"); err != nil {
				return err
			}
		case slices.Contains(finished, id):
			outcome = rewards.Outcome{Outcome: rewards.Finished}
		default:
			continue
		}
		if err := rewards.PutOutcome(t.state, t.round.Training, t.round.Round, t.round.Attempt, member.Participant, outcome); err != nil {
			return err
		}
	}
	return nil
}

// part is so many ppm of an amount, rounded down; split so that no product overflows.
func part(amount, ppm uint64) uint64 {
	return amount/1_000_000*ppm + amount%1_000_000*ppm/1_000_000
}

// finish makes the attested state the round's result. It writes keys of its own round only, so that nothing else that goes
// on in the consortium can make it fail.
func (t *turn) finish() error {
	proposed, _, err := ledger.Load[Proposed](t.state, t.round.key("proposed", ledger.Number(t.status.Number)))
	if err != nil {
		return err
	}
	t.status.State, t.status.Open = proposed.State, false
	if err := t.gather(); err != nil {
		return err
	}
	faults, err := t.faults("")
	if err != nil {
		return err
	}
	dropouts := t.dropouts("")
	if err := t.outcomes(dropouts, faults, without(t.status.Survivors, dropouts)); err != nil {
		return err
	}
	if err := t.flagExposures(); err != nil {
		return err
	}
	return t.reward(proposed)
}

// reward splits the round's budget among the survivors. Where the counted total does not lie within what the declared
// counts allow, all are paid by their vetted rows.
func (t *turn) reward(proposed Proposed) error {
	updates, err := byMember[Update](t.state, t.round.Ref, "update")
	if err != nil {
		return err
	}
	consistent, err := t.checkCounts(proposed, updates)
	if err != nil {
		return err
	}
	shares := []rewards.Share{}
	for _, id := range t.status.Survivors {
		member, volume := t.round.member(id), updates[id].Examples
		if !consistent {
			volume = member.Rows
		}
		shares = append(shares, rewards.Share{Participant: id, Volume: volume, Quality: member.Quality, Reliability: member.Reliability})
	}
	for i, amount := range rewards.Split(t.round.Budget, shares) {
		id := shares[i].Participant
		reward := rewards.Reward{Account: t.round.member(id).MSPID, Amount: amount}
		if err := rewards.PutReward(t.state, t.round.Training, t.round.Round, id, reward); err != nil {
			return err
		}
	}
	return nil
}

// checkCounts flags a counted total outside the bracket that the declared counts, each rounded up to the voted
// granularity, leave open. It shows an inconsistency, not who caused it, and never voids.
func (t *turn) checkCounts(proposed Proposed, updates map[string]Update) (bool, error) {
	layout, err := roundLayout(t.state, t.round)
	if err != nil || layout.Count == nil {
		return true, err
	}
	high := uint64(0)
	for _, id := range t.status.Survivors {
		high += updates[id].Examples
	}
	low := high - uint64(len(t.status.Survivors))*(t.round.Parameters.CountBucket-1)
	if proposed.Examples >= low && proposed.Examples <= high {
		return true, nil
	}
	return false, t.flag("", FlagCounts, describe("%d examples counted, %d to %d declared", proposed.Examples, low, high))
}
