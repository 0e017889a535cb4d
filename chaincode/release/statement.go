package release

import (
	"crypto/sha256"
	"encoding/json"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// The types of what is signed (in-toto Statement v1). A change of what a predicate holds needs a new number.
const (
	statementType  = "https://in-toto.io/Statement/v1"
	modelType      = "urn:fedledger:model-passport:1"
	withdrawalType = "urn:fedledger:model-withdrawal:1"
)

// stateName is the subject that is the state itself, from which nodes compute the exported files again.
const stateName = "state"

// passportName is the one subject of a withdrawal.
const passportName = "passport"

// statement is an in-toto Statement v1.
type statement[P any] struct {
	Type          string    `json:"_type"`
	Subject       []subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     P         `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

type predicate struct {
	Release    string  `json:"release"`
	ReleasedMS int64   `json:"released_ms"`
	Channel    string  `json:"channel"`
	Chaincode  string  `json:"chaincode"`
	Code       Code    `json:"code"`
	Genesis    string  `json:"genesis"`
	Final      final   `json:"final"`
	Rules      uint64  `json:"rules"`
	Plan       plan    `json:"plan"`
	Lineage    lineage `json:"lineage"`
	// Parents is the model of another consortium that the plan began from, none where the members made the initial state.
	Parents       []round.Parent    `json:"parents"`
	Cohort        []string          `json:"cohort"`
	Survivors     []string          `json:"survivors"`
	Examples      uint64            `json:"examples"`
	Metrics       map[string]string `json:"metrics"`
	Privacy       privacy           `json:"privacy"`
	Organisations []string          `json:"organisations"`
	AttestedBy    []string          `json:"attested_by"`
	DeviationE9   uint64            `json:"deviation_e9"`
	Flags         []flag            `json:"flags"`
	NotProven     []string          `json:"not_proven"`
	NotAudited    []string          `json:"not_audited"`
}

type final struct {
	round.Ref
	Block       uint64 `json:"block"`
	Hash        string `json:"hash"`
	Transaction string `json:"transaction"`
}

type plan struct {
	SHA256       string `json:"sha256"`
	Name         string `json:"name"`
	Framework    string `json:"framework"`
	LayoutDigest string `json:"layout_digest"`
	Schema       string `json:"schema"`
}

type privacy struct {
	Mode string `json:"mode"`
	Noise
}

type flag struct {
	Round       uint64 `json:"round"`
	Kind        string `json:"kind"`
	Participant string `json:"participant"`
}

// notProven is said in every passport.
var notProven = []string{
	"that any participant's data is good, or what it says it is",
	"that a participant trained honestly on it",
	"that nobody kept a copy of an earlier state",
}

// compose writes down what the ledger holds of the released round, and returns its state.
func compose(s ledger.State, env ledger.Env, body ModelBody) (json.RawMessage, string, error) {
	view, err := finalRound(s, body)
	if err != nil {
		return nil, "", err
	}
	made, err := round.LoadPlan(s, view.Plan)
	if err != nil {
		return nil, "", err
	}
	led, err := lineageOf(s, view, made.InitialState)
	if err != nil {
		return nil, "", err
	}
	organisations, err := governance.Voters(s)
	if err != nil {
		return nil, "", err
	}
	flags, err := flagsOf(s, view.Training, led.Steps)
	if err != nil {
		return nil, "", err
	}
	evidence := body.Evidence
	raw, err := canonical(statement[predicate]{statementType, subjects(body.Files, view.State), modelType, predicate{
		Release: body.Release, ReleasedMS: env.TimeMS, Channel: env.Channel, Chaincode: env.Chaincode, Code: evidence.Code, Genesis: evidence.Genesis,
		Final: final{view.Ref, evidence.FinalBlock, evidence.FinalHash, evidence.FinalTx}, Rules: view.Rules,
		Plan: plan{view.Plan, made.Name, evidence.Framework, view.LayoutDigest, made.Schema}, Lineage: led, Parents: made.Parents(),
		Cohort: view.Cohort, Survivors: view.Survivors, Examples: view.Proposal.Examples, Metrics: view.Proposal.Metrics,
		Privacy: privacy{view.Mode, evidence.Noise}, Organisations: organisations, AttestedBy: agreed(view), DeviationE9: view.DeviationE9,
		Flags: flags, NotProven: notProven, NotAudited: evidence.NotAudited,
	}})
	return raw, view.State, err
}

// finalRound returns the round that is released, which must be Final and in the lineage of the training's present state.
func finalRound(s ledger.State, body ModelBody) (round.View, error) {
	training, err := round.GetTraining(s, body.Training)
	if err != nil {
		return round.View{}, err
	}
	view, err := round.GetRound(s, round.Ref{Training: body.Training, Round: body.Round})
	if err != nil {
		return view, err
	}
	if view.Phase != round.Final || view.Depth > training.Head.Depth {
		return view, errcode.New(errcode.NotReleasable, "round %d of %s is in phase %s, or not in the lineage", body.Round, body.Training, view.Phase)
	}
	known, err := round.StepAt(s, body.Training, view.Depth)
	if err == nil && known.Ref != view.Ref {
		err = errcode.New(errcode.NotReleasable, "a vote rolled round %d of %s back", body.Round, body.Training)
	}
	return view, err
}

// flagsOf lists the flags of the attempts that led to the model.
func flagsOf(s ledger.State, training string, steps []step) ([]flag, error) {
	flags := []flag{}
	for _, step := range steps {
		items, err := ledger.List[round.Flag](s, "flag", training, ledger.Number(step.Round))
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			if item.Record.Attempt == step.Attempt {
				flags = append(flags, flag{step.Round, item.Record.Kind, item.Record.Participant})
			}
		}
	}
	return flags, nil
}

func subjects(files []File, state string) []subject {
	subjects := []subject{}
	for _, file := range files {
		subjects = append(subjects, subject{file.Name, map[string]string{"sha256": file.SHA256}})
	}
	return append(subjects, subject{stateName, map[string]string{"sha256": state}})
}

// agreed lists the organisations that agreed to the result.
func agreed(view round.View) []string {
	names := []string{}
	for _, msp := range sortedKeys(view.Attestations) {
		if view.Attestations[msp].Agree {
			names = append(names, msp)
		}
	}
	return names
}

// taken is the predicate of a withdrawal.
type taken struct {
	Release     string `json:"release"`
	Channel     string `json:"channel"`
	Genesis     string `json:"genesis"`
	Reason      string `json:"reason"`
	WithdrawnMS int64  `json:"withdrawn_ms"`
}

// withdrawal composes the statement that takes a release back. Its one subject is the passport's payload.
func withdrawal(env ledger.Env, release Release, reason string) (json.RawMessage, error) {
	payload, err := codec.Canonical(release.Statement)
	if err != nil {
		return nil, err
	}
	var signed struct {
		Predicate struct {
			Genesis string `json:"genesis"`
		} `json:"predicate"`
	}
	if err := json.Unmarshal(payload, &signed); err != nil {
		return nil, err
	}
	digest := sha256.Sum256(payload)
	about := []subject{{passportName, map[string]string{"sha256": ledger.Hex(digest[:])}}}
	return canonical(statement[taken]{statementType, about, withdrawalType, taken{release.Release, env.Channel, signed.Predicate.Genesis, reason, env.TimeMS}})
}
