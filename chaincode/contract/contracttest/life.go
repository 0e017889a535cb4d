package contracttest

import (
	"encoding/json"
	"slices"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/aggregate/aggregatetest"
	"fedledger/chaincode/codec"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
	"fedledger/chaincode/secagg"
)

// Layout is the layout of the plan that tests train: four values, the example count and a constant one.
const Layout = `{"version":1,"segments":[` +
	`{"name":"v","kind":"value","word":32,"ring":32,"max":65535,"slots":4,"path":[],"shape":[4],"dtype":"int32"},` +
	`{"name":"n","kind":"count","word":64,"ring":64,"max":1000000,"slots":1,"path":[],"shape":[],"dtype":"int64"},` +
	`{"name":"one","kind":"one","word":64,"ring":64,"max":1,"slots":1,"path":[],"shape":[],"dtype":"int64"}],` +
	`"count":{"segment":"n","numerator":1,"denominator":1}}`

// Found founds the federation and makes its first beacon.
func (f *Federation) Found() {
	definition := f.Contract.Definition
	f.Must(Admin(0), "Found", Map{
		"members": definition.Members, "regulators": definition.Regulators, "parameters": definition.Parameters,
	}, nil)
	for i, msp := range f.Members {
		value := codec.Hash("test/beacon", []byte(msp))
		commitment := codec.Hash(codec.LabelBeaconCommitment, []byte(Channel), []byte(msp), value[:])
		f.Must(Admin(i), "CommitBeacon", Map{"commitment": ledger.Hex(commitment[:])}, nil)
	}
	for i, msp := range f.Members {
		value := codec.Hash("test/beacon", []byte(msp))
		f.Must(Admin(i), "RevealBeacon", Map{"value": ledger.Hex(value[:])}, nil)
	}
}

// Agree proposes and lets as many members vote as it takes.
func (f *Federation) Agree(kind string, body any) error {
	entry, err := f.Do(Admin(0), "Propose", Map{"kind": kind, "body": body, "deadline_ms": 0, "reason": "test"})
	if err != nil {
		return err
	}
	for i := 1; ; i++ {
		var answer struct{ Proposal, Status string }
		if err := json.Unmarshal(entry.Response, &answer); err != nil {
			panic(err)
		}
		if answer.Status != "open" {
			return nil
		}
		if entry, err = f.Do(Admin(i), "Vote", Map{"proposal": answer.Proposal, "approve": true}); err != nil {
			return err
		}
	}
}

func (f *Federation) mustAgree(kind string, body any) {
	if err := f.Agree(kind, body); err != nil {
		panic(kind + ": " + err.Error())
	}
}

// Apply puts the i-th participant forward.
func (f *Federation) Apply(i int) {
	f.Must(Admin(i), "Apply", Map{
		"participant": ID(i), "key_hash": KeyHash(ID(i)), "stake": 1_000_000, "evidence": []string{Digest("evidence")},
		"profile": Map{"rows": 200, "missing_ppm": 0, "labels": []int{100, 100}, "schema": Digest("schema")},
	}, nil)
}

// Ready founds, admits every member's participant, registers the plan and starts the training "tumour".
func (f *Federation) Ready(rounds, cohort int) {
	f.Found()
	for i := range f.Members {
		f.Apply(i)
		f.mustAgree("admit", Map{"participant": ID(i)})
	}
	f.mustAgree("register_plan", Map{
		"plan": Digest("plan"), "name": "tumour", "layout": json.RawMessage(Layout),
		"initial_state": Digest("state-0"), "schema": Digest("schema"),
	})
	f.Start("tumour", rounds, cohort)
}

// Start starts a training.
func (f *Federation) Start(training string, rounds, cohort int) {
	f.mustAgree("start_training", Map{"training": training, "plan": Digest("plan"), "rounds": rounds, "cohort": cohort})
}

// Played is an open round with its participants played.
type Played struct {
	*aggregatetest.Round
	f   *Federation
	Ref round.Ref
	// Examples is what each survivor declares; 100 unless a test says otherwise.
	Examples map[int]int
	// Proposals counts those made.
	Proposals uint64
}

