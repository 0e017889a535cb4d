package governance

import (
	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

// BeaconPart is one founder's part of the first beacon: committed before any is revealed.
type BeaconPart struct {
	Commitment string `json:"commitment"`
	Value      string `json:"value"`
}

// FirstBeacon seeds the first epoch of every training.
type FirstBeacon struct {
	Value string `json:"value"`
}

// CommitBeaconRequest is the argument of CommitBeacon.
type CommitBeaconRequest struct {
	Commitment string `json:"commitment"`
}

// RevealBeaconRequest is the argument of RevealBeacon.
type RevealBeaconRequest struct {
	Value string `json:"value"`
}

// BeaconResponse tells how far the first beacon is.
type BeaconResponse struct {
	Missing []string `json:"missing"`
	Beacon  string   `json:"beacon"`
}

var beaconKey = ledger.Key("first-beacon")

// CommitBeacon stores a founder's commitment H(beacon-commitment, channel, msp, value).
func CommitBeacon(s ledger.State, env ledger.Env, req CommitBeaconRequest) (BeaconResponse, ledger.Event, error) {
	none := ledger.Event{}
	if err := ledger.CheckDigest("commitment", req.Commitment); err != nil {
		return BeaconResponse{}, none, err
	}
	parts, err := founderParts(s, env)
	if err != nil {
		return BeaconResponse{}, none, err
	}
	if parts[env.Caller.MSPID].Commitment != "" {
		return BeaconResponse{}, none, errcode.New(errcode.BeaconDone, "%s has committed", env.Caller.MSPID)
	}
	parts[env.Caller.MSPID] = BeaconPart{Commitment: req.Commitment}
	response, err := beaconStatus(s, parts, func(part BeaconPart) bool { return part.Commitment != "" })
	if err != nil {
		return response, none, err
	}
	return response, ledger.Event{Name: "BeaconCommitted", Payload: response},
		ledger.Store(s, ledger.Key("beacon", env.Caller.MSPID), parts[env.Caller.MSPID])
}

// RevealBeacon opens a founder's commitment once all have committed; the last one makes the first beacon
// H(beacon-first, msp, value, …) in the order of MSP ids.
func RevealBeacon(s ledger.State, env ledger.Env, req RevealBeaconRequest) (BeaconResponse, ledger.Event, error) {
	none := ledger.Event{}
	if err := ledger.CheckDigest("value", req.Value); err != nil {
		return BeaconResponse{}, none, err
	}
	parts, err := founderParts(s, env)
	if err != nil {
		return BeaconResponse{}, none, err
	}
	if err := checkReveal(s, env, parts, req); err != nil {
		return BeaconResponse{}, none, err
	}
	part := parts[env.Caller.MSPID]
	part.Value = req.Value
	parts[env.Caller.MSPID] = part
	if err := ledger.Store(s, ledger.Key("beacon", env.Caller.MSPID), part); err != nil {
		return BeaconResponse{}, none, err
	}
	response, err := beaconStatus(s, parts, func(part BeaconPart) bool { return part.Value != "" })
	if err == nil && len(response.Missing) == 0 {
		response.Beacon, err = firstBeacon(s, parts)
	}
	return response, ledger.Event{Name: "BeaconRevealed", Payload: response}, err
}

func checkReveal(s ledger.State, env ledger.Env, parts map[string]BeaconPart, req RevealBeaconRequest) error {
	own := parts[env.Caller.MSPID]
	if own.Value != "" {
		return errcode.New(errcode.BeaconDone, "%s has revealed", env.Caller.MSPID)
	}
	waiting, err := beaconStatus(s, parts, func(part BeaconPart) bool { return part.Commitment != "" })
	if err != nil {
		return err
	}
	if len(waiting.Missing) > 0 {
		return errcode.New(errcode.BeaconNotReady, "not all founders have committed: %v", waiting.Missing)
	}
	commitment := codec.Hash(codec.LabelBeaconCommitment, []byte(env.Channel), []byte(env.Caller.MSPID), ledger.Bytes(req.Value))
	if ledger.Hex(commitment[:]) != own.Commitment {
		return errcode.New(errcode.BeaconMismatch, "the value does not open the commitment of %s", env.Caller.MSPID)
	}
	return nil
}

// founderParts reads every founder's part and refuses a caller that is no founder.
func founderParts(s ledger.State, env ledger.Env) (map[string]BeaconPart, error) {
	federation, err := CurrentFederation(s)
	if err != nil {
		return nil, err
	}
	parts, founder := map[string]BeaconPart{}, false
	for _, msp := range federation.Founders {
		part, _, err := ledger.Load[BeaconPart](s, ledger.Key("beacon", msp))
		if err != nil {
			return nil, err
		}
		parts[msp] = part
		founder = founder || msp == env.Caller.MSPID
	}
	if !founder {
		return nil, errcode.New(errcode.NotPermitted, "%s is no founder", env.Caller.MSPID)
	}
	return parts, nil
}

func beaconStatus(s ledger.State, parts map[string]BeaconPart, given func(BeaconPart) bool) (BeaconResponse, error) {
	federation, err := CurrentFederation(s)
	response := BeaconResponse{Missing: []string{}}
	for _, msp := range federation.Founders {
		if !given(parts[msp]) {
			response.Missing = append(response.Missing, msp)
		}
	}
	return response, err
}

func firstBeacon(s ledger.State, parts map[string]BeaconPart) (string, error) {
	federation, err := CurrentFederation(s)
	if err != nil {
		return "", err
	}
	inputs := [][]byte{}
	for _, msp := range federation.Founders {
		inputs = append(inputs, []byte(msp), ledger.Bytes(parts[msp].Value))
	}
	beacon := codec.Hash(codec.LabelBeaconFirst, inputs...)
	value := ledger.Hex(beacon[:])
	return value, ledger.Store(s, beaconKey, FirstBeacon{value})
}

// CurrentFirstBeacon reads the first beacon.
func CurrentFirstBeacon(s ledger.State) (string, error) {
	beacon, found, err := ledger.Load[FirstBeacon](s, beaconKey)
	if err == nil && !found {
		err = errcode.New(errcode.BeaconNotReady, "not all founders have revealed their part of the first beacon")
	}
	return beacon.Value, err
}
