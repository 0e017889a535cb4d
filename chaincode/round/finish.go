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

// culprits are those on whose account an attempt is void.
type culprits struct {
	blamed []string // they sit out the epoch
	silent []string // of those, who are dropouts because they answered nobody
}

// culprits names those on whose account the attempt is void for this reason.
func (f facts) culprits(reason errcode.Code) (culprits, error) {
	switch reason {
	case errcode.VoidBadSeals:
		found, err := f.seals()
		return culprits{found.blamed, found.silent}, err
	case errcode.VoidBadDealer:
		found, err := f.secrets()
		return culprits{blamed: found.bad}, err
	}
	return culprits{}, nil
}

// void ends the attempt without a result.
func (a *advance) void(reason errcode.Code, found culprits) error {
	dropouts, err := a.dropouts(reason != errcode.VoidByVote)
	if err != nil {
		return err
	}
	faults, err := a.faults(nil)
	if err != nil {
		return err
	}
	if reason != errcode.VoidBadSeals { // no record proves those
		faults = append(faults, found.blamed...)
	}
	if reason == errcode.VoidNoState {
		if err := a.flagBarren(); err != nil {
			return err
		}
	}
	if err := a.blame(reason, found.blamed); err != nil {
		return err
	}
	if err := a.outcomes(append(dropouts, found.silent...), faults, nil); err != nil {
		return err
	}
	a.status.Phase, a.status.Open, a.status.VoidReason = Void, false, string(reason)
	a.status.Beacon = beaconAfterVoid(a.round)
	return putStatus(a.state, a.round.Ref, a.status)
}

// dropouts are the members that missed a phase which is over. The present one counts where it ended by its deadline, and for those
// that have dropped out of it; a vote ends it for all others.
func (a *advance) dropouts(expired bool) ([]string, error) {
	found, err := a.facts.arrivals()
	was := a.facts.status
	missing := without(was.expected(a.round), found.names)
	var missed []string
	switch was.Phase {
	case PhaseKeys:
	case PhaseShares:
		missed = without(a.round.Names(), was.U1)
	case PhaseUpdates:
		missed = without(a.round.Names(), was.U2)
	default:
		missed = without(without(a.round.Names(), was.Survivors), was.LeftOut)
	}
	if was.Phase == PhaseAttest || expired && a.facts.late() {
		return append(missed, missing...), err
	}
	return append(missed, found.left...), err
}

// faults are the members that this attempt's flags prove a fault of. Those cleared are not at fault for having been refuted.
func (a *advance) faults(cleared []string) ([]string, error) {
	found := []string{}
	flags, err := ledger.List[Flag](a.state, "flag", a.round.parts()...)
	for _, item := range flags {
		who := item.Record.Participant
		refuted := item.Record.Kind == FlagRefuted && !slices.Contains(cleared, who)
		if refuted || item.Record.Kind == FlagRefusal {
			found = append(found, who)
		}
	}
	return found, err
}

// outcomes records what the attempt showed of its members: facts only.
func (a *advance) outcomes(dropouts, faults, finished []string) error {
	parameters := a.round.Parameters
	for _, member := range a.round.Cohort {
		var outcome rewards.Outcome
		switch id := member.Participant; {
		case slices.Contains(faults, id):
			outcome = rewards.Outcome{Outcome: rewards.Fault, Slash: parameters.FaultSlash()}
		case slices.Contains(dropouts, id):
			outcome = rewards.Outcome{Outcome: rewards.Dropout, Slash: parameters.DropoutSlash()}
			if err := a.flagDropout(id); err != nil {
				return err
			}
		case slices.Contains(finished, id):
			outcome = rewards.Outcome{Outcome: rewards.Finished}
		default: // a void attempt in which it did all that it had to: it owes nothing
			if err := rewards.Engage(a.state, a.round.Training, a.round.Round, a.round.Attempt, id, 0); err != nil {
				return err
			}
			continue
		}
		if err := rewards.PutOutcome(a.state, a.round.Training, a.round.Round, a.round.Attempt, member.Participant, outcome); err != nil {
			return err
		}
	}
	return nil
}

// finish makes the attested state the round's result. It writes keys of its own round and its training's step only, so that
// nothing else that goes on in the consortium can make it fail.
func (a *advance) finish() error {
	proposed, _, err := ledger.Load[Proposed](a.state, a.round.key("proposed", ledger.Number(a.status.Number)))
	if err != nil {
		return err
	}
	found, err := a.facts.verdicts()
	if err != nil {
		return err
	}
	a.status.State, a.status.Open, a.status.DeviationE9 = proposed.State, false, found.deviation
	a.status.Voters, a.status.Majority = found.voters, found.majority
	faults, err := a.judge(proposed)
	if err != nil {
		return err
	}
	dropouts, err := a.dropouts(true)
	if err != nil {
		return err
	}
	finished := without(without(a.status.Survivors, dropouts), faults)
	if err := a.outcomes(dropouts, faults, finished); err != nil {
		return err
	}
	if err := a.flagExposures(); err != nil {
		return err
	}
	if err := ledger.Store(a.state, stepKey(a.round.Training, a.round.Depth), a.round.Ref); err != nil {
		return err
	}
	return a.reward(proposed, finished)
}

// reward splits the round's budget among the survivors that finished: who withheld its reveal, or was proven at fault, is not
// paid. Where the counted total does not lie within what the declared counts allow, all are paid by their vetted rows.
func (a *advance) reward(proposed Proposed, finished []string) error {
	updates, err := byMember[Update](a.state, a.round.Ref, "update")
	if err != nil {
		return err
	}
	consistent, err := a.checkCounts(proposed, updates)
	if err != nil {
		return err
	}
	groups, err := a.contributed(proposed)
	if err != nil {
		return err
	}
	claims := []rewards.Share{}
	for _, id := range finished {
		member := a.round.member(id)
		member.Quality = a.round.valued(member.Quality, groups, id)
		claim := member.claim(member.Rows)
		if consistent {
			claim.Volume = updates[id].Examples
		}
		claims = append(claims, claim)
	}
	amounts := a.round.pay(claims)
	for _, id := range finished {
		reward := rewards.Reward{Account: a.round.member(id).MSPID, Amount: amounts[id]}
		if err := rewards.PutReward(a.state, a.round.Training, a.round.Round, id, reward); err != nil {
			return err
		}
	}
	return nil
}

// checkCounts flags a counted total outside the bracket that the declared counts, each rounded up to the voted
// granularity, leave open. It shows an inconsistency, not who caused it, and never voids.
func (a *advance) checkCounts(proposed Proposed, updates map[string]Update) (bool, error) {
	layout, err := roundLayout(a.state, a.round)
	if err != nil || layout.Count == nil {
		return true, err
	}
	high := uint64(0)
	for _, id := range a.status.Survivors {
		high += updates[id].Examples
	}
	low := high - uint64(len(a.status.Survivors))*(a.round.Parameters.CountBucket-1)
	if proposed.Examples >= low && proposed.Examples <= high {
		return true, nil
	}
	return false, a.flag("", FlagCounts, describe("%d examples counted, %d to %d declared", proposed.Examples, low, high))
}
