package round

import (
	"encoding/hex"
	"slices"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/secagg"
)

const maxProof = 16

// RevealRequest is the argument of RevealShares.
type RevealRequest struct {
	Ref
	Shares []OfferedShare `json:"shares"`
	// Next are keys for the training's next attempt, so that it need not wait for them; version 1 of the rules knows none.
	Next *KeyPair `json:"next,omitempty"`
}

// OfferedShare is a share with its audit path, leaf to root.
type OfferedShare struct {
	RevealedShare
	Proof []string `json:"proof"`
}

// RevealShares records a member's shares, at most one of each dealer: of the seed of a survivor, of the mask key of a
// dropout, never the other, and only what stands under the dealer's root. A share that it could not open is left out.
func RevealShares(s ledger.State, env ledger.Env, req RevealRequest) (Response, ledger.Event, error) {
	round, status, err := inPhase(s, req.Ref, PhaseUnmask)
	if err != nil {
		return Response{}, ledger.Event{}, err
	}
	id, _, err := speaks(s, env, round, "reveal", status.U2, "the members with shares")
	if err != nil {
		return Response{}, ledger.Event{}, err
	}
	if err := checkStill(s, round, status, id); err != nil {
		return Response{}, ledger.Event{}, err
	}
	if err := checkReveals(s, round, status, id, req.Shares); err != nil {
		return Response{}, ledger.Event{}, err
	}
	if err := layAhead(s, round, id, req.Next); err != nil {
		return Response{}, ledger.Event{}, err
	}
	reveal := Reveal{make([]RevealedShare, len(req.Shares)), word(env, round, status)}
	for i, share := range req.Shares {
		reveal.Shares[i] = share.RevealedShare
	}
	slices.SortFunc(reveal.Shares, func(a, b RevealedShare) int {
		return slices.Index(status.U2, a.Dealer) - slices.Index(status.U2, b.Dealer)
	})
	return Response{req.Ref, PhaseUnmask}, happened("SharesRevealed", req.Ref, PhaseUnmask), putReveal(s, round, id, reveal)
}

func putReveal(s ledger.State, round Round, id string, reveal Reveal) error {
	if differ(round.Rules).marks {
		if err := ledger.Store(s, round.key("revealed", id), Revealed{reveal.Word}); err != nil {
			return err
		}
	}
	return ledger.Store(s, round.key("reveal", id), reveal)
}

// revealedBy are the members that have revealed shares.
func revealedBy(s ledger.Reader, round Round) (map[string]Revealed, error) {
	if differ(round.Rules).marks {
		return byMember[Revealed](s, round.Ref, "revealed")
	}
	reveals, err := byMember[Reveal](s, round.Ref, "reveal")
	found := map[string]Revealed{}
	for id, reveal := range reveals { // any order: into a map
		found[id] = Revealed{reveal.Word}
	}
	return found, err
}

func checkReveals(s ledger.State, round Round, status Status, receiver string, shares []OfferedShare) error {
	if len(shares) == 0 {
		return errcode.New(errcode.WrongDealers, "no shares")
	}
	seen, keys, dealers := []string{}, []string{}, status.dealers(round)
	for _, share := range shares {
		if !slices.Contains(dealers, share.Dealer) || slices.Contains(seen, share.Dealer) {
			return errcode.New(errcode.WrongDealers, "dealer %.40q: each of %v at most once", share.Dealer, dealers)
		}
		seen, keys = append(seen, share.Dealer), append(keys, round.key("shares", share.Dealer))
	}
	if err := s.Ahead(keys...); err != nil {
		return err
	}
	for _, share := range shares {
		if err := checkReveal(s, round, status, receiver, share); err != nil {
			return err
		}
	}
	return nil
}

// checkReveal is T2 and T17: the one kind that the frozen survivors allow, under the dealer's committed root.
func checkReveal(s ledger.State, round Round, status Status, receiver string, share OfferedShare) error {
	if kind := status.kindOf(share.Dealer); share.Kind != string(kind) {
		return errcode.New(errcode.WrongShareKind, "of %s only the %s share is revealed", share.Dealer, kind)
	}
	dealt, _, err := ledger.Load[Shares](s, round.key("shares", share.Dealer))
	if err != nil {
		return err
	}
	reveal, err := decodeShare(receiver, share)
	if err != nil {
		return err
	}
	if err := secagg.CheckReveal(bytes32(round.Session), bytes32(dealt.SharesRoot), status.U1, reveal); err != nil {
		return errcode.New(errcode.BadShareProof, "share of %s: %v", share.Dealer, err)
	}
	return nil
}

// kindOf is the one kind of share of a dealer that may ever be revealed in this attempt.
func (s Status) kindOf(dealer string) secagg.Kind {
	if slices.Contains(s.Survivors, dealer) {
		return secagg.KindSeed
	}
	return secagg.KindMask
}

func decodeShare(receiver string, share OfferedShare) (secagg.Reveal, error) {
	reveal := secagg.Reveal{Dealer: share.Dealer, Receiver: receiver, Kind: secagg.Kind(share.Kind)}
	value, err := shareValue(share.Value)
	if err != nil {
		return reveal, err
	}
	reveal.Value = value
	if len(share.Proof) > maxProof {
		return reveal, errcode.New(errcode.LimitExceeded, "a proof of %d digests, at most %d", len(share.Proof), maxProof)
	}
	for _, digest := range share.Proof {
		if err := ledger.CheckDigest("proof", digest); err != nil {
			return reveal, err
		}
		reveal.Proof = append(reveal.Proof, bytes32(digest))
	}
	return reveal, nil
}

func shareValue(text string) ([secagg.ShareBytes]byte, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != secagg.ShareBytes || hex.EncodeToString(raw) != text {
		return [secagg.ShareBytes]byte{}, errcode.New(errcode.BadArgument, "a share is %d bytes in lower-case hex", secagg.ShareBytes)
	}
	return [secagg.ShareBytes]byte(raw), nil
}
