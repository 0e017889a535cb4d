package governance

import (
	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

// Beacon is a random value that nobody chose, made by commit and reveal: the first seeds the first epoch of every training,
// a later one the epoch that follows a roll back. There is one at a time; the members' parts lie apart.
type Beacon struct {
	// Number counts the beacons from 1.
	Number uint64 `json:"number"`
	// SinceMS is when members were first asked for their parts.
	SinceMS int64 `json:"since_ms"`
	// RevealingMS is when the first part was revealed, 0 before. From then on nobody commits.
	RevealingMS int64 `json:"revealing_ms"`
	// Value is "" until the beacon is made.
	Value string `json:"value"`
}

// BeaconPart is one member's part of a beacon.
type BeaconPart struct {
	Commitment string `json:"commitment"`
	Value      string `json:"value"` // "" until it is revealed
}

// CommitBeaconRequest is the argument of CommitBeacon.
type CommitBeaconRequest struct {
	Commitment string `json:"commitment"`
}

// RevealBeaconRequest is the argument of RevealBeacon.
type RevealBeaconRequest struct {
	Value string `json:"value"`
}

// BeaconResponse tells whose part is missing and, once it is made, the beacon.
type BeaconResponse struct {
	Missing []string `json:"missing"`
	Beacon  string   `json:"beacon"`
}

var beaconKey = ledger.Key("beacon")

func partKey(number uint64, msp string) string {
	return ledger.Key("beacon-part", ledger.Number(number), msp)
}

func putBeacon(s ledger.State, beacon Beacon) error { return ledger.Store(s, beaconKey, beacon) }

// CommitBeacon stores a member's commitment H(beacon-commitment, channel, msp, value).
func CommitBeacon(s ledger.State, env ledger.Env, req CommitBeaconRequest) (BeaconResponse, ledger.Event, error) {
	none := ledger.Event{}
	if err := ledger.CheckDigest("commitment", req.Commitment); err != nil {
		return BeaconResponse{}, none, err
	}
	m, err := contributing(s, env)
	if err != nil {
		return BeaconResponse{}, none, err
	}
	if m.failed() {
		m.Beacon, m.parts = Beacon{Number: m.Number + 1, SinceMS: env.TimeMS}, map[string]BeaconPart{}
		if err := putBeacon(s, m.Beacon); err != nil {
			return BeaconResponse{}, none, err
		}
	}
	switch {
	case m.parts[env.Caller.MSPID].Commitment != "":
		return BeaconResponse{}, none, errcode.New(errcode.BeaconDone, "%s has committed", env.Caller.MSPID)
	case m.RevealingMS > 0:
		return BeaconResponse{}, none, errcode.New(errcode.BeaconDone, "beacon %d is being revealed: it is made without %s", m.Number, env.Caller.MSPID)
	}
	part := BeaconPart{Commitment: req.Commitment}
	m.parts[env.Caller.MSPID] = part
	response := BeaconResponse{Missing: m.uncommitted()}
	return response, ledger.Event{Name: "BeaconCommitted", Payload: response}, ledger.Store(s, partKey(m.Number, env.Caller.MSPID), part)
}

// RevealBeacon opens a member's commitment; the last one makes the beacon H(beacon-first, msp, value, …) in the order of MSP ids.
func RevealBeacon(s ledger.State, env ledger.Env, req RevealBeaconRequest) (BeaconResponse, ledger.Event, error) {
	none := ledger.Event{}
	if err := ledger.CheckDigest("value", req.Value); err != nil {
		return BeaconResponse{}, none, err
	}
	m, err := contributing(s, env)
	if err != nil {
		return BeaconResponse{}, none, err
	}
	part := m.parts[env.Caller.MSPID]
	if err := m.checkReveal(env, part, req); err != nil {
		return BeaconResponse{}, none, err
	}
	part.Value = req.Value
	m.parts[env.Caller.MSPID] = part
	if m.RevealingMS == 0 {
		m.RevealingMS = env.TimeMS
		m.expired = false
	}
	if err := ledger.Store(s, partKey(m.Number, env.Caller.MSPID), part); err != nil {
		return BeaconResponse{}, none, err
	}
	m.make()
	response := BeaconResponse{m.unrevealed(), m.Value}
	return response, ledger.Event{Name: "BeaconRevealed", Payload: response}, putBeacon(s, m.Beacon)
}

func (m making) checkReveal(env ledger.Env, part BeaconPart, req RevealBeaconRequest) error {
	who := env.Caller.MSPID
	switch {
	case part.Value != "":
		return errcode.New(errcode.BeaconDone, "%s has revealed", who)
	case part.Commitment == "" && m.RevealingMS > 0:
		return errcode.New(errcode.BeaconDone, "beacon %d is made without %s, which did not commit in time", m.Number, who)
	case part.Commitment == "":
		return errcode.New(errcode.BeaconNotReady, "send CommitBeacon first")
	case !m.open():
		return errcode.New(errcode.BeaconNotReady, "these have not committed: %v", m.uncommitted())
	}
	commitment := codec.Hash(codec.LabelBeaconCommitment, []byte(env.Channel), []byte(who), ledger.Bytes(req.Value))
	if ledger.Hex(commitment[:]) != part.Commitment {
		return errcode.New(errcode.BeaconMismatch, "the value does not open the commitment of %s", who)
	}
	return nil
}

// contributing loads the beacon that the caller, a member, gives its part of; one that is made takes no more.
func contributing(s ledger.State, env ledger.Env) (making, error) {
	m, err := loadMaking(s, env)
	if err != nil {
		return m, err
	}
	if err := CheckMember(s, env); err != nil {
		return m, err
	}
	if m.Value != "" {
		return m, errcode.New(errcode.BeaconDone, "beacon %d is made", m.Number)
	}
	return m, nil
}

// CurrentBeacon returns the newest beacon, which is made now where the members that were waited for gave enough of it.
func CurrentBeacon(s ledger.State, env ledger.Env) (string, error) {
	m, err := loadMaking(s, env)
	if err != nil || m.Value != "" {
		return m.Value, err
	}
	if m.make(); m.Value == "" {
		return "", errcode.New(errcode.BeaconNotReady, "beacon %d: not committed %v, not revealed %v; nodes give their organisation's part, "+
			"before the first training administrators do; suspended members are not waited for", m.Number, m.uncommitted(), m.unrevealed())
	}
	return m.Value, putBeacon(s, m.Beacon)
}

// AskForBeacon returns with a beacon under way of which no part has been revealed, so that nobody knows it yet.
func AskForBeacon(s ledger.State, env ledger.Env) error {
	beacon, _, err := ledger.Load[Beacon](s, beaconKey)
	if err != nil || beacon.Value == "" && beacon.RevealingMS == 0 {
		return err
	}
	return putBeacon(s, Beacon{Number: beacon.Number + 1, SinceMS: env.TimeMS})
}

// BeaconView is a beacon with the members that have given their parts.
type BeaconView struct {
	Beacon
	Committed []string `json:"committed"`
	Revealed  []string `json:"revealed"`
}

// GetBeacon returns the newest beacon.
func GetBeacon(s ledger.State) (BeaconView, error) {
	beacon, _, err := ledger.Load[Beacon](s, beaconKey)
	if err != nil {
		return BeaconView{}, err
	}
	view := BeaconView{beacon, []string{}, []string{}}
	items, err := ledger.List[BeaconPart](s, "beacon-part", ledger.Number(beacon.Number))
	for _, item := range items {
		view.Committed = append(view.Committed, item.Parts[1])
		if item.Record.Value != "" {
			view.Revealed = append(view.Revealed, item.Parts[1])
		}
	}
	return view, err
}
