package aggregate_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/aggregate/aggregatetest"
	"fedledger/chaincode/codec"
	"fedledger/chaincode/mode/robust"
	"fedledger/chaincode/secagg"
)

type raw []byte

func (r *raw) UnmarshalJSON(text []byte) error {
	var digits string
	if err := json.Unmarshal(text, &digits); err != nil {
		return err
	}
	bytes, err := hex.DecodeString(digits)
	*r = bytes
	return err
}

func (r raw) digest() (digest [32]byte) {
	copy(digest[:], r)
	return digest
}

func read[T any](t *testing.T, name string) []T {
	t.Helper()
	text, err := os.ReadFile("../../tests/vectors/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []T
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatalf("%s holds no case", name)
	}
	return cases
}

func TestLayoutsFollowTheirVectors(t *testing.T) {
	for _, c := range read[struct {
		Name, Expect, Layout string
		Digest               raw
		Length               int
	}](t, "layout") {
		layout, err := aggregate.ParseLayout([]byte(c.Layout))
		if c.Expect != "success" {
			if !errors.Is(err, aggregate.ErrLayout) {
				t.Errorf("%s: expected %v, got %v", c.Name, aggregate.ErrLayout, err)
			}
			continue
		}
		if err != nil || layout.Digest != c.Digest.digest() || layout.Bytes() != c.Length {
			t.Errorf("%s: expected %x and %d bytes, got %x and %d (%v)", c.Name, c.Digest, c.Length, layout.Digest, layout.Bytes(), err)
		}
	}
}

func TestCohortLimitsFollowTheirVectors(t *testing.T) {
	for _, c := range read[struct {
		Name, Expect, Layout string
		Cohort               int
	}](t, "cohort") {
		layout, err := aggregate.ParseLayout([]byte(c.Layout))
		if err != nil {
			t.Fatal(err)
		}
		if err := layout.CheckCohort(c.Cohort); (c.Expect == "success") != (err == nil) || (err != nil && !errors.Is(err, aggregate.ErrLayout)) {
			t.Errorf("%s: expected %s, got %v", c.Name, c.Expect, err)
		}
	}
}

func TestPackingFollowsItsVectors(t *testing.T) {
	for _, c := range read[struct {
		Name, Layout string
		Values       map[string][]uint64
		Vector       raw
	}](t, "packing") {
		layout, err := aggregate.ParseLayout([]byte(c.Layout))
		if err != nil {
			t.Fatal(err)
		}
		values := func(_ int, segment aggregate.Segment, slot uint64) uint64 { return c.Values[segment.Name][slot] }
		if packed := aggregatetest.Pack(layout, values); !bytes.Equal(packed, c.Vector) {
			t.Errorf("%s: expected %x, got %x", c.Name, c.Vector, packed)
		}
	}
}

func TestKeystreamsFollowTheirVectors(t *testing.T) {
	for _, c := range read[struct {
		Name        string
		Key, Stream raw
		Offset      int
	}](t, "keystream") {
		out := make([]byte, len(c.Stream))
		aggregate.Keystream(out, c.Key.digest(), c.Offset)
		if !bytes.Equal(out, c.Stream) {
			t.Errorf("%s: expected %x, got %x", c.Name, c.Stream, out)
		}
	}
}

func TestTheKeystreamOfTheZeroKeyIsTheKnownAnswerOfAES256(t *testing.T) {
	out := make([]byte, 16)
	aggregate.Keystream(out, [32]byte{}, 0)
	if hex.EncodeToString(out) != "dc95c078a2408989ad48a21492842087" {
		t.Fatalf("got %x", out)
	}
}

// rules are the settings of a rule in a case.
type rules struct {
	Rule           string
	Faulty, Bucket int
	Bound          bool
}

func (r rules) rule() robust.Rule {
	return robust.Rule{Kind: r.Rule, Faulty: r.Faulty, Bucket: r.Bucket, Bound: r.Bound}
}

type sumCase struct {
	Name, Expect, Layout       string
	Session, Aggregate, Digest raw
	Threshold                  int
	Rows                       uint64
	Blobs                      []raw
	Groups                     [][]string
	Sums                       []raw
	Outlying                   []int
	rules
	Cohort []struct {
		ID             string
		MaskKey        raw `json:"mask_key"`
		SeedCommitment raw `json:"seed_commitment"`
		Update         raw
		Shared         bool
		Survivor       bool
		Shares         [][2]string
	}
}

