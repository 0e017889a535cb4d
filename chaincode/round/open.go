package round

import (
	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/rewards"
	"fedledger/chaincode/secagg"
	"fedledger/chaincode/selection"
)

// OpenRequest is the argument of OpenRound.
type OpenRequest struct {
	Training string `json:"training"`
}

// OpenRound draws the cohort of the next round, or of the next attempt after a void one, and fixes all that it depends on.
func OpenRound(s ledger.State, env ledger.Env, req OpenRequest) (Ref, ledger.Event, error) {
	none := ledger.Event{}
	if err := governance.CheckMember(s, env); err != nil {
		return Ref{}, none, err
	}
	training, err := LoadTraining(s, req.Training)
	if err != nil {
		return Ref{}, none, err
	}
	if training, err = next(s, env, training); err != nil {
		return Ref{}, none, err
	}
	plan, err := LoadPlan(s, training.Plan)
	if err != nil {
		return Ref{}, none, err
	}
	round, err := fix(s, env, training, plan)
	if err != nil {
		return Ref{}, none, err
	}
	if training.Round == training.EpochEnd && training.Snapshots == training.Epoch {
		training.Snapshots++
		if err := selection.TakeSnapshot(s, env, training.Training, training.Snapshots, plan.Schema); err != nil {
			return Ref{}, none, err
		}
	}
	if round.Lifted {
		if err := s.Del(ledger.Key("lift", training.Training)); err != nil {
			return Ref{}, none, err
		}
	}
	phase, err := store(s, env, training, round)
	return round.Ref, happened("RoundOpened", round.Ref, phase), err
}

// store writes the round, and its status as it stands with the keys that members have laid ready.
func store(s ledger.State, env ledger.Env, training Training, round Round) (Phase, error) {
	status := Status{
		Phase: PhaseKeys, DeadlineMS: env.TimeMS + round.Parameters.KeysMS, Beacon: round.Beacon,
		U1: []string{}, U2: []string{}, Survivors: []string{},
	}
	if err := putTraining(s, training); err != nil {
		return "", err
	}
	if err := ledger.Store(s, round.key("round"), round); err != nil {
		return "", err
	}
	if err := engage(s, round); err != nil {
		return "", err
	}
	if differ(round.Rules).flows {
		if err := takeAhead(s, env, round); err != nil {
			return "", err
		}
		var err error
		if status, _, err = flow(s, round, status); err != nil {
			return "", err
		}
	}
	return status.Phase, putStatus(s, round.Ref, status)
}

// engage ties what each member may owe to the attempt.
func engage(s ledger.State, round Round) error {
	most := max(round.Parameters.FaultSlash(), round.Parameters.DropoutSlash())
	for _, id := range round.Names() {
		if err := rewards.Engage(s, round.Training, round.Round, round.Attempt, id, most); err != nil {
			return err
		}
	}
	return nil
}

// next takes over how the last round ended and moves the training to its next round, attempt and epoch.
func next(s ledger.State, env ledger.Env, training Training) (Training, error) {
	if training.Pending {
		round, status, err := load(s, training.ref())
		if err != nil {
			return training, err
		}
		if status.Phase != Final && status.Phase != Void {
			return training, errcode.New(errcode.RoundInProgress, "round %d, attempt %d of %s is in phase %s",
				training.Round, training.Attempt, training.Training, status.Phase)
		}
		training = training.takeOver(round, status)
	}
	if training.Stopped || training.Head.Depth >= training.Rounds {
		return training, errcode.New(errcode.TrainingEnded, "%s has been stopped or has finished its %d rounds",
			training.Training, training.Rounds)
	}
	if training.Retry {
		training.Attempt++
	} else {
		training.Round, training.Attempt = training.Round+1, 1
	}
	if training.NewEpoch || training.Round > training.EpochEnd {
		training.Epoch, training.NewEpoch = training.Snapshots, false
		training.EpochEnd = training.Round + training.EpochRounds - 1
	}
	training.Pending = true
	if !training.AwaitsBeacon {
		return training, nil
	}
	fresh, err := governance.CurrentBeacon(s, env)
	if err != nil {
		return training, err
	}
	beacon := codec.Hash(codec.LabelBeaconRolledBack, ledger.Bytes(training.Beacon), ledger.Bytes(fresh))
	training.Beacon, training.AwaitsBeacon = ledger.Hex(beacon[:]), false
	return training, nil
}

// fix makes the round's immutable record.
func fix(s ledger.State, env ledger.Env, training Training, plan Plan) (Round, error) {
	parameters, err := governance.CurrentParameters(s)
	if err != nil {
		return Round{}, err
	}
	rules, err := governance.RulesVersion(s)
	if err != nil {
		return Round{}, err
	}
	found, err := draw(s, training, parameters, rules)
	if err != nil {
		return Round{}, err
	}
	cohort := found.cohort
	if err := checkCost(plan, len(cohort), parameters); err != nil {
		return Round{}, err
	}
	if err := checkMode(plan, parameters); err != nil {
		return Round{}, err
	}
	if err := rewards.Reserve(s, training.Training, training.Round, parameters.RoundBudget); err != nil {
		return Round{}, err
	}
	budget, err := rewards.Reserved(s, training.Training, training.Round)
	if err != nil {
		return Round{}, err
	}
	_, lifted, err := ledger.Load[map[string]int64](s, ledger.Key("lift", training.Training))
	if err != nil {
		return Round{}, err
	}
	round := Round{
		Ref: training.ref(), Epoch: training.Epoch, Parent: training.Head.Round, Depth: training.Head.Depth + 1,
		Plan: plan.Plan, BaseState: training.Head.State, LayoutDigest: plan.LayoutDigest, UpdateBytes: plan.UpdateBytes,
		Threshold: secagg.Threshold(len(cohort)), Cohort: cohort, KeptOut: found.keptOut, InPlace: found.inPlace,
		OpenedMS: env.TimeMS, Beacon: training.Beacon, Budget: budget, Lifted: lifted, Rules: rules, Parameters: parameters,
	}
	round.Aggregators = selection.Shuffle(ledger.Bytes(training.Beacon), training.Training, training.Round, training.Attempt, round.Names())
	return round.bound(s, env, found.order)
}

// bound adds the groups, and the session that binds keys and masks to all of it.
func (r Round) bound(s ledger.State, env ledger.Env, order []string) (Round, error) {
	if err := r.partition(s, order); err != nil {
		return Round{}, err
	}
	r.Session = session(env.Channel, r)
	return r, nil
}

func session(channel string, round Round) string {
	digest := secagg.Session(secagg.Context{
		Channel: channel, Training: round.Training, Round: round.Round, Attempt: round.Attempt,
		Plan: bytes32(round.Plan), BaseState: bytes32(round.BaseState), LayoutDigest: bytes32(round.LayoutDigest),
		Groups: round.groupsDigest(),
	})
	return ledger.Hex(digest[:])
}

func bytes32(text string) [32]byte { return [32]byte(ledger.Bytes(text)) }
