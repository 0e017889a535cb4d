package contract_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// player drives a federation at random: members drop out, reveal too little or twice, lie, vote, transfer, let deadlines
// pass, and open what comes next.
type player struct {
	t      *testing.T
	f      *contracttest.Federation
	random *rand.Rand
	p      *contracttest.Played
	phases map[round.Ref]int
}

var rank = []round.Phase{round.PhaseKeys, round.PhaseShares, round.PhaseUpdates, round.PhaseUnmask, round.PhaseAttest, round.Final, round.Void}

// try sends a transaction that may be refused, with a code.
func (p *player) try(caller ledger.Caller, function string, argument any) {
	_, err := p.f.Do(caller, function, argument)
	if err != nil && (errcode.Of(err) == errcode.Internal || errcode.Of(err) == errcode.BadRecord) {
		p.t.Fatalf("%s: %v", function, err)
	}
}

func (p *player) step() {
	if p.p == nil || p.ended() {
		p.open()
		return
	}
	place := p.random.IntN(len(p.p.Members))
	node := p.p.Node(place)
	speak := map[round.Phase]func(){
		round.PhaseKeys:    func() { p.try(node, "PublishKeys", p.p.Keys(place)) },
		round.PhaseShares:  func() { p.try(node, "CommitShares", p.p.Shares(place)) },
		round.PhaseUpdates: func() { p.update(node, place) },
		round.PhaseUnmask:  func() { p.try(node, "RevealShares", p.reveal(place)) },
		round.PhaseAttest:  func() { p.propose(); p.attest() },
	}
	switch chance := p.random.IntN(20); {
	case chance < 12:
		speak[p.p.View().Phase]()
	case chance < 13:
		speak[rank[p.random.IntN(5)]]()
	case chance < 17:
		p.try(node, "Advance", p.p.Ref)
	case chance < 18:
		p.f.TimeMS += int64(p.random.IntN(6000))
	default:
		p.elsewhere(node)
	}
	p.check()
}

func (p *player) ended() bool {
	phase := p.p.View().Phase
	return phase == round.Final || phase == round.Void
}

func (p *player) open() {
	defer func() {
		if recover() != nil { // finished, or too few candidates left: begin again elsewhere
			p.p = nil
			name := "t" + ledger.Number(uint64(len(p.f.Log)))[5:]
			_ = p.f.Agree("start_training", object{"training": name, "plan": contracttest.Digest("plan"), "rounds": 50, "cohort": 4})
			p.p = p.f.Open(name, options{})
		}
	}()
	training := "tumour"
	if p.p != nil {
		training = p.p.Ref.Training
	}
	o := options{}
	if p.random.IntN(2) == 0 {
		o.Dropouts = []int{p.random.IntN(4)}
	}
	p.p = p.f.Open(training, o)
}

func (p *player) update(node ledger.Caller, place int) {
	if p.p.Updates[place] != nil {
		p.try(node, "CommitUpdate", p.p.Update(place))
	}
}

// reveal is honest, or offers the wrong kind, or leaves shares out.
func (p *player) reveal(place int) object {
	argument := p.p.Reveal(place)
	shares := argument["shares"].([]object)
	if len(shares) == 0 {
		return argument
	}
	switch p.random.IntN(5) {
	case 0:
		i := p.random.IntN(len(shares))
		shares[i]["kind"] = map[any]string{"seed": "mask", "mask": "seed"}[shares[i]["kind"]]
	case 1:
		argument["shares"] = shares[:len(shares)-1]
	}
	return argument
}

func (p *player) propose() {
	view := p.p.View()
	if view.Proposal != nil || len(view.Turns) == 0 {
		return
	}
	argument := p.p.Proposal()
	if p.random.IntN(4) == 0 {
		argument["state"] = contracttest.Digest("lie")
	}
	p.try(p.p.Aggregator(), "ProposeAggregate", argument)
}

func (p *player) attest() {
	proposed := p.p.View().Proposal
	if proposed == nil {
		return
	}
	agree := proposed.State == p.p.State()
	p.try(contracttest.Admin(p.random.IntN(5)), "Attest", p.p.With(object{
		"number": proposed.Number, "state": p.p.State(), "agree": agree, "deviation_e9": 0,
	}))
}

// elsewhere is what else goes on in the consortium.
func (p *player) elsewhere(node ledger.Caller) {
	i, j := p.random.IntN(5), p.random.IntN(5)
	switch p.random.IntN(8) {
	case 0, 1, 2:
		p.try(contracttest.Admin(i), "Transfer", object{"to": contracttest.MSP(j), "amount": 1 + p.random.IntN(1000)})
	case 3, 4:
		p.try(node, "Settle", object{"training": p.p.Ref.Training, "round": 1 + p.random.IntN(int(p.p.Ref.Round))})
	case 5:
		p.try(contracttest.Admin(i), "Stake", object{"participant": contracttest.ID(i), "amount": 1 + p.random.IntN(1000)})
	case 6:
		p.try(contracttest.Admin(i), "Unstake", object{"participant": contracttest.ID(i), "amount": 1 + p.random.IntN(2000)})
	case 7:
		if p.random.IntN(4) == 0 {
			_ = p.f.Agree("roll_back_training", object{"training": p.p.Ref.Training, "round": 0})
		}
	}
}

// check holds after every step: phases never go back, and of one participant one kind of secret at most is on the ledger.
func (p *player) check() {
	if p.p == nil {
		return
	}
	view := p.p.View()
	now := slices.Index(rank, view.Phase)
	if now < p.phases[p.p.Ref] {
		p.t.Fatalf("%v went back to %s", p.p.Ref, view.Phase)
	}
	p.phases[p.p.Ref] = now
	var reveals round.RevealsView
	p.f.Query("GetReveals", p.p.Ref, &reveals)
	kinds := map[string]string{}
	for _, shares := range reveals.Reveals {
		for dealer, share := range shares {
			if other, seen := kinds[dealer]; seen && other != share.Kind {
				p.t.Fatalf("both secrets of %s are revealed", dealer)
			}
			kinds[dealer] = share.Kind
		}
	}
	if len(view.Survivors) > 0 && len(view.Survivors) < view.Threshold {
		p.t.Fatalf("%d survivors frozen, threshold %d", len(view.Survivors), view.Threshold)
	}
}

func TestOnRandomHistoriesNothingIsLostRevealedTwiceOrTakenBack(t *testing.T) {
	finals, voids := 0, 0
	for seed := range uint64(4) {
		f := contracttest.New(5, `{"epoch_rounds":3,"transfer_ms":0}`)
		f.Ready(50, 4)
		player := &player{t: t, f: f, random: rand.New(rand.NewPCG(seed, 7)), phases: map[round.Ref]int{}}
		for range 500 {
			player.step()
		}
		conserved(t, f)
		finals += ended(f, "RoundFinal")
		voids += ended(f, "RoundVoid")
		state := replayed(t, f, func(*ledger.Memory, contracttest.Entry) {})
		want, got := f.State.Entries(), state.Entries()
		equal(t, len(want), len(got))
		for i := range want {
			equal(t, string(want[i].Value), string(got[i].Value))
		}
	}
	if finals < 3 || voids < 2 {
		t.Fatalf("%d rounds ended Final, %d Void: the histories are too tame", finals, voids)
	}
}

func ended(f *contracttest.Federation, name string) int {
	count := 0
	for _, entry := range f.Log {
		if entry.Event.Name == name {
			count++
		}
	}
	return count
}
