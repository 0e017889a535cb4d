package aggregate_test

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/aggregate/aggregatetest"
	"fedledger/chaincode/mode/robust"
)

const unweighted = `{"version":1,"segments":[
	{"name":"narrow","kind":"value","word":32,"ring":32,"max":65535,"slots":37},
	{"name":"wide","kind":"value","word":64,"ring":64,"max":288230376151711743,"slots":5},
	{"name":"rows","kind":"count","word":64,"ring":64,"max":1000000,"slots":1},
	{"name":"weight","kind":"weight","word":32,"ring":32,"max":1,"slots":1},
	{"name":"present","kind":"one","word":32,"ring":32,"max":1,"slots":1},
	{"name":"loss","kind":"metric","word":32,"ring":32,"max":100000,"slots":2}],
	"count":{"segment":"rows","numerator":1,"denominator":1}}`

const narrowOnly = `{"version":1,"segments":[{"name":"narrow","kind":"value","word":32,"ring":32,"max":65535,"slots":37}],"count":null}`

// bounded are the rules that the bound is for.
var bounded = []string{"median", "trimmed_mean"}

var (
	median  = robust.Rule{Kind: "median", Bound: true}
	trimmed = robust.Rule{Kind: "trimmed_mean", Faulty: 1, Bound: true}
)

// grouped plays a round of so many in groups that take turns.
func grouped(cohort, groups int, rule aggregate.Rule, closed []int, dropouts ...int) *aggregatetest.Round {
	return played(unweighted, nil, cohort, groups, rule, closed, dropouts...)
}

type values = func(place int, segment aggregate.Segment, slot uint64) uint64

func played(layout string, sent values, cohort, groups int, rule aggregate.Rule, closed []int, dropouts ...int) *aggregatetest.Round {
	places := make([]int, cohort)
	for place := range places {
		places[place] = place % groups
	}
	return aggregatetest.Play(aggregatetest.Options{
		Cohort: cohort, Dropouts: dropouts, Layout: layout, Values: sent, Seed: 7, Groups: places, Rule: rule, Closed: closed,
	})
}

// outlier are values that lie close to one another but for those of two places.
func outlier(place int, segment aggregate.Segment, slot uint64) uint64 {
	switch {
	case segment.Kind != "value":
		return 1
	case place == 4 || place == 6:
		return segment.Max
	}
	return segment.Max/2 + uint64(place*37+int(slot)*11)%41
}

func TestRulesAreWhatTheyAreSaidToBe(t *testing.T) {
	for _, layout := range []string{unweighted, narrowOnly} {
		for _, sent := range []values{nil, outlier} {
			for _, kind := range []string{"median", "trimmed_mean", "multi_krum", "centred_clipping"} {
				for _, c := range []struct {
					cohort, groups, bucket int
					bound                  bool
					closed, dropouts       []int
				}{
					{9, 3, 1, true, nil, nil},
					{20, 5, 1, true, nil, []int{0, 1}},
					{16, 4, 1, false, []int{1}, []int{5, 9}},
					{7, 7, 1, false, nil, []int{2}},
					{11, 11, 2, false, nil, nil},
					{12, 12, 3, true, nil, []int{11}},
				} {
					rule := robust.Rule{Kind: kind, Faulty: 1, Bucket: c.bucket, Bound: c.bound && slices.Contains(bounded, kind)}
					check(t, fmt.Sprintf("%v of %v", rule.Name(), c), played(layout, sent, c.cohort, c.groups, rule, c.closed, c.dropouts...))
				}
			}
		}
	}
}

func check(t *testing.T, name string, round *aggregatetest.Round) {
	t.Helper()
	var out bytes.Buffer
	result, err := aggregate.Sum(round.Opened(), round.Blobs, &out)
	if err != nil {
		t.Fatal(name, err)
	}
	if !bytes.Equal(out.Bytes(), round.Aggregate) || !slices.Equal(result.Sums, round.Inputs.Sums) || !slices.Equal(result.Outlying, round.Inputs.Outlying) {
		t.Fatalf("%s: another result than in unbounded integers; outlying %v, %v", name, result.Outlying, round.Inputs.Outlying)
	}
	if _, err := aggregate.Verify(round.Opened(), round.Blobs); err != nil {
		t.Fatal(name, err)
	}
}

func TestWhatIsFarFromTheOthersIsLeftOutAndNamed(t *testing.T) {
	for _, c := range []struct {
		rule robust.Rule
		want []int
	}{
		{robust.Rule{Kind: "trimmed_mean", Faulty: 2, Bound: true}, []int{4, 6}},
		{robust.Rule{Kind: "multi_krum", Faulty: 2}, []int{4, 6}},
		{robust.Rule{Kind: "trimmed_mean", Faulty: 2}, nil},
		{robust.Rule{Kind: "centred_clipping", Faulty: 2}, nil},
	} {
		round := played(unweighted, outlier, 9, 9, c.rule, nil)
		result, err := aggregate.Verify(round.Opened(), round.Blobs)
		if err != nil || !slices.Equal(result.Outlying, c.want) {
			t.Errorf("%v: want %v, got %v (%v)", c.rule, c.want, result.Outlying, err)
		}
	}
}

