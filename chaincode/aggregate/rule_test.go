package aggregate_test

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/aggregate/aggregatetest"
	"fedledger/chaincode/mode/robustgroups"
)

const unweighted = `{"version":1,"segments":[
	{"name":"narrow","kind":"value","word":32,"ring":32,"max":65535,"slots":37},
	{"name":"wide","kind":"value","word":64,"ring":64,"max":288230376151711743,"slots":5},
	{"name":"rows","kind":"count","word":64,"ring":64,"max":1000000,"slots":1},
	{"name":"weight","kind":"weight","word":32,"ring":32,"max":1,"slots":1},
	{"name":"present","kind":"one","word":32,"ring":32,"max":1,"slots":1},
	{"name":"loss","kind":"metric","word":32,"ring":32,"max":100000,"slots":2}],
	"count":{"segment":"rows","numerator":1,"denominator":1}}`

// grouped plays a round of so many in groups that take turns.
func grouped(cohort, groups int, rule aggregate.Rule, closed []int, dropouts ...int) *aggregatetest.Round {
	places := make([]int, cohort)
	for place := range places {
		places[place] = place % groups
	}
	return aggregatetest.Play(aggregatetest.Options{
		Cohort: cohort, Dropouts: dropouts, Layout: unweighted, Seed: 7, Groups: places, Rule: rule, Closed: closed,
	})
}

func TestRobustGroupsAreWhatTheyAreSaidToBe(t *testing.T) {
	for _, c := range []struct {
		cohort, groups   int
		rule             robustgroups.Rule
		closed, dropouts []int
	}{
		{9, 3, robustgroups.Rule{Median: true}, nil, nil},
		{9, 3, robustgroups.Rule{Trim: 1}, nil, nil},
		{20, 5, robustgroups.Rule{Trim: 2}, nil, []int{0, 1}},
		{20, 5, robustgroups.Rule{Trim: 1}, nil, []int{3, 7}},
		{16, 4, robustgroups.Rule{Median: true}, nil, []int{5}},
		{16, 4, robustgroups.Rule{Median: true}, []int{1}, []int{5, 9}},
	} {
		round := grouped(c.cohort, c.groups, c.rule, c.closed, c.dropouts...)
		var out bytes.Buffer
		result, err := aggregate.Sum(round.Opened(), round.Blobs, &out)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), round.Aggregate) || !slices.Equal(result.Sums, round.Inputs.Sums) {
			t.Fatalf("%+v: another result than in unbounded integers", c)
		}
		if _, err := aggregate.Verify(round.Opened(), round.Blobs); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnotherDigestOfAGroupIsTheAggregatorsFault(t *testing.T) {
	round := grouped(9, 3, robustgroups.Rule{Trim: 1}, nil)
	in := round.Opened()
	in.Sums = slices.Clone(in.Sums)
	in.Sums[1][0] ^= 1
	_, err := aggregate.Verify(in, round.Blobs)
	expectFault(t, err, aggregate.FaultAggregator, "")
}

func TestOneGroupsGarbageIsFoundThoughTheRuleWouldHideIt(t *testing.T) {
	round := grouped(9, 3, robustgroups.Rule{Median: true}, nil)
	garbage := slices.Clone(round.Updates[4])
	for i := range garbage[:40] {
		garbage[i] ^= 0x5a
	}
	round.SetUpdate(4, garbage)
	_, err := aggregate.Verify(round.Opened(), round.Blobs)
	expectFault(t, err, aggregate.FaultGarbage, "")
}

func TestARuleAndItsGroupsAreAmongWhatAVerifierRemembersBy(t *testing.T) {
	round := grouped(9, 3, robustgroups.Rule{Trim: 1}, nil)
	verifier := aggregate.NewVerifier(round.Blobs, aggregate.Limits{})
	if _, err := verifier.Verify(round.Opened()); err != nil {
		t.Fatal(err)
	}
	in := round.Opened()
	in.Rule = robustgroups.Rule{Trim: 0}
	_, err := verifier.Verify(in)
	expectFault(t, err, aggregate.FaultAggregator, "")
}

func TestTheLargestValuesOfEveryGroupStayInTheirRange(t *testing.T) {
	for _, most := range []uint64{1, 1 << 20, math.MaxUint64 / 20} {
		for _, rule := range []robustgroups.Rule{{Median: true}, {Trim: 0}, {Trim: 2}} {
			sums := [][]uint64{{4 * most}, {4 * most}, {4 * most}, {4 * most}, {4 * most}}
			rule.Wide(aggregate.Segment{Kind: "value", Word: 64, Ring: 64, Max: most}, sums, []int{4, 4, 4, 4, 4})
			if sums[0][0] != 20*most {
				t.Errorf("%v of the largest %d: %d", rule, most, sums[0][0])
			}
		}
	}
}
