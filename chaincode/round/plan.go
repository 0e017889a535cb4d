package round

import (
	"encoding/json"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
)

// Plan is a registered plan: what the consortium agreed to train. Its layout says how updates lie in bytes.
type Plan struct {
	Plan         string          `json:"plan"`
	Name         string          `json:"name"`
	Layout       json.RawMessage `json:"layout"`
	LayoutDigest string          `json:"layout_digest"`
	UpdateBytes  uint64          `json:"update_bytes"`
	InitialState string          `json:"initial_state"`
	Schema       string          `json:"schema"`
	Retired      bool            `json:"retired"`
	RegisteredMS int64           `json:"registered_ms"`
	// Parent is where the initial state comes from, nil where the members made it.
	Parent *Parent `json:"parent,omitempty"`
	// Privacy is what it promises. Invariant: absent where it was registered under version 1 of the rules, which keep no account.
	Privacy *Privacy `json:"privacy,omitempty"`
}

// Parent is a model that another consortium released, as its passport names it.
type Parent struct {
	Channel   string `json:"channel"`
	Chaincode string `json:"chaincode"`
	// Genesis is the hash of the other channel's first block, Passport the digest of the signed statement.
	Genesis  string `json:"genesis"`
	Passport string `json:"passport"`
	Release  string `json:"release"`
	Training string `json:"training"`
	Round    uint64 `json:"round"`
	State    string `json:"state"`
	// Lineage is the root over the Steps rounds that made it.
	Lineage    string   `json:"lineage"`
	Steps      uint64   `json:"steps"`
	ReleasedMS int64    `json:"released_ms"`
	SignedBy   []string `json:"signed_by"`
	// WithdrawnMS is when somebody brought the withdrawal, 0 where nobody has.
	WithdrawnMS int64 `json:"withdrawn_ms"`
}

// Parents lists the plan's parent, none where it has none.
func (p Plan) Parents() []Parent {
	if p.Parent == nil {
		return []Parent{}
	}
	return []Parent{*p.Parent}
}

// PlanBody is the body of register_plan, without a passport.
type PlanBody struct {
	Plan         string          `json:"plan"`
	Name         string          `json:"name"`
	Layout       json.RawMessage `json:"layout"`
	InitialState string          `json:"initial_state"`
	Schema       string          `json:"schema"`
}

// Check implements governance.Body.
func (b PlanBody) Check(parameters governance.Parameters) error {
	if err := ledger.Digests("plan", b.Plan, "initial_state", b.InitialState, "schema", b.Schema); err != nil {
		return err
	}
	if err := ledger.CheckText("name", b.Name, maxName); err != nil {
		return err
	}
	layout, err := parseLayout(b.Layout)
	if err == nil && uint64(layout.Bytes()) > parameters.MaxUpdateBytes {
		err = errcode.New(errcode.LimitExceeded, "an update has %d bytes, at most %d", layout.Bytes(), parameters.MaxUpdateBytes)
	}
	return err
}

// LayoutDigest is how sums of the plan lie in bytes, in one digest.
func (b PlanBody) LayoutDigest() (string, error) {
	layout, err := parseLayout(b.Layout)
	return ledger.Hex(layout.Digest[:]), err
}

const maxName = 100

func planKey(digest string) string { return ledger.Key("plan", digest) }

// LoadPlan reads a plan.
func LoadPlan(s ledger.State, digest string) (Plan, error) {
	if err := ledger.CheckDigest("plan", digest); err != nil {
		return Plan{}, err
	}
	plan, found, err := ledger.Load[Plan](s, planKey(digest))
	if err == nil && !found {
		err = errcode.New(errcode.UnknownPlan, "%s", digest)
	}
	return plan, err
}

// RegisterPlan executes register_plan.
func RegisterPlan(s ledger.State, env ledger.Env, req PlanBody) error {
	return RegisterPlanFrom(s, env, req, nil, nil)
}

// RegisterPlanFrom registers a plan with what it promises of privacy, and with the parent whose state it begins from.
func RegisterPlanFrom(s ledger.State, env ledger.Env, req PlanBody, parent *Parent, privacy *Privacy) error {
	if _, exists, err := ledger.Load[Plan](s, planKey(req.Plan)); err != nil || exists {
		return either(err, errcode.New(errcode.PlanExists, "%s", req.Plan))
	}
	layout, err := parseLayout(req.Layout)
	if err != nil {
		return err
	}
	return ledger.Store(s, planKey(req.Plan), Plan{
		req.Plan, req.Name, req.Layout, ledger.Hex(layout.Digest[:]), uint64(layout.Bytes()),
		req.InitialState, req.Schema, false, env.TimeMS, parent, privacy,
	})
}

// Orphan notes in every plan that began from a passport that it was withdrawn.
func Orphan(s ledger.State, passport string, timeMS int64) error {
	items, err := ledger.List[Plan](s, "plan")
	if err != nil {
		return err
	}
	for _, item := range items {
		plan := item.Record
		if plan.Parent == nil || plan.Parent.Passport != passport {
			continue
		}
		plan.Parent.WithdrawnMS = timeMS
		if err := ledger.Store(s, planKey(plan.Plan), plan); err != nil {
			return err
		}
	}
	return nil
}

func parseLayout(raw json.RawMessage) (aggregate.Layout, error) {
	layout, err := aggregate.ParseLayout(raw)
	if err != nil {
		return layout, errcode.New(errcode.BadLayout, "layout: %v", err)
	}
	return layout, nil
}

type retireBody struct {
	Plan string `json:"plan"`
}

// Check implements governance.Body.
func (b retireBody) Check(governance.Parameters) error { return ledger.CheckDigest("plan", b.Plan) }

// RetirePlan executes retire_plan: no training starts on it again; those that run go on.
func RetirePlan(s ledger.State, _ ledger.Env, req retireBody) error {
	plan, err := LoadPlan(s, req.Plan)
	if err != nil {
		return err
	}
	if plan.Retired {
		return errcode.New(errcode.PlanRetired, "%s", plan.Plan)
	}
	plan.Retired = true
	return ledger.Store(s, planKey(plan.Plan), plan)
}

func either(err error, otherwise *errcode.Error) error {
	if err != nil {
		return err
	}
	return otherwise
}