// Options say how participants behave, by their place in the cohort.
type Options struct {
	Dropouts, Silent []int
	Values           func(place int, segment aggregate.Segment, slot uint64) uint64
}

// Open opens the next round of a training and plays its participants.
func (f *Federation) Open(training string, options Options) *Played {
	p := &Played{f: f, Examples: map[int]int{}}
	f.Must(Node(0), "OpenRound", Map{"training": training}, &p.Ref)
	view := p.View()
	values := options.Values
	if values == nil {
		values = plain
	}
	p.Round = aggregatetest.Play(aggregatetest.Options{
		Cohort: len(view.Cohort), Dropouts: options.Dropouts, Silent: options.Silent, Layout: Layout, Values: values,
		Context: secagg.Context{
			Channel: Channel, Training: training, Round: p.Ref.Round, Attempt: p.Ref.Attempt,
			Plan: digest32(view.Plan), BaseState: digest32(view.BaseState),
		},
		Seed: p.Ref.Round<<16 + p.Ref.Attempt,
	})
	return p
}

func plain(place int, segment aggregate.Segment, slot uint64) uint64 {
	switch segment.Kind {
	case "one":
		return 1
	case "count":
		return 100
	}
	return uint64(place)*1000 + slot
}

func digest32(text string) [32]byte { return [32]byte(ledger.Bytes(text)) }

// View is GetRound.
func (p *Played) View() round.View {
	var view round.View
	p.f.Query("GetRound", p.Ref, &view)
	return view
}

// With is the round's ref with more fields.
func (p *Played) With(fields Map) Map {
	fields["training"], fields["round"], fields["attempt"] = p.Ref.Training, p.Ref.Round, p.Ref.Attempt
	return fields
}

// Advance moves the round on; it must move to the phase.
func (p *Played) Advance(to round.Phase) {
	var answer round.AdvanceResponse
	p.f.Must(Node(0), "Advance", p.Ref, &answer)
	if answer.Phase != to || !answer.Moved {
		panic("Advance: " + string(answer.Phase) + " instead of " + string(to) + ", " + p.View().VoidReason)
	}
}

// Expire moves the clock past the phase's deadline.
func (p *Played) Expire() { p.f.TimeMS = p.View().DeadlineMS }

// Keys is the argument of PublishKeys.
func (p *Played) Keys(place int) Map {
	m := p.Members[place]
	return p.With(Map{"seal_key": ledger.Hex(m.SealKey[:]), "mask_key": ledger.Hex(m.MaskKey[:])})
}

// Shares is the argument of CommitShares.
func (p *Played) Shares(place int) Map {
	m, sealed := p.Members[place], []Map{}
	for other, peer := range p.Members {
		if other != place {
			sealed = append(sealed, Map{"to": peer.ID, "digest": Digest(m.ID + peer.ID)})
		}
	}
	return p.With(Map{
		"seed_commitment": ledger.Hex(m.SeedCommitment[:]), "shares_root": ledger.Hex(m.SharesRoot[:]), "sealed": sealed,
	})
}

// Update is the argument of CommitUpdate; it puts the blob.
func (p *Played) Update(place int) Map {
	view, examples := p.View(), 100
	if declared, own := p.Examples[place]; own {
		examples = declared
	}
	digest := p.f.Blobs.Put(p.Updates[place])
	return p.With(Map{
		"digest": ledger.Hex(digest[:]), "length": len(p.Updates[place]), "examples": examples,
		"plan": view.Plan, "base_state": view.BaseState,
	})
}

// Reveal is the argument of RevealShares.
func (p *Played) Reveal(place int) Map {
	shares := []Map{}
	for _, reveal := range p.Reveals[place] {
		proof := []string{}
		for _, digest := range reveal.Proof {
			proof = append(proof, ledger.Hex(digest[:]))
		}
		shares = append(shares, Map{
			"dealer": reveal.Dealer, "kind": string(reveal.Kind), "value": ledger.Hex(reveal.Value[:]), "proof": proof,
		})
	}
	return p.With(Map{"shares": shares})
}

