package consortia

import (
	"crypto/sha256"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/release"
	"fedledger/chaincode/round"
)

// Verified is a passport of a trusted consortium that holds.
type Verified struct {
	Model    release.Said
	Digest   string
	SignedBy []string
}

// Verify refuses a passport that a majority of a trusted consortium did not sign, that contradicts itself, or was withdrawn.
func Verify(s ledger.State, env ledger.Env, envelope Envelope) (Verified, error) {
	payload, err := envelope.payload()
	if err != nil {
		return Verified{}, err
	}
	model, err := release.ReadModel(payload)
	if err != nil {
		return Verified{}, err
	}
	signedBy, err := signedBy(s, env, envelope, payload, about{model.Channel, model.Genesis, model.ReleasedMS})
	if err != nil {
		return Verified{}, err
	}
	if err := model.Check(); err != nil {
		return Verified{}, err
	}
	digest := sha256.Sum256(payload)
	found := Verified{model, ledger.Hex(digest[:]), signedBy}
	return found, checkWithdrawn(s, found.Digest)
}

// about is what every statement says of its consortium and its time.
type about struct {
	channel, genesis string
	timeMS           int64
}

func signedBy(s ledger.State, env ledger.Env, envelope Envelope, payload []byte, said about) ([]string, error) {
	consortium, err := trusted(s, said.genesis)
	if err != nil {
		return nil, err
	}
	switch {
	case consortium.Channel != said.channel:
		return nil, errcode.New(errcode.UnknownConsortium, "%s has the channel %s, not %s", consortium.Name, consortium.Channel, said.channel)
	case said.timeMS > env.TimeMS+skewMS:
		return nil, errcode.New(errcode.BadPassport, "it is from the future: %d", said.timeMS)
	}
	return envelope.signers(payload, consortium, said.timeMS, env.TimeMS)
}

// Withdrawn is a passport of another consortium that it took back, as somebody brought it here.
type Withdrawn struct {
	Passport string `json:"passport"`
	Genesis  string `json:"genesis"`
	Reason   string `json:"reason"`
	// WithdrawnMS is the other consortium's time, BroughtMS this one's.
	WithdrawnMS int64 `json:"withdrawn_ms"`
	BroughtMS   int64 `json:"brought_ms"`
}

func withdrawnKey(passport string) string { return ledger.Key("foreign-withdrawal", passport) }

func checkWithdrawn(s ledger.State, passport string) error {
	known, found, err := ledger.Load[Withdrawn](s, withdrawnKey(passport))
	if err == nil && found {
		err = errcode.New(errcode.PassportWithdrawn, "it was withdrawn: %s", known.Reason)
	}
	return err
}

// BringRequest is the argument of BringWithdrawal.
type BringRequest struct {
	Withdrawal Envelope `json:"withdrawal"`
}

// Bring records that a trusted consortium withdrew a passport. Any member may bring it: the signatures speak for themselves. No
// training starts any more on a plan that began from the model; those that run, the members may stop.
func Bring(s ledger.State, env ledger.Env, req BringRequest) (Withdrawn, ledger.Event, error) {
	none := ledger.Event{}
	if err := governance.CheckMember(s, env); err != nil {
		return Withdrawn{}, none, err
	}
	payload, err := req.Withdrawal.payload()
	if err != nil {
		return Withdrawn{}, none, err
	}
	taken, err := release.ReadWithdrawal(payload)
	if err != nil {
		return Withdrawn{}, none, err
	}
	if _, err := signedBy(s, env, req.Withdrawal, payload, about{taken.Channel, taken.Genesis, taken.WithdrawnMS}); err != nil {
		return Withdrawn{}, none, err
	}
	if _, known, err := ledger.Load[Withdrawn](s, withdrawnKey(taken.Passport)); err != nil || known {
		return Withdrawn{}, none, either(err, errcode.New(errcode.AlreadyDone, "the withdrawal is on the ledger"))
	}
	found := Withdrawn{taken.Passport, taken.Genesis, taken.Reason, taken.WithdrawnMS, env.TimeMS}
	if err := ledger.Store(s, withdrawnKey(taken.Passport), found); err != nil {
		return Withdrawn{}, none, err
	}
	return found, ledger.Event{Name: "WithdrawalBrought", Payload: found}, round.Orphan(s, taken.Passport, env.TimeMS)
}

// SummariseWithdrawn makes a list's entry of a withdrawal.
func SummariseWithdrawn(item ledger.Item[Withdrawn]) (Withdrawn, error) { return item.Record, nil }

// PlanBody is the body of register_plan: with a passport, the plan's initial state is a model that another consortium released. Without
// privacy the plan promises none.
type PlanBody struct {
	round.PlanBody
	Passport *Envelope     `json:"passport"`
	Privacy  round.Privacy `json:"privacy"`
}

// Check implements governance.Body.
func (b PlanBody) Check(parameters governance.Parameters) error {
	if err := b.PlanBody.Check(parameters); err != nil {
		return err
	}
	if err := b.Privacy.Check(); err != nil || b.Passport == nil {
		return err
	}
	_, err := b.Passport.payload()
	return err
}

// RegisterPlan executes register_plan. The state must be the model's, and updates must have its shape: what a passport proves of
// the state holds then of what the first round trains from.
func RegisterPlan(s ledger.State, env ledger.Env, body PlanBody) error {
	if body.Passport == nil {
		return round.RegisterPlanFrom(s, env, body.PlanBody, nil, &body.Privacy)
	}
	found, err := Verify(s, env, *body.Passport)
	if err != nil {
		return err
	}
	model := found.Model
	layout, err := body.LayoutDigest()
	switch {
	case err != nil:
		return err
	case model.State != body.InitialState:
		return errcode.New(errcode.PassportDiffers, "the passport is of the state %s, the plan begins from %s", model.State, body.InitialState)
	case model.LayoutDigest != layout:
		return errcode.New(errcode.PassportDiffers, "updates of the model have the layout %s, those of the plan %s", model.LayoutDigest, layout)
	}
	return round.RegisterPlanFrom(s, env, body.PlanBody, &round.Parent{
		Channel: model.Channel, Chaincode: model.Chaincode, Genesis: model.Genesis, Passport: found.Digest, Release: model.Release, Training: model.Final.Training,
		Round: model.Final.Round, State: model.State, Lineage: model.Root, Steps: model.Steps, ReleasedMS: model.ReleasedMS, SignedBy: found.SignedBy,
	}, &body.Privacy)
}
