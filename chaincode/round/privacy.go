package round

import (
	"regexp"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

// LossMax is where a participant's loss stops to grow: so much or more, and no ε that anybody would call private.
const LossMax = uint64(1) << 63

// promisedMax is the largest loss of one round that a plan may promise, for one contributor: far beyond every use of noise. It is
// below LossMax, so that what a round gives away is never cut.
const promisedMax = uint64(1_000_000_000_000_000_000)

// Privacy is what a plan promises of differential privacy, in integers: voters derive them from the plan file, the rules only add.
type Privacy struct {
	// Unit is what is protected: "record", "participant", or "" where the plan adds no noise; then all else is empty.
	Unit string `json:"unit"`
	// Delta is the δ that readers make ε with, decimal text.
	Delta string `json:"delta"`
	// Survivors is the fewest for which the promise holds; Colluders is how many of them may share their noise.
	Survivors uint64 `json:"survivors"`
	Colluders uint64 `json:"colluders"`
	// SquaredE15 is Σ Δ²/σ² of a round to which one contributor adds noise, in units of 10^-15, rounded up; n contributors divide it.
	SquaredE15 uint64 `json:"squared_e15"`
	// SlackE15 is by how much a sum of discrete Gaussians may miss one in a round, at most, in the same units, rounded up.
	SlackE15 uint64 `json:"slack_e15"`
}

var deltaText = regexp.MustCompile(`^(0?\.0*[1-9][0-9]*|[1-9](\.[0-9]+)?[eE]-[0-9]{1,2})$`)

// Check refuses numbers that no plan file gives.
func (p Privacy) Check() error {
	if p == (Privacy{}) {
		return nil
	}
	bad := func(what string) error { return errcode.New(errcode.BadArgument, "privacy: %s", what) }
	switch {
	case p.Unit != "record" && p.Unit != "participant":
		return bad(`unit is "record" or "participant"; all is empty where the plan adds no noise`)
	case len(p.Delta) > 40 || !deltaText.MatchString(p.Delta):
		return bad("delta is a decimal number between zero and one")
	case p.Survivors < 2 || p.Survivors > maxRounds || p.Colluders >= p.Survivors:
		return bad("survivors are at least 2, and colluders fewer")
	case p.SquaredE15 < 1 || p.SquaredE15 > promisedMax || p.SlackE15 > promisedMax:
		return bad("squared_e15 is 1 to 10^18, slack_e15 at most 10^18")
	}
	return nil
}

// Spent is what a training's rounds have told of one participant, in units of 10^-15 (fl_node/privacy/integers.py makes ε of it).
// Invariant: neither number ever falls; one that is LossMax may be larger.
type Spent struct {
	SquaredE15 uint64 `json:"squared_e15"`
	SlackE15   uint64 `json:"slack_e15"`
}

// Loss is what a round gives away of any one unit of the plan.
func (p Privacy) Loss(survivors int) Spent {
	contributors := uint64(max(1, survivors-int(p.Colluders))) // nodes reveal nothing with fewer
	return Spent{(p.SquaredE15 + contributors - 1) / contributors, p.SlackE15}
}

// Add adds what a round gave away; both stop at LossMax.
func (s Spent) Add(loss Spent) Spent {
	return Spent{min(s.SquaredE15+loss.SquaredE15, LossMax), min(s.SlackE15+loss.SlackE15, LossMax)}
}

// spend adds the frozen round's loss to every survivor's account. It counts from here on, however the attempt ends: who holds shares
// may unmask the sum. Where the plan was registered under version 1, the ledger has no account: readers derive it from the plan file.
//
// Scenario: a, b, c and d are frozen and the attempt is void; in the next a, b and c are. Of a both rounds have told, of d the first.
// A vote rolls the training back: what was told stays told, and its accounts go on.
func (a *advance) spend() error {
	if !differ(a.round.Rules).accounts {
		return nil
	}
	plan, err := LoadPlan(a.state, a.round.Plan)
	if err != nil || !plan.private() {
		return err
	}
	loss := plan.Privacy.Loss(len(a.status.Survivors))
	for _, id := range a.status.Survivors {
		key := ledger.Key("privacy", a.round.Training, id)
		before, _, err := ledger.Load[Spent](a.state, key)
		if err != nil {
			return err
		}
		if err := ledger.Store(a.state, key, before.Add(loss)); err != nil {
			return err
		}
	}
	return nil
}

func (p Plan) private() bool { return p.Privacy != nil && p.Privacy.Unit != "" }

// SpentBy is a participant's account in a training, as a query lists it.
type SpentBy struct {
	Participant string `json:"participant"`
	Spent
}

// SummariseSpent makes a list's entry of an account.
func SummariseSpent(item ledger.Item[Spent]) (SpentBy, error) {
	return SpentBy{item.Parts[1], item.Record}, nil
}
