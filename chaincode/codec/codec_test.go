package codec_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"fedledger/chaincode/codec"
)

func read[T any](t *testing.T, name string) []T {
	t.Helper()
	raw, err := os.ReadFile("../../tests/vectors/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []T
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

var failures = map[string]error{
	"too-large": codec.ErrSize, "too-deep": codec.ErrDepth, "not-text": codec.ErrText, "bad-syntax": codec.ErrSyntax,
	"duplicate-key": codec.ErrDuplicate, "not-integer": codec.ErrNumber,
}

func TestCanonicalFollowsItsVectors(t *testing.T) {
	for _, c := range read[struct{ Name, Expect, Text, Canonical string }](t, "canonical") {
		t.Run(c.Name, func(t *testing.T) {
			var value any
			err := codec.DecodeStrict(unhex(t, c.Text), &value)
			if c.Expect != "success" {
				if !errors.Is(err, failures[c.Expect]) {
					t.Fatalf("expected %s, got %v", c.Expect, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := codec.Canonical(json.RawMessage(unhex(t, c.Text)))
			if err != nil || hex.EncodeToString(got) != c.Canonical {
				t.Fatalf("expected %s, got %x (%v)", unhex(t, c.Canonical), got, err)
			}
		})
	}
}

func TestHashFollowsItsVectors(t *testing.T) {
	for _, c := range read[struct {
		Name, Label, Hash string
		Parts             []string
	}](t, "tagged_hash") {
		parts := make([][]byte, len(c.Parts))
		for i, part := range c.Parts {
			parts[i] = unhex(t, part)
		}
		if got := codec.Hash(c.Label, parts...); hex.EncodeToString(got[:]) != c.Hash {
			t.Errorf("%s: expected %s, got %x", c.Name, c.Hash, got)
		}
	}
}

type inner struct {
	Slots uint64 `json:"slots"`
}

type argument struct {
	Training string            `json:"training"`
	Sealed   []inner           `json:"sealed"`
	Names    map[string]string `json:"names"`
	Count    *inner            `json:"count"`
}

func TestDecodeStrictHoldsKeysAndTypesLetterForLetter(t *testing.T) {
	for _, c := range []struct {
		name, text string
		expected   error
	}{
		{"all fields", `{"training":"t","sealed":[{"slots":1}],"names":{"A":"a"},"count":null}`, nil},
		{"fields may be absent", `{}`, nil},
		{"another case of a key", `{"Training":"t"}`, codec.ErrField},
		{"an unknown key", `{"extra":1}`, codec.ErrField},
		{"an unknown key inside a list", `{"sealed":[{"slots":1,"x":2}]}`, codec.ErrField},
		{"null for text", `{"training":null}`, codec.ErrType},
		{"a number for text", `{"training":1}`, codec.ErrType},
		{"a negative number for an unsigned one", `{"sealed":[{"slots":-1}]}`, codec.ErrType},
		{"a list for an object", `{"count":[]}`, codec.ErrType},
		{"an object for a list", `{"sealed":{}}`, codec.ErrType},
		{"an object for text", `{"training":{}}`, codec.ErrType},
		{"a list for the whole", `[]`, codec.ErrType},
	} {
		t.Run(c.name, func(t *testing.T) {
			var v argument
			if err := codec.DecodeStrict([]byte(c.text), &v); !errors.Is(err, c.expected) {
				t.Fatalf("expected %v, got %v", c.expected, err)
			}
		})
	}
}

func TestDecodeStrictRefusesTextOverTheLimit(t *testing.T) {
	var v any
	text := append(append([]byte{'"'}, bytes.Repeat([]byte("a"), codec.MaxBytes)...), '"')
	if err := codec.DecodeStrict(text, &v); !errors.Is(err, codec.ErrSize) {
		t.Fatalf("expected %v, got %v", codec.ErrSize, err)
	}
}

func TestCanonicalWritesAnswersLongerThanArgumentsUpToItsOwnLimit(t *testing.T) {
	if _, err := codec.Canonical(strings.Repeat("a", codec.MaxBytes)); err != nil {
		t.Fatal(err)
	}
	if _, err := codec.Canonical(strings.Repeat("a", codec.MaxAnswer)); !errors.Is(err, codec.ErrSize) {
		t.Fatalf("expected %v, got %v", codec.ErrSize, err)
	}
}

func FuzzDecodeStrict(f *testing.F) {
	f.Add([]byte(`{"training":"t","sealed":[{"slots":1}],"names":{"A":"\ud83d\ude00"},"count":null}`))
	f.Add([]byte(`{"sealed":[1e3]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var v argument
		var tree any
		_ = codec.DecodeStrict(raw, &v)
		if codec.DecodeStrict(raw, &tree) != nil {
			return
		}
		once, err := codec.Canonical(json.RawMessage(raw))
		if errors.Is(err, codec.ErrSize) {
			return
		}
		if err != nil {
			t.Fatalf("accepted text has no canonical form: %v", err)
		}
		twice, err := codec.Canonical(json.RawMessage(once))
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("canonical form is not stable: %q, %q (%v)", once, twice, err)
		}
	})
}
