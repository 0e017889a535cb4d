package contracttest

import (
	"encoding/binary"
	"encoding/json"
	"slices"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/aggregate/aggregatetest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
	"fedledger/chaincode/secagg"
)

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
	entry, err := f.Do(Node(0), "OpenRound", Map{"training": training})
	if err != nil && errcode.Of(err) == errcode.BeaconNotReady {
		f.Beacon()
		entry, err = f.Do(Node(0), "OpenRound", Map{"training": training})
	}
	if err != nil {
		panic("OpenRound by " + MSP(0) + ": " + err.Error())
	}
	if err := json.Unmarshal(entry.Response, &p.Ref); err != nil {
		panic(err)
	}
	view := p.View()
	values := options.Values
	if values == nil {
		values = plain
	}
	groups, closed := grouped(view, options)
	p.Round = aggregatetest.Play(aggregatetest.Options{
		Groups: groups, Closed: closed, Rule: p.f.rule(p.Ref),
		Cohort: len(view.Cohort), IDs: view.Cohort, Dropouts: options.Dropouts, Silent: options.Silent, Layout: f.Layout, Values: values,
		Context: secagg.Context{
			Channel: Channel, Training: training, Round: p.Ref.Round, Attempt: p.Ref.Attempt,
			Plan: digest32(view.Plan), BaseState: digest32(view.BaseState), Groups: groupsDigest(view.Groups),
		},
		Seed: binary.BigEndian.Uint64(ledger.Bytes(view.Session)),
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

// Advance moves the round on; it must move to the phase, unless it is there because everybody has spoken.
func (p *Played) Advance(to round.Phase) {
	if view := p.View(); view.Rules > 1 && view.Phase == to && view.Proposal == nil {
		return
	}
	var answer round.AdvanceResponse
	p.f.Must(Node(0), "Advance", p.Ref, &answer)
	if answer.Phase != to || !answer.Moved {
		panic("Advance: " + string(answer.Phase) + " instead of " + string(to) + ", " + p.View().VoidReason)
	}
}

// Expire moves the clock past the phase's deadline.
func (p *Played) Expire() { p.f.TimeMS = p.View().DeadlineMS }

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
	id := p.Members[place].ID
	caller := ledger.Caller{MSPID: MSP(p.f.owners[id]), Role: ledger.Client, KeyHash: KeyHash(id)}
	if identity, certified := p.f.certified[id]; certified {
		caller.KeyHash = identity.KeyHash
	}
	return caller
}

// Aggregator is the caller whose turn it is.
func (p *Played) Aggregator() ledger.Caller { return p.Named(p.View().Turns[0].Participant) }

// Others are the places whose turn it is not.
func (p *Played) Others() []int {
	turn := p.View().Turns[0].Participant
	return slices.DeleteFunc(all(len(p.Members)), func(place int) bool { return p.Members[place].ID == turn })
}

// Named is the caller with an id.
func (p *Played) Named(who string) ledger.Caller {
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
		view := p.View()
		if _, said := view.Attestations[MSP(i)]; said && view.Rules > 1 { // with its proposal
			continue
		}
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

// Say sends a transaction of each of the places.
func (p *Played) Say(function string, argument func(int) Map, places ...int) {
	for _, place := range places {
		p.f.Must(p.Node(place), function, argument(place), nil)
	}
}

// Ended lets the deadline pass and advances to Void; it returns the reason.
func (p *Played) Ended() string {
	p.Expire()
	p.Advance(round.Void)
	return p.View().VoidReason
}
