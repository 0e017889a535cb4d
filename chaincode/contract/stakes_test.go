package contract_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/rewards"
	"fedledger/chaincode/round"
)

func stakeOf(f *contracttest.Federation, i int) uint64 {
	var who struct{ Stake uint64 }
	f.Query("GetParticipant", object{"participant": contracttest.ID(i)}, &who)
	return who.Stake
}

// badDealer plays an attempt whose place deals shares that rebuild nothing that fits.
func badDealer(f *contracttest.Federation, training string, id string) *contracttest.Played {
	p := f.Open(training, options{})
	all := []int{}
	for place := range p.Members {
		all = append(all, place)
	}
	p.Spoil(slices.Index(p.View().Cohort, id), 0, "seed")
	p.To(round.PhaseUnmask)
	p.Say("RevealShares", p.Reveal, all...)
	p.Advance(round.Void)
	return p
}

func TestWhoCannotPayForAFaultIsNotDrawnUntilItsStakeIsFilledUp(t *testing.T) {
	f := training(4, `{"slash_fault_ppm":600000}`) // of a stake of twice the minimum
	bad := contracttest.ID(3)
	badDealer(f, "tumour", bad)
	equal(t, uint64(2_000_000), stakeOf(f, 3)) // owed, not yet taken
	badDealer(f, "tumour", bad)                // 1,400,000 are free
	refused(t, f, contracttest.Node(0), "OpenRound", object{"training": "tumour"}, errcode.TooFewCandidates)
	f.Must(contracttest.Admin(3), "Stake", object{"participant": bad, "amount": 199_999}, nil)
	refused(t, f, contracttest.Node(0), "OpenRound", object{"training": "tumour"}, errcode.TooFewCandidates)
	f.TimeMS += 5_000
	f.Must(contracttest.Admin(3), "Stake", object{"participant": bad, "amount": 1}, nil)
	f.Open("tumour", options{}).Finish()
	f.Must(contracttest.Admin(0), "Settle", object{"training": "tumour", "round": 1}, nil)
	equal(t, uint64(2_200_000-2*600_000), stakeOf(f, 3))
	conserved(t, f)
}

// TestAStakeThatOneTrainingMayTakeCountsInNoOther has stakes that pay for one fault: whoever is drawn by one training is not
// drawn by another until the first attempt has ended.
func TestAStakeThatOneTrainingMayTakeCountsInNoOther(t *testing.T) {
	f := training(4, `{"slash_fault_ppm":1000000,"minimum_stake":2000000}`)
	f.Start("other", 1, 4)
	first := f.Open("tumour", options{})
	refused(t, f, contracttest.Node(0), "OpenRound", object{"training": "other"}, errcode.TooFewCandidates)
	first.Finish()
	f.Open("other", options{})
}

func TestOnlyWhoFinishedIsPaid(t *testing.T) {
	f := contracttest.New(5, `{}`)
	f.Ready(5, 5)
	p := f.Open("tumour", options{})
	p.To(round.PhaseUnmask)
	p.Say("RevealShares", p.Reveal, 0, 1, 2, 4) // the fourth survives, and withholds its reveal
	p.Expire()
	p.Advance(round.PhaseAttest)
	p.Propose()
	p.Attest(0, 1, 2)
	p.Advance(round.Final)
	paid := rewarded(f, 1)
	equal(t, 4, len(paid))
	equal(t, uint64(0), paid[contracttest.ID(3)])
	equal(t, uint64(250_000), paid[contracttest.ID(0)])
	equal(t, 5, len(p.View().Survivors))
}

func TestUnstakingWaitsUntilAllAttemptsAreSettled(t *testing.T) {
	f := training(4, `{}`)
	unstake := object{"participant": contracttest.ID(3), "amount": 1_000_000}
	p := f.Open("tumour", options{})
	refused(t, f, contracttest.Admin(3), "Unstake", unstake, errcode.StakeLocked)
	p.Ended() // all are dropouts of phase Keys
	refused(t, f, contracttest.Admin(3), "Unstake", unstake, errcode.StakeLocked)
	f.Open("tumour", options{}).Finish()
	refused(t, f, contracttest.Admin(3), "Unstake", unstake, errcode.StakeLocked)
	f.Must(contracttest.Admin(0), "Settle", object{"training": "tumour", "round": 1}, nil)
	equal(t, uint64(1_990_000), stakeOf(f, 3))
	refused(t, f, contracttest.Admin(3), "Unstake", unstake, errcode.StakeLocked) // the minimum stays
	f.Must(contracttest.Admin(3), "Unstake", object{"participant": contracttest.ID(3), "amount": 990_000}, nil)
}

func TestARemovedParticipantsStakeWaitsForItsAttemptsToo(t *testing.T) {
	f := training(4, `{"stake_lock_ms":1000}`)
	f.Open("tumour", options{}).To(round.PhaseUnmask)
	agree(t, f, "remove", object{"participant": contracttest.ID(0)})
	f.TimeMS += 1000
	whole := object{"participant": contracttest.ID(0), "amount": 2_000_000}
	refused(t, f, contracttest.Admin(0), "Unstake", whole, errcode.StakeLocked)
	agree(t, f, "stop_training", object{"training": "tumour"})
	refused(t, f, contracttest.Admin(0), "Unstake", whole, errcode.StakeLocked)
	f.Must(contracttest.Admin(1), "Settle", object{"training": "tumour", "round": 1}, nil)
	f.Must(contracttest.Admin(0), "Unstake", whole, nil)
	equal(t, uint64(0), stakeOf(f, 0))
}

