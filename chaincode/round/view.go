package round

import (
	"slices"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
)

// View is a round as a query returns it.
type View struct {
	Ref
	Phase        Phase                  `json:"phase"`
	DeadlineMS   int64                  `json:"deadline_ms"`
	OpenedMS     int64                  `json:"opened_ms"`
	Epoch        uint64                 `json:"epoch"`
	Parent       uint64                 `json:"parent"`
	Depth        uint64                 `json:"depth"`
	Plan         string                 `json:"plan"`
	BaseState    string                 `json:"base_state"`
	LayoutDigest string                 `json:"layout_digest"`
	Session      string                 `json:"session"`
	Threshold    int                    `json:"threshold"`
	Cohort       []string               `json:"cohort"`
	Members      []Member               `json:"members"`
	KeptOut      []Member               `json:"kept_out"`         // by complaints that nobody proved
	InPlace      []string               `json:"in_place"`         // members in their place
	Groups       [][]string             `json:"groups,omitempty"` // that masks are shared within
	Aggregators  []string               `json:"aggregators"`
	Turns        []ProposerTurn         `json:"turns"`
	Keys         map[string]Keys        `json:"keys"`
	Shares       map[string]Shares      `json:"shares"`
	Updates      map[string]Update      `json:"updates"`
	Dropouts     map[string]Dropout     `json:"dropouts,omitempty"` // who has said that it takes no further part
	Complaints   map[string]Complaints  `json:"complaints"`
	U1           []string               `json:"u1"`
	U2           []string               `json:"u2"`
	Survivors    []string               `json:"survivors"`
	LeftOut      []string               `json:"left_out,omitempty"` // their group stays closed
	Exposure     []Exposure             `json:"exposure"`
	Frozen       []FrozenView           `json:"frozen"`
	Revealed     []string               `json:"revealed"`
	Voters       int                    `json:"voters"`   // active organisations: each may attest once to a proposal
	Majority     int                    `json:"majority"` // so many of them must agree for Final
	Proposal     *Proposed              `json:"proposal"`
	Attestations map[string]Attestation `json:"attestations"`
	NoState      map[string]NoState     `json:"no_state"` // by MSP id: who finds no state after the sum
	State        string                 `json:"state"`
	DeviationE9  uint64                 `json:"deviation_e9"`
	VoidReason   string                 `json:"void_reason"`
	Beacon       string                 `json:"beacon"`
	Lifted       bool                   `json:"lifted"`
	Rules        uint64                 `json:"rules"`
	Mode         string                 `json:"mode"`
	// RobustGroups and Plain are the settings of that mode; absent in others.
	RobustGroups *governance.RobustGroups `json:"robust_groups,omitempty"`
	// Contribution is what the epoch's groups contributed until this round; absent before Final, and where no terms were voted.
	Contribution []int64           `json:"contribution,omitempty"`
	Plain        *governance.Plain `json:"plain,omitempty"`

	active []string // the organisations that Voters counts
}

// Complaints says of those who complained of one dealer whether it has answered them.
type Complaints map[string]bool

// FrozenView is a survivor set frozen on the same base state, with those blamed with proof on it: what a node needs to check the
// difference itself.
type FrozenView struct {
	Ref
	Survivors []string   `json:"survivors"`
	Blamed    []string   `json:"blamed"`
	Groups    [][]string `json:"groups,omitempty"`
}

// Resolve turns round 0 into the latest and attempt 0 into the round's latest.
func Resolve(s ledger.State, ref Ref) (Ref, error) {
	if ref.Round == 0 {
		training, err := LoadTraining(s, ref.Training)
		if err != nil {
			return ref, err
		}
		if training.Round == 0 {
			return ref, errcode.New(errcode.UnknownRound, "%s has no round yet", ref.Training)
		}
		return training.ref(), nil
	}
	if ref.Attempt == 0 {
		if err := (Ref{ref.Training, ref.Round, 1}).check(); err != nil {
			return ref, err
		}
		statuses, err := ledger.List[Status](s, "phase", ref.Training, ledger.Number(ref.Round))
		if err != nil {
			return ref, err
		}
		ref.Attempt = max(1, uint64(len(statuses)))
	}
	return ref, nil
}

// GetRound returns a round with all that its members put on the ledger.
func GetRound(s ledger.State, ref Ref) (View, error) {
	ref, err := Resolve(s, ref)
	if err != nil {
		return View{}, err
	}
	round, status, err := load(s, ref)
	if err != nil {
		return View{}, err
	}
	if s, err = readingOf(s, round); err != nil {
		return View{}, err
	}
	if status, err = flown(s, round, status, ""); err != nil {
		return View{}, err
	}
	view := fixed(round)
	view.settle(round.Parameters)
	view.froze(round, status)
	if err := view.readSaid(s, round, status); err != nil {
		return view, err
	}
	for _, read := range []func(ledger.State, Round, Status) error{view.readSets, view.readTurns, view.readMajority, view.readProposal, view.readNoState, view.readContributed} {
		if err := read(s, round, status); err != nil {
			return view, err
		}
	}
	return view, nil
}

