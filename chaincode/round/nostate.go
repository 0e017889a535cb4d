package round

import (
	"regexp"
	"slices"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

var nodeCode = regexp.MustCompile(`^FL[0-9]{4}$`)

// NoState is an organisation's word that no next state follows from the survivors' sum: the plan's update fails on it, or gives
// something that is no number. The endorsers know only the layout's ranges; a sum within all of them can still be garbage.
//
// Scenario: one participant masks a vector whose slots lie within their ranges but make the plan divide by zero. Every
// endorser would accept the sum, yet no node has a state to propose, and the round would wait for ever. So every node says so,
// and when a majority names the same sum, Advance voids the attempt. A minority that lies cannot: it only adds records.
type NoState struct {
	Aggregate string `json:"aggregate"` // the digest of the sum that the organisation computed
	Code      string `json:"code"`      // what its plan answered, for the regulator
}

// NoStateRequest is the argument of AttestNoState.
type NoStateRequest struct {
	Ref
	NoState
}

// AttestNoState records that an organisation's nodes find no state after the survivors' sum.
func AttestNoState(s ledger.State, env ledger.Env, req NoStateRequest) (Response, ledger.Event, error) {
	none := ledger.Event{}
	_, status, err := inPhase(s, req.Ref, PhaseAttest)
	if err != nil {
		return Response{}, none, err
	}
	if err := checkAttester(s, env); err != nil {
		return Response{}, none, err
	}
	if err := ledger.CheckDigest("aggregate", req.Aggregate); err != nil {
		return Response{}, none, err
	}
	if !nodeCode.MatchString(req.Code) {
		return Response{}, none, errcode.New(errcode.BadArgument, "code is FL and four digits, not %.20q", req.Code)
	}
	if err := checkUndecided(s, req.Ref, status, env.Caller.MSPID); err != nil {
		return Response{}, none, err
	}
	return Response{req.Ref, PhaseAttest}, happened("NoStateAttested", req.Ref, PhaseAttest),
		ledger.Store(s, req.key("no-state", env.Caller.MSPID), req.NoState)
}

// checkUndecided refuses a second word, and one against the organisation's own agreement: so of the majorities for Final and
// for Void there can be only one.
func checkUndecided(s ledger.State, ref Ref, status Status, msp string) error {
	if _, said, err := ledger.Load[NoState](s, ref.key("no-state", msp)); err != nil || said {
		return either(err, errcode.New(errcode.AlreadyAttested, "%s has attested that no state follows", msp))
	}
	given, said, err := ledger.Load[Attestation](s, ref.key("attest", ledger.Number(status.Number), msp))
	if err != nil || said && given.Agree {
		return either(err, errcode.New(errcode.AlreadyAttested, "%s has agreed to proposal %d", msp, status.Number))
	}
	return nil
}

// denials is how many active organisations say of the same sum that no state follows.
type denials struct {
	most, voters, majority int
	code                   string // what the first of them gave as the reason
}

func readDenials(s ledger.Reader, ref Ref) (denials, error) {
	active, majority, err := electorate(s)
	if err != nil {
		return denials{}, err
	}
	found := denials{voters: len(active), majority: majority}
	items, err := ledger.List[NoState](s, "no-state", ref.parts()...)
	counts := map[string]int{}
	for _, item := range items { // by MSP id
		if !slices.Contains(active, item.Parts[3]) {
			continue
		}
		counts[item.Record.Aggregate]++
		if counts[item.Record.Aggregate] > found.most {
			found.most, found.code = counts[item.Record.Aggregate], item.Record.Code
		}
	}
	return found, err
}

// barren holds where a majority of the active organisations finds no state after the same sum.
func (f facts) barren() (bool, error) {
	found, err := f.denials()
	return err == nil && found.most >= found.majority, err
}

// flagBarren keeps for the regulator why the attempt is void. Nobody can be named: a masked sum does not tell whose part it was.
func (a *advance) flagBarren() error {
	found, err := a.facts.denials()
	if err != nil {
		return err
	}
	return a.flag("", FlagGarbage, describe("%d of %d organisations find no state after the sum (%s)", found.most, found.voters, found.code))
}
