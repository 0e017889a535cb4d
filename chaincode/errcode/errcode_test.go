package errcode

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"
)

func TestTheCatalogueHoldsExactlyTheCodes(t *testing.T) {
	source, err := os.ReadFile("codes.go")
	if err != nil {
		t.Fatal(err)
	}
	catalogue, named := Catalogue(), []Code{}
	for _, found := range regexp.MustCompile(`Code = "(FL\d{4})"`).FindAllSubmatch(source, -1) {
		code := Code(found[1])
		if slices.Contains(named, code) {
			t.Errorf("%s is given twice", code)
		}
		named = append(named, code)
		if entry := catalogue[code]; entry.Name == "" || entry.Text == "" {
			t.Errorf("%s is not in the catalogue", code)
		}
	}
	if len(named) != len(catalogue) {
		t.Errorf("%d codes, %d entries", len(named), len(catalogue))
	}
}

func TestACodeSurvivesAPlainString(t *testing.T) {
	err := New(WrongPhase, "round %d is closed", 7)
	for _, carrier := range []error{err, fmt.Errorf("while advancing: %w", err), errors.New(err.Error())} {
		if code := Of(carrier); code != WrongPhase {
			t.Errorf("%v carries %s", carrier, code)
		}
	}
	if err.Error() != "FL0408: round 7 is closed" {
		t.Error(err)
	}
	if Of(errors.New("anything")) != Internal || Of(errors.New("FL12")) != Internal {
		t.Error("text without a code has a code")
	}
	if Wrap(BlobMissing, nil) != nil || Of(Wrap(BlobMissing, errors.New("x"))) != BlobMissing || Of(Wrap(BlobMissing, err)) != WrongPhase {
		t.Error("Wrap changes a code")
	}
}