func fixed(round Round) View {
	return View{
		Ref: round.Ref, OpenedMS: round.OpenedMS, Epoch: round.Epoch, Parent: round.Parent, Depth: round.Depth,
		Plan: round.Plan, BaseState: round.BaseState, LayoutDigest: round.LayoutDigest, Session: round.Session,
		Threshold: round.Threshold, Cohort: round.Names(), Members: round.Cohort, KeptOut: round.KeptOut, InPlace: round.InPlace,
		Groups: round.Groups, Aggregators: round.Aggregators, Beacon: round.Beacon, Lifted: round.Lifted, Rules: round.Rules, Mode: round.Parameters.Mode,
		Turns: []ProposerTurn{}, Exposure: []Exposure{}, Frozen: []FrozenView{}, Attestations: map[string]Attestation{}, NoState: map[string]NoState{},
	}
}

// readContributed adds what the epoch's groups have contributed, where the members voted terms for it.
func (v *View) readContributed(s ledger.State, round Round, status Status) error {
	if status.Phase != Final || round.Parameters.Contribution == nil {
		return nil
	}
	found, _, err := ledger.Load[Contributed](s, round.key("contribution"))
	v.Contribution = found.Groups
	return err
}

// settle adds the settings of the round's mode.
func (v *View) settle(parameters governance.Parameters) {
	switch parameters.Mode {
	case governance.ModeRobustGroups:
		settings := parameters.GroupSettings()
		v.RobustGroups = &settings
	case governance.ModePlain:
		settings := parameters.PlainSettings()
		v.Plain = &settings
	}
}

// froze adds what the phases so far have fixed.
func (v *View) froze(round Round, status Status) {
	v.Phase, v.DeadlineMS, v.State = status.Phase, status.DeadlineMS, status.State
	v.DeviationE9, v.VoidReason = status.DeviationE9, status.VoidReason
	v.U1, v.U2, v.Survivors, v.LeftOut = status.U1, status.U2, status.Survivors, status.LeftOut
	if status.Phase == Final || status.Phase == Void {
		v.Beacon = status.Beacon
	}
	if status.Phase == PhaseAttest {
		v.Aggregators = aggregators(round, status)
	}
}

// readSaid adds what the members have said. Nobody complains before sealed shares are settled.
func (v *View) readSaid(s ledger.State, round Round, status Status) error {
	found, err := saidIn(s, round)
	if err == nil && len(status.U2) > 0 {
		found.against, err = against(s, round.Ref)
	}
	if err != nil {
		return err
	}
	v.Keys, v.Shares, v.Updates = found.keys, found.shares, found.updates
	reveals, err := revealedBy(s, round)
	v.Revealed = present(round.Names(), reveals)
	if err == nil {
		v.Dropouts, err = dropoutsOf(s, round)
	}
	v.Complaints = map[string]Complaints{}
	for dealer, complaints := range found.against { // any order: into a map
		v.Complaints[dealer] = Complaints{}
		for from, complaint := range complaints { // any order: into a map
			v.Complaints[dealer][from] = complaint.answered()
		}
	}
	return err
}

// readSets adds the different survivor sets frozen on the same base state by other attempts, and this one's exposures.
func (v *View) readSets(s ledger.State, round Round, status Status) error {
	sets, excused, err := frozenOn(s, round.BaseState)
	for _, set := range sets {
		if set.Ref == round.Ref {
			v.Exposure = set.Exposure
			continue
		}
		if !slices.ContainsFunc(v.Frozen, func(seen FrozenView) bool { return sameSums(seen, set) }) {
			v.Frozen = append(v.Frozen, FrozenView{set.Ref, set.Survivors, without(excused, nil), set.Groups})
		}
	}
	return err
}

func sameSums(seen FrozenView, set Frozen) bool {
	return slices.EqualFunc(sumsOf(seen.Survivors, seen.Groups), set.sums(), slices.Equal[[]string])
}

func (v *View) readTurns(s ledger.State, round Round, status Status) (err error) {
	if status.Phase == PhaseAttest {
		v.Turns, err = turns(s, round, status)
	}
	return err
}

// readMajority adds what Advance would count by if it came now: organisations may be suspended or admitted while a round is open.
// Of a Final it adds what made it final: who checks later whether a majority agreed must not count those admitted since.
func (v *View) readMajority(s ledger.State, _ Round, status Status) error {
	if status.Phase == Final {
		v.Voters, v.Majority = status.Voters, status.Majority
		return nil
	}
	active, majority, err := electorate(s)
	v.Voters, v.Majority, v.active = len(active), majority, active
	return err
}

// counts says that what an organisation said of the result counts: while the phase lasts only the active ones' does, and what
// is over stays as it was said.
func (v *View) counts(msp string) bool {
	return v.Phase != PhaseAttest || slices.Contains(v.active, msp)
}

func (v *View) readProposal(s ledger.State, round Round, status Status) error {
	if status.Number == 0 || !status.Open && status.Phase != Final {
		return nil
	}
	proposed, _, err := ledger.Load[Proposed](s, round.key("proposed", ledger.Number(status.Number)))
	if err != nil {
		return err
	}
	v.Proposal = &proposed
	items, err := ledger.List[Attestation](s, "attest", append(round.parts(), ledger.Number(status.Number))...)
	for _, item := range items {
		if msp := item.Parts[4]; v.counts(msp) {
			v.Attestations[msp] = item.Record
		}
	}
	return err
}

func (v *View) readNoState(s ledger.State, round Round, status Status) error {
	if status.Phase != PhaseAttest && status.Phase != Final && status.Phase != Void {
		return nil // nobody could say so yet
	}
	items, err := ledger.List[NoState](s, "no-state", round.parts()...)
	for _, item := range items {
		if msp := item.Parts[3]; v.counts(msp) {
			v.NoState[msp] = item.Record
		}
	}
	return err
}