// Proposal is the argument of ProposeAggregate.
func (p *Played) Proposal() Map {
	examples := 0
	for _, member := range p.Inputs.Cohort {
		if member.Survivor {
			examples += 100
		}
	}
	return p.With(Map{
		"aggregate": ledger.Hex(p.Inputs.Aggregate[:]), "state": p.State(), "metrics": Map{"loss": "0.5"}, "examples": examples,
	})
}

// State is the digest of the state that the round makes.
func (p *Played) State() string {
	return Digest("state" + ledger.Number(p.Ref.Round) + ledger.Hex(p.Inputs.Aggregate[:]))
}

// shared and survivors are places in the cohort.
func (p *Played) places(keep func(aggregate.Participant) bool) []int {
	places := []int{}
	for place, member := range p.Inputs.Cohort {
		if keep(member) {
			places = append(places, place)
		}
	}
	return places
}

// Sharing are the places that commit shares.
func (p *Played) Sharing() []int {
	return p.places(func(member aggregate.Participant) bool { return member.Shared })
}

// Surviving are the places that commit updates.
func (p *Played) Surviving() []int {
	return p.places(func(member aggregate.Participant) bool { return member.Survivor })
}

// To plays the round up to the start of a phase; who is missing lets the deadline pass.
func (p *Played) To(phase round.Phase) {
	steps := []struct {
		to       round.Phase
		function string
		argument func(int) Map
		who      func() []int
		all      int
	}{
		{round.PhaseShares, "PublishKeys", p.Keys, func() []int { return all(len(p.Members)) }, len(p.Members)},
		{round.PhaseUpdates, "CommitShares", p.Shares, p.Sharing, len(p.Members)},
		{round.PhaseUnmask, "CommitUpdate", p.Update, p.Surviving, len(p.Sharing())},
		{round.PhaseAttest, "RevealShares", p.Reveal, p.Surviving, len(p.Surviving())},
	}
	for _, step := range steps {
		if p.View().Phase == phase {
			return
		}
		if slices.Index(order, p.View().Phase) >= slices.Index(order, step.to) {
			continue
		}
		for _, place := range step.who() {
			p.f.Must(p.Node(place), step.function, step.argument(place), nil)
		}
		if len(step.who()) < step.all {
			p.Expire()
		}
		p.Advance(step.to)
	}
}

var order = []round.Phase{round.PhaseKeys, round.PhaseShares, round.PhaseUpdates, round.PhaseUnmask, round.PhaseAttest}

// Node is the caller at a place of the cohort.
func (p *Played) Node(place int) ledger.Caller {
	for i := range p.f.Members {
		if ID(i) == p.Members[place].ID {
			return Node(i)
		}
	}
	panic("contracttest: no such member")
}

// Aggregator is the caller whose turn it is.
func (p *Played) Aggregator() ledger.Caller {
	who := p.View().Turns[0].Participant
	return p.Node(slices.IndexFunc(p.Members, func(m *aggregatetest.Member) bool { return m.ID == who }))
}

// Propose proposes the true result.
func (p *Played) Propose() {
	p.Proposals++
	p.f.Must(p.Aggregator(), "ProposeAggregate", p.Proposal(), nil)
}

// Attest lets the members' administrators agree.
func (p *Played) Attest(members ...int) {
	for _, i := range members {
		p.f.Must(Admin(i), "Attest", p.With(Map{
			"number": p.Proposals, "state": p.State(), "agree": true, "deviation_e9": 7,
		}), nil)
	}
}

// Finish plays the rest of the round to its end.
func (p *Played) Finish() {
	p.To(round.PhaseAttest)
	p.Propose()
	p.Attest(all(len(p.f.Members)/2 + 1)...)
	p.Advance(round.Final)
}

func all(n int) []int {
	places := make([]int, n)
	for i := range places {
		places[i] = i
	}
	return places
}