func TestOtherGroupsLeftOutThanProposedAreTheAggregatorsFault(t *testing.T) {
	round := played(unweighted, outlier, 9, 9, robust.Rule{Kind: "multi_krum", Faulty: 2}, nil)
	for _, outlying := range [][]int{nil, {4}, {4, 5}, {4, 6, 7}} {
		in := round.Opened()
		in.Outlying = outlying
		_, err := aggregate.Verify(in, round.Blobs)
		expectFault(t, err, aggregate.FaultAggregator, "")
	}
}

func TestWhatIsTooLargeToKeepIsSummedTwice(t *testing.T) {
	layout := strings.Replace(narrowOnly, `"slots":37`, `"slots":70000`, 1) // three chunks
	round := played(layout, outlier, 7, 7, robust.Rule{Kind: "multi_krum", Faulty: 1}, nil)
	var kept, twice bytes.Buffer
	for _, pass := range []struct {
		out  *bytes.Buffer
		keep int
	}{{&kept, math.MaxInt}, {&twice, 0}} {
		result, err := aggregate.SumKeeping(round.Opened(), round.Blobs, pass.out, pass.keep)
		if err != nil || result.Aggregate != round.Inputs.Aggregate {
			t.Fatalf("%x (%v)", result.Aggregate, err)
		}
	}
	if !bytes.Equal(kept.Bytes(), twice.Bytes()) {
		t.Fatal("another sum")
	}
}

func TestAnotherDigestOfAGroupIsTheAggregatorsFault(t *testing.T) {
	round := grouped(9, 3, trimmed, nil)
	in := round.Opened()
	in.Sums = slices.Clone(in.Sums)
	in.Sums[1][0] ^= 1
	_, err := aggregate.Verify(in, round.Blobs)
	expectFault(t, err, aggregate.FaultAggregator, "")
}

// spoilt is a round in which the update of place 4 is garbage.
func spoilt(groups int) *aggregatetest.Round {
	round := grouped(9, groups, median, nil)
	garbage := slices.Clone(round.Updates[4])
	for i := range garbage[:40] {
		garbage[i] ^= 0x5a
	}
	round.SetUpdate(4, garbage)
	return round
}

func TestOneGroupsGarbageIsFoundThoughTheRuleWouldHideIt(t *testing.T) {
	round := spoilt(3)
	_, err := aggregate.Verify(round.Opened(), round.Blobs)
	expectFault(t, err, aggregate.FaultGarbage, "")
}

func TestGarbageOfAGroupOfOneNamesItsSender(t *testing.T) {
	round := spoilt(9)
	_, err := aggregate.Verify(round.Opened(), round.Blobs)
	expectFault(t, err, aggregate.FaultUpdate, round.Members[4].ID)
}

func TestARuleAndItsGroupsAreAmongWhatAVerifierRemembersBy(t *testing.T) {
	round := grouped(9, 3, trimmed, nil)
	verifier := aggregate.NewVerifier(round.Blobs, aggregate.Limits{})
	if _, err := verifier.Verify(round.Opened()); err != nil {
		t.Fatal(err)
	}
	in := round.Opened()
	in.Rule = robust.Rule{Kind: "trimmed_mean", Bound: true}
	_, err := verifier.Verify(in)
	expectFault(t, err, aggregate.FaultAggregator, "")
}

func TestTheLargestValuesOfEveryGroupStayInTheirRange(t *testing.T) {
	for _, most := range []uint64{1, 1 << 20, math.MaxUint64 / 20} {
		for _, kind := range []string{"median", "trimmed_mean", "multi_krum", "centred_clipping"} {
			for _, least := range []uint64{0, most} {
				sums := [][]uint64{{4 * most}, {4 * most}, {4 * most}, {4 * most}, {4 * least}}
				segment := aggregate.Segment{Kind: "value", Word: 64, Ring: 64, Max: most}
				rule := robust.Rule{Kind: kind, Faulty: 2, Bound: kind == "median"}
				combination := rule.Begin([]int{4, 4, 4, 4, 4}, aggregate.Digest{})
				combination.SurveyWide(segment, sums)
				combination.Wide(segment, sums)
				if sums[0][0] != 20*most {
					t.Errorf("%v of the largest %d, one %d: %d", rule, most, least, sums[0][0])
				}
			}
		}
	}
}