// faults are what one participant may do wrong on its own; each plays an attempt to its end, or to where it waits.
var faults = map[string]func(f *contracttest.Federation, p *contracttest.Played, place int, others []int){
	"deals badly": func(_ *contracttest.Federation, p *contracttest.Played, place int, others []int) {
		p.Spoil(place, others[0], "seed")
		p.To(round.PhaseUnmask)
		p.Say("RevealShares", p.Reveal, append(others, place)...)
		p.Advance(round.Void)
	},
	"publishes no keys": func(f *contracttest.Federation, p *contracttest.Played, _ int, others []int) {
		p.Say("PublishKeys", p.Keys, others...)
		p.Expire()
		f.Try(contracttest.Node(0), "Advance", p.Ref)
	},
	"withholds its reveal": func(f *contracttest.Federation, p *contracttest.Played, _ int, others []int) {
		p.To(round.PhaseUnmask)
		p.Say("RevealShares", p.Reveal, others...)
		p.Expire()
		f.Try(contracttest.Node(0), "Advance", p.Ref)
	},
	"commits no update": func(f *contracttest.Federation, p *contracttest.Played, _ int, others []int) {
		p.To(round.PhaseUpdates)
		p.Say("CommitUpdate", p.Update, others...)
		p.Expire()
		f.Try(contracttest.Node(0), "Advance", p.Ref)
	},
}

// TestNoFaultIsFreeOnceAnotherIsOwed lets one of five participants choose its faults at random, in two trainings at a time,
// with slashes of up to the whole minimum stake; it fills its stake up now and then. Whenever a round is settled, all that its
// outcomes cost is taken, and who has less than the minimum free is in no cohort.
func TestNoFaultIsFreeOnceAnotherIsOwed(t *testing.T) {
	committed := 0
	for seed := range uint64(6) {
		random := rand.New(rand.NewPCG(seed, 11))
		f := contracttest.New(5, fmt.Sprintf(`{"slash_fault_ppm":%d,"slash_dropout_ppm":%d,"cohort_min":4,"transfer_ms":0}`,
			[]int{100_000, 600_000, 1_000_000}[seed%3], []int{10_000, 1_000_000}[seed%2]))
		f.Ready(30, 5)
		f.Start("other", 30, 5)
		bad := contracttest.ID(4)
		for range 24 {
			committed += misbehave(t, f, random, bad, []string{"tumour", "other"}[random.IntN(2)])
			if random.IntN(6) == 0 {
				f.Try(contracttest.Admin(4), "Stake", object{"participant": bad, "amount": 1 + random.IntN(1_500_000)})
			}
			f.Try(contracttest.Admin(4), "Unstake", object{"participant": bad, "amount": 1 + random.IntN(2_000_000)})
		}
		for _, training := range []string{"tumour", "other"} {
			_ = f.Agree("stop_training", object{"training": training})
		}
		settleAll(t, f)
		conserved(t, f)
	}
	if committed < 20 {
		t.Fatalf("only %d faults: the histories are too tame", committed)
	}
}

// misbehave plays one attempt, with a fault of the participant where it is drawn; it returns how many faults that is.
func misbehave(t *testing.T, f *contracttest.Federation, random *rand.Rand, bad, training string) (count int) {
	t.Helper()
	var view struct{ Pending bool }
	f.Query("GetTraining", object{"training": training}, &view)
	if view.Pending { // what a fault left open
		_ = f.Agree("roll_back_training", object{"training": training, "round": 0})
	}
	free, err := rewards.FreeStake(f.State.Begin(), bad)
	if err != nil {
		t.Fatal(err)
	}
	p := f.Open(training, options{})
	place := slices.Index(p.View().Cohort, bad)
	if drawn := place >= 0; drawn && free < 1_000_000 {
		t.Fatalf("%s is drawn with %d free", bad, free)
	}
	defer func() { _ = recover() }() // an attempt may be void before the fault: the base state has other survivors
	if place < 0 {
		p.Finish()
		return 0
	}
	others := []int{}
	for i := range p.Members {
		if i != place {
			others = append(others, i)
		}
	}
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range faults { // any order: sorted
			if !yield(name) {
				return
			}
		}
	})
	count = 1
	faults[names[random.IntN(len(names))]](f, p, place, others)
	return count
}

// settleAll settles every round and holds what was taken against what the outcomes cost.
func settleAll(t *testing.T, f *contracttest.Federation) {
	t.Helper()
	due, taken := uint64(0), uint64(0)
	outcomes, err := ledger.List[rewards.Outcome](f.State.Begin(), "outcome")
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range outcomes {
		due += item.Record.Slash
	}
	settled, err := ledger.List[rewards.Settlement](f.State.Begin(), "settled")
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range settled {
		taken += item.Record.Slashed
	}
	rounds, err := ledger.List[round.Round](f.State.Begin(), "round")
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range rounds {
		var settlement rewards.Settlement
		entry, err := f.Do(contracttest.Admin(0), "Settle", object{"training": item.Record.Training, "round": item.Record.Round})
		switch {
		case err == nil:
			if err := json.Unmarshal(entry.Response, &settlement); err != nil {
				t.Fatal(err)
			}
			taken += settlement.Slashed
		case !strings.HasPrefix(err.Error(), string(errcode.AlreadySettled)):
			t.Fatal(err)
		}
	}
	equal(t, due, taken)
	left, err := f.State.Begin().Range(ledger.Key("engagement"))
	if err != nil || len(left) > 0 {
		t.Fatalf("%d engagements are left: %v", len(left), err)
	}
}
