package selection

import (
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/membership"
	"fedledger/chaincode/rewards"
)

// Snapshot holds the inputs of an epoch's draw, taken before anyone could know its seed.
type Snapshot struct {
	Candidates []Candidate `json:"candidates"`
	TakenMS    int64       `json:"taken_ms"`
}

// DrawRecord is an epoch's draw with all that it was made from.
type DrawRecord struct {
	Training   string      `json:"training"`
	Epoch      uint64      `json:"epoch"`
	Seed       string      `json:"seed"`
	Candidates []Candidate `json:"candidates"`
	Order      []string    `json:"order"`
}

func snapshotKey(training string, epoch uint64) string {
	return ledger.Key("snapshot", training, ledger.Number(epoch))
}

func drawKey(training string, epoch uint64) string {
	return ledger.Key("draw", training, ledger.Number(epoch))
}

// TakeSnapshot fixes the candidates of an epoch, once: the active participants whose data follow the plan's schema.
func TakeSnapshot(s ledger.State, env ledger.Env, training string, epoch uint64, schema string) error {
	if _, taken, err := ledger.Load[Snapshot](s, snapshotKey(training, epoch)); err != nil || taken {
		return err
	}
	parameters, err := governance.CurrentParameters(s)
	if err != nil {
		return err
	}
	participants, err := membership.Participants(s)
	if err != nil {
		return err
	}
	snapshot := Snapshot{[]Candidate{}, env.TimeMS}
	for _, participant := range participants {
		if participant.Profile.Schema != schema || participant.Status != governance.Active {
			continue
		}
		candidate, err := weigh(s, participant, parameters)
		if err != nil {
			return err
		}
		snapshot.Candidates = append(snapshot.Candidates, candidate)
	}
	return ledger.Store(s, snapshotKey(training, epoch), snapshot)
}

// weigh reads the factors of a participant. The minimum stake counts 100, ten times as much 1000.
func weigh(s ledger.State, participant membership.Participant, parameters governance.Parameters) (Candidate, error) {
	score, err := rewards.LoadScore(s, participant.ID)
	if err != nil {
		return Candidate{}, err
	}
	stake, err := rewards.StakeOf(s, participant.ID)
	if err != nil {
		return Candidate{}, err
	}
	weight := uint64(1000)
	if parameters.MinimumStake > 0 && stake < 10*parameters.MinimumStake {
		weight = stake * 100 / parameters.MinimumStake
	}
	return Candidate{
		participant.ID, participant.MSPID,
		max(1, score.Availability/1000), participant.Profile.Quality(), max(1, weight), max(1, score.Reputation/1000),
	}, nil
}

// Drawn returns the epoch's draw, and makes it from the snapshot and the seed where there is none yet.
func Drawn(s ledger.State, training string, epoch uint64, seed string) (DrawRecord, error) {
	record, drawn, err := ledger.Load[DrawRecord](s, drawKey(training, epoch))
	if err != nil || drawn {
		return record, err
	}
	snapshot, _, err := ledger.Load[Snapshot](s, snapshotKey(training, epoch))
	if err != nil {
		return record, err
	}
	record = DrawRecord{training, epoch, seed, snapshot.Candidates, []string{}}
	for _, candidate := range Draw(ledger.Bytes(seed), training, epoch, snapshot.Candidates) {
		record.Order = append(record.Order, candidate.Participant)
	}
	return record, ledger.Store(s, drawKey(training, epoch), record)
}

// LoadDraw reads an epoch's draw.
func LoadDraw(s ledger.State, training string, epoch uint64) (DrawRecord, bool, error) {
	return ledger.Load[DrawRecord](s, drawKey(training, epoch))
}

// Eligible returns the draw's candidates in its order, without those that are suspended or removed now, and without those
// whose stake, beyond what they may owe, is below the minimum: whose faults would be free.
func Eligible(s ledger.State, record DrawRecord, minimumStake uint64) ([]Candidate, error) {
	byName, keys := map[string]Candidate{}, []string{}
	for _, candidate := range record.Candidates {
		byName[candidate.Participant] = candidate
		keys = append(keys, ledger.Key("participant", candidate.Participant), ledger.Key("organisation", candidate.MSPID),
			ledger.Key("stake", candidate.Participant))
	}
	if err := s.Ahead(keys...); err != nil {
		return nil, err
	}
	found := []Candidate{}
	for _, name := range record.Order {
		eligible, err := isEligible(s, name, minimumStake)
		if err != nil {
			return nil, err
		}
		if eligible {
			found = append(found, byName[name])
		}
	}
	return found, nil
}

func isEligible(s ledger.State, name string, minimumStake uint64) (bool, error) {
	participant, err := membership.Load(s, name)
	if err != nil {
		return false, err
	}
	organisation, err := governance.LoadOrganisation(s, participant.MSPID)
	if err != nil || participant.Status != governance.Active || organisation.Status != governance.Active {
		return false, err
	}
	stake, err := rewards.FreeStake(s, name)
	return stake >= minimumStake, err
}
