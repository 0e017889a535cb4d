package governance

import (
	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

// making is a beacon with what has been given to it. Only active members are waited for, and after beacon_ms only a majority
// of them: no member can keep a training from starting.
type making struct {
	Beacon
	parts    map[string]BeaconPart
	active   []string
	expired  bool // the present step has lasted beacon_ms
	majority int
}

func loadMaking(s ledger.State, env ledger.Env) (making, error) {
	beacon, found, err := ledger.Load[Beacon](s, beaconKey)
	if err == nil && !found {
		err = errcode.New(errcode.NotFounded, "send Found first")
	}
	if err != nil {
		return making{}, err
	}
	parameters, err := CurrentParameters(s)
	if err != nil {
		return making{}, err
	}
	m := making{Beacon: beacon, parts: map[string]BeaconPart{}}
	if m.active, err = Voters(s); err != nil {
		return m, err
	}
	m.majority = Majority(len(m.active))
	m.expired = env.TimeMS >= max(beacon.SinceMS, beacon.RevealingMS)+parameters.BeaconMS
	items, err := ledger.List[BeaconPart](s, "beacon-part", ledger.Number(beacon.Number))
	for _, item := range items {
		m.parts[item.Parts[1]] = item.Record
	}
	return m, err
}

// uncommitted are the active members without a commitment.
func (m making) uncommitted() []string {
	return m.where(func(part BeaconPart) bool { return part.Commitment == "" })
}

// unrevealed are the active members that committed and have not revealed.
func (m making) unrevealed() []string {
	return m.where(func(part BeaconPart) bool { return part.Commitment != "" && part.Value == "" })
}

func (m making) where(holds func(BeaconPart) bool) []string {
	found := []string{}
	for _, msp := range m.active {
		if holds(m.parts[msp]) {
			found = append(found, msp)
		}
	}
	return found
}

func (m making) revealed() []string {
	found := []string{}
	for _, msp := range sortedKeys(m.parts) {
		if m.parts[msp].Value != "" {
			found = append(found, msp)
		}
	}
	return found
}

// open says that parts may be revealed: all have committed, or those that were waited for long enough are a majority.
func (m making) open() bool {
	missing := len(m.uncommitted())
	return m.RevealingMS > 0 || missing == 0 || m.expired && len(m.active)-missing >= m.majority
}

// complete says that the revealed parts make the beacon. One honest part is enough for a value that nobody could foresee:
// a majority holds one.
func (m making) complete() bool {
	return m.RevealingMS > 0 && (m.expired || len(m.unrevealed()) == 0) && len(m.revealed()) >= m.majority
}

// failed says that too few revealed in time: the beacon is begun anew.
func (m making) failed() bool {
	return m.Value == "" && m.RevealingMS > 0 && m.expired && len(m.revealed()) < m.majority
}

// make makes the beacon of what is revealed, if that is enough.
func (m *making) make() {
	if m.Value != "" || !m.complete() {
		return
	}
	inputs := [][]byte{}
	for _, msp := range m.revealed() {
		inputs = append(inputs, []byte(msp), ledger.Bytes(m.parts[msp].Value))
	}
	beacon := codec.Hash(codec.LabelBeaconFirst, inputs...)
	m.Value = ledger.Hex(beacon[:])
}
