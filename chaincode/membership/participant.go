// Package membership holds the participants: who applied, with which certificate key, data profile and stake, and what the
// consortium voted about them.
package membership

import (
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/rewards"
)

const maxEvidence = 32

// Participant is one that trains, for a member organisation, with its vetted data profile. Its key lies apart (Binding).
type Participant struct {
	ID        string            `json:"participant"`
	MSPID     string            `json:"msp_id"`
	Profile   Profile           `json:"profile"`
	Evidence  []string          `json:"evidence"`
	Status    governance.Status `json:"status"`
	AppliedMS int64             `json:"applied_ms"`
	SinceMS   int64             `json:"since_ms"`
}

// ApplyRequest is the argument of Apply.
type ApplyRequest struct {
	Participant string   `json:"participant"`
	KeyHash     string   `json:"key_hash"`
	Profile     Profile  `json:"profile"`
	Evidence    []string `json:"evidence"`
	Stake       uint64   `json:"stake"`
}

// Event is the payload of this package's events.
type Event struct {
	Participant string `json:"participant"`
	MSPID       string `json:"msp_id"`
	Status      string `json:"status"`
}

func (p Participant) event(name string) ledger.Event {
	return ledger.Event{Name: name, Payload: Event{p.ID, p.MSPID, string(p.Status)}}
}

func participantKey(id string) string { return ledger.Key("participant", id) }

func put(s ledger.State, p Participant) error { return ledger.Store(s, participantKey(p.ID), p) }

// Load reads a participant.
func Load(s ledger.State, id string) (Participant, error) {
	if err := ledger.CheckID("participant", id); err != nil {
		return Participant{}, err
	}
	participant, found, err := ledger.Load[Participant](s, participantKey(id))
	if err == nil && !found {
		err = errcode.New(errcode.UnknownParticipant, "%s", id)
	}
	return participant, err
}

// Participants lists all, those removed included, by id.
func Participants(s ledger.State) ([]Participant, error) {
	items, err := ledger.List[Participant](s, "participant")
	participants := make([]Participant, len(items))
	for i, item := range items {
		participants[i] = item.Record
	}
	return participants, err
}

// Apply puts a participant forward for vetting and locks its stake; a vote admits it.
func Apply(s ledger.State, env ledger.Env, req ApplyRequest) (Bound, ledger.Event, error) {
	for _, check := range []func(ledger.State, ledger.Env, ApplyRequest) error{checkApplicant, checkApplication, checkRoom} {
		if err := check(s, env, req); err != nil {
			return Bound{}, ledger.Event{}, err
		}
	}
	participant := Participant{
		req.Participant, env.Caller.MSPID, req.Profile, append([]string{}, req.Evidence...), governance.Applied, env.TimeMS, env.TimeMS,
	}
	bound, err := claim(s, participant, req.KeyHash)
	if err != nil {
		return Bound{}, ledger.Event{}, err
	}
	if err := rewards.Lock(s, env.Caller.MSPID, req.Participant, req.Stake); err != nil {
		return Bound{}, ledger.Event{}, err
	}
	return bound, participant.event("ParticipantApplied"), put(s, participant)
}

func checkApplicant(s ledger.State, env ledger.Env, req ApplyRequest) error {
	if err := governance.CheckAdmin(s, env); err != nil {
		return err
	}
	if err := ledger.CheckID("participant", req.Participant); err != nil {
		return err
	}
	_, exists, err := ledger.Load[Participant](s, participantKey(req.Participant))
	if err == nil && exists {
		err = errcode.New(errcode.ParticipantExists, "%s", req.Participant)
	}
	return err
}

func checkApplication(s ledger.State, _ ledger.Env, req ApplyRequest) error {
	parameters, err := governance.CurrentParameters(s)
	if err != nil {
		return err
	}
	if len(req.Evidence) > maxEvidence {
		return errcode.New(errcode.LimitExceeded, "%d evidence digests, at most %d", len(req.Evidence), maxEvidence)
	}
	for _, digest := range req.Evidence {
		if err := ledger.CheckDigest("evidence", digest); err != nil {
			return err
		}
	}
	if req.Stake < parameters.MinimumStake {
		return errcode.New(errcode.StakeTooLow, "the stake is %d, at least %d", req.Stake, parameters.MinimumStake)
	}
	return req.Profile.check(parameters.MinimumRows)
}

// checkRoom holds an organisation to its number of participants (T10: one entity, so many slots).
func checkRoom(s ledger.State, env ledger.Env, _ ApplyRequest) error {
	parameters, err := governance.CurrentParameters(s)
	if err != nil {
		return err
	}
	participants, err := Participants(s)
	if err != nil {
		return err
	}
	own := uint64(0)
	for _, participant := range participants {
		if participant.MSPID == env.Caller.MSPID && participant.Status != governance.Removed {
			own++
		}
	}
	if own >= parameters.ParticipantsPerOrganisation {
		return errcode.New(errcode.TooManyParticipants, "%s has %d of %d participants",
			env.Caller.MSPID, own, parameters.ParticipantsPerOrganisation)
	}
	return nil
}

// owned loads a participant of the caller's organisation.
func owned(s ledger.State, env ledger.Env, id string) (Participant, error) {
	if err := governance.CheckAdmin(s, env); err != nil {
		return Participant{}, err
	}
	participant, err := Load(s, id)
	if err == nil && participant.MSPID != env.Caller.MSPID {
		err = errcode.New(errcode.NotPermitted, "%s is not of %s", id, env.Caller.MSPID)
	}
	return participant, err
}
