package round

import (
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/membership"
	"fedledger/chaincode/secagg"
)

// Response is what a participant's transaction returns.
type Response struct {
	Ref
	Phase Phase `json:"phase"`
}

// happened is the event of a transaction on a round.
func happened(name string, ref Ref, phase Phase) ledger.Event {
	return ledger.Event{Name: name, Payload: Response{ref, phase}}
}

// KeysRequest is the argument of PublishKeys.
type KeysRequest struct {
	Ref
	KeyPair
}

// PublishKeys records a member's fresh public keys for this attempt, in a transaction signed by its vetted certificate.
func PublishKeys(s ledger.State, env ledger.Env, req KeysRequest) (Response, ledger.Event, error) {
	round, status, err := inPhase(s, req.Ref, PhaseKeys)
	if err != nil {
		return Response{}, ledger.Event{}, err
	}
	id, key, err := speaks(s, env, round, "keys", round.Names(), "the cohort", publicKey(req.SealKey), publicKey(req.MaskKey))
	if err != nil {
		return Response{}, ledger.Event{}, err
	}
	if err := claimKeys(s, req.Ref, id, req.KeyPair); err != nil {
		return Response{}, ledger.Event{}, err
	}
	return Response{req.Ref, PhaseKeys}, happened("KeysPublished", req.Ref, PhaseKeys),
		ledger.Store(s, key, Keys{req.KeyPair, word(env, round, status)})
}

// PublicKeyUse says in which attempt a public key was published, for that one or for the next.
type PublicKeyUse struct {
	Ref
	Participant string `json:"participant"`
}

func publicKey(public string) string { return ledger.Key("public-key", public) }

func claimKeys(s ledger.State, ref Ref, id string, keys KeyPair) error {
	if err := ledger.Digests("seal_key", keys.SealKey, "mask_key", keys.MaskKey); err != nil {
		return err
	}
	for _, public := range []string{keys.SealKey, keys.MaskKey} {
		if err := claimPublicKey(s, ref, id, public); err != nil {
			return err
		}
	}
	return nil
}

// claimPublicKey refuses weak keys and any key ever published before, so that no mask is used twice (T5, T6).
func claimPublicKey(s ledger.State, ref Ref, id, public string) error {
	if err := secagg.CheckPublicKey(ledger.Bytes(public)); err != nil {
		return errcode.New(errcode.WeakKey, "%v", err)
	}
	key := publicKey(public)
	if _, used, err := ledger.Load[PublicKeyUse](s, key); err != nil || used {
		return either(err, errcode.New(errcode.KeyReused, "generate fresh keys for every attempt"))
	}
	return ledger.Store(s, key, PublicKeyUse{ref, id})
}

func caller(s ledger.State, env ledger.Env, members []string, what string) (string, error) {
	participant, err := membership.Caller(s, env)
	if err != nil {
		return "", err
	}
	return participant.ID, among(members, participant.ID, what)
}

// SharesRequest is the argument of CommitShares.
type SharesRequest struct {
	Ref
	Dealt
}

// CommitShares records a dealer's commitments and the digest of its sealed bundle. An endorser whose organisation does not
// hold the bundle refuses, so that no dealer can commit to sealed messages and withhold them (T15, T17).
func CommitShares(s ledger.State, env ledger.Env, verifier Verifier, req SharesRequest) (Response, ledger.Event, error) {
	round, status, err := inPhase(s, req.Ref, PhaseShares)
	if err != nil {
		return Response{}, ledger.Event{}, err
	}
	_, key, err := speaks(s, env, round, "shares", status.U1, "the members with keys")
	if err != nil {
		return Response{}, ledger.Event{}, err
	}
	given := req.Dealt
	err = ledger.Digests("seed_commitment", given.SeedCommitment, "shares_root", given.SharesRoot, "sealed", given.Sealed)
	if err != nil {
		return Response{}, ledger.Event{}, err
	}
	if err := verifier.CheckSealed(bytes32(given.Sealed), len(status.U1), env.Caller.MSPID); err != nil {
		return Response{}, ledger.Event{}, err
	}
	return Response{req.Ref, PhaseShares}, happened("SharesCommitted", req.Ref, PhaseShares), ledger.Store(s, key, Shares{given, word(env, round, status)})
}

// UpdateRequest is the argument of CommitUpdate.
type UpdateRequest struct {
	Ref
	Update
	Plan      string `json:"plan"`
	BaseState string `json:"base_state"`
}

// CommitUpdate records a masked update. An endorser whose organisation does not hold the blob refuses, so that a committed
// update lies with enough organisations to be summed (T15).
func CommitUpdate(s ledger.State, env ledger.Env, verifier Verifier, req UpdateRequest) (Response, ledger.Event, error) {
	round, status, err := inPhase(s, req.Ref, PhaseUpdates)
	if err != nil {
		return Response{}, ledger.Event{}, err
	}
	id, key, err := speaks(s, env, round, "update", status.U2, "the members with shares")
	if err != nil {
		return Response{}, ledger.Event{}, err
	}
	if err := checkUpdate(round, id, req); err != nil {
		return Response{}, ledger.Event{}, err
	}
	layout, err := roundLayout(s, round)
	if err != nil {
		return Response{}, ledger.Event{}, err
	}
	if err := verifier.CheckUpdate(bytes32(req.Digest), layout, env.Caller.MSPID); err != nil {
		return Response{}, ledger.Event{}, err
	}
	return Response{req.Ref, PhaseUpdates}, happened("UpdateCommitted", req.Ref, PhaseUpdates), ledger.Store(s, key, req.Update)
}

func checkUpdate(round Round, id string, req UpdateRequest) error {
	if err := ledger.CheckDigest("digest", req.Digest); err != nil {
		return err
	}
	if req.Plan != round.Plan || req.BaseState != round.BaseState {
		return errcode.New(errcode.WrongBase, "the round trains plan %s from state %s", round.Plan, round.BaseState)
	}
	if req.Length != round.UpdateBytes {
		return errcode.New(errcode.WrongLength, "%d bytes, the layout has %d", req.Length, round.UpdateBytes)
	}
	return checkCount(round, id, req.Examples)
}

// checkCount holds a declared count to the voted granularity and to the vetted rows, rounded up to it (T20).
func checkCount(round Round, id string, examples uint64) error {
	bucket := round.Parameters.CountBucket
	most := round.member(id).most(bucket)
	if examples < 1 || examples > most || examples%bucket != 0 {
		return errcode.New(errcode.CountRefused, "%d examples: must be a multiple of %d, at most %d", examples, bucket, most)
	}
	return nil
}

// most is the largest count that a member may declare.
func (m Member) most(bucket uint64) uint64 { return (m.Rows + bucket - 1) / bucket * bucket }

func (r Round) member(id string) Member {
	for _, member := range r.Cohort {
		if member.Participant == id {
			return member
		}
	}
	panic("round: internal error: unchecked member")
}