func (c sumCase) inputs(t *testing.T) (aggregate.Inputs, aggregatetest.Memory) {
	t.Helper()
	layout, err := aggregate.ParseLayout([]byte(c.Layout))
	if err != nil {
		t.Fatal(err)
	}
	in := aggregate.Inputs{
		Session: c.Session.digest(), Threshold: c.Threshold, Layout: layout, Aggregate: c.Digest.digest(),
	}
	if len(c.Groups) > 0 {
		in.Rule = c.rule()
	}
	in.Outlying = c.Outlying
	for _, sum := range c.Sums {
		in.Sums = append(in.Sums, sum.digest())
	}
	ids := []string{}
	for _, member := range c.Cohort {
		ids = append(ids, member.ID)
	}
	for _, member := range c.Cohort {
		p := aggregate.Participant{
			ID: member.ID, MaskKey: member.MaskKey.digest(), SeedCommitment: member.SeedCommitment.digest(),
			Group:  max(0, slices.IndexFunc(c.Groups, func(group []string) bool { return slices.Contains(group, member.ID) })),
			Shared: member.Shared, Survivor: member.Survivor, Update: member.Update.digest(),
		}
		for _, share := range member.Shares {
			value, err := hex.DecodeString(share[1])
			if err != nil {
				t.Fatal(err)
			}
			p.Shares = append(p.Shares, secagg.Share{Receiver: slices.Index(ids, share[0]), Value: [secagg.ShareBytes]byte(value)})
		}
		in.Cohort = append(in.Cohort, p)
	}
	blobs := aggregatetest.Memory{}
	for _, blob := range c.Blobs {
		blobs.Put(blob)
	}
	return in, blobs
}

func TestSumsFollowTheirVectors(t *testing.T) {
	errorsOf := map[string]error{
		"blob-unavailable": aggregate.ErrBlob, "too-few-shares": aggregate.ErrTooFew, "bad-share": secagg.ErrShare,
	}
	for _, c := range append(read[sumCase](t, "sum"), read[sumCase](t, "groups")...) {
		in, blobs := c.inputs(t)
		var sum bytes.Buffer
		result, err := aggregate.Verify(in, blobs)
		var fault *aggregate.Fault
		switch {
		case c.Expect == "success":
			_, sumErr := aggregate.Sum(in, blobs, &sum)
			if err := errors.Join(err, sumErr); err != nil || !bytes.Equal(sum.Bytes(), c.Aggregate) || result.Rows != c.Rows {
				t.Errorf("%s: expected %x and %d rows, got %x and %d (%v)", c.Name, c.Aggregate, c.Rows, sum.Bytes(), result.Rows, err)
			}
		case errors.As(err, &fault):
			if string(fault.Kind) != c.Expect {
				t.Errorf("%s: expected %s, got %v", c.Name, c.Expect, fault)
			}
		default:
			if wanted, known := errorsOf[c.Expect]; !known || !errors.Is(err, wanted) {
				t.Errorf("%s: expected %s, got %v", c.Name, c.Expect, err)
			}
		}
	}
}

func TestRobustRulesFollowTheirVectors(t *testing.T) {
	numbers := func(texts []string) (words []uint64) {
		for _, text := range texts {
			word, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			words = append(words, word)
		}
		return words
	}
	for _, c := range read[struct {
		Name      string
		Word, Max uint64
		Sizes     []int
		Draw      raw
		Sums      [][]string
		Slots     []string
		Outlying  []int
		rules
	}](t, "robust") {
		segment := aggregate.Segment{Kind: "value", Word: c.Word, Ring: c.Word, Max: c.Max}
		combination := c.rule().Begin(c.Sizes, c.Draw.digest())
		wide, narrow := [][]uint64{}, [][]uint32{}
		for _, texts := range c.Sums {
			low := []uint32{}
			for _, word := range numbers(texts) {
				low = append(low, uint32(word))
			}
			wide, narrow = append(wide, numbers(texts)), append(narrow, low)
		}
		combination.SurveyWide(segment, wide)
		combination.Wide(segment, wide)
		if !slices.Equal(wide[0], numbers(c.Slots)) || !slices.Equal(combination.Outlying(), c.Outlying) {
			t.Errorf("%s: expected %v without %v, got %d without %v", c.Name, c.Slots, c.Outlying, wide[0], combination.Outlying())
		}
		if combination.Narrow(segment, narrow); c.Word == 32 && fmt.Sprint(narrow[0]) != fmt.Sprint(numbers(c.Slots)) {
			t.Errorf("%s: expected %v, got %d", c.Name, c.Slots, narrow[0])
		}
	}
}

func FuzzParseLayout(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte(`{"version":1,"segments":[{"name":"a","kind":"value","word":64,"ring":64,"max":18446744073709551615,"slots":268435456}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		layout, err := aggregate.ParseLayout(text)
		if err != nil {
			return
		}
		if layout.Bytes() < 1 || layout.Bytes() > aggregate.MaxBytes || layout.Bytes()%16 != 0 {
			t.Fatalf("a layout of %d bytes", layout.Bytes())
		}
		_ = layout.CheckCohort(100)
		canonical, err := codec.Canonical(json.RawMessage(text))
		if err != nil {
			t.Fatal(err)
		}
		again, err := aggregate.ParseLayout(canonical)
		if err != nil || again.Digest != layout.Digest {
			t.Fatalf("another digest after canonical form (%v)", err)
		}
	})
}
