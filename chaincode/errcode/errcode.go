// Package errcode holds every error that the contract returns: a stable code, a name, what it means and whether a retry
// may help. A code survives as the head of a plain string ("FL0408: round 7 is closed"), since Fabric passes on no more.
// Codes are never given a second meaning; retired ones stay listed.
package errcode

import (
	_ "embed" // catalogue.json is part of the build, so that every endorser holds the same texts
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
)

// Code is a stable error code: FL and four digits. 00xx input, 01xx governance, 02xx membership, 03xx selection,
// 04xx round, 05xx aggregate, 06xx rewards, 07xx faults, 09xx retry and internal.
type Code string

// Entry is what the catalogue says of a code. Hint says what to do where one thing fits every case; commands show it.
type Entry struct {
	Name  string `json:"name"`
	Text  string `json:"text"`
	Hint  string `json:"hint,omitempty"`
	Retry bool   `json:"retry"`
}

//go:embed catalogue.json
var catalogueJSON []byte

// Catalogue returns the entries of every code.
func Catalogue() map[Code]Entry {
	entries := map[Code]Entry{}
	if err := json.Unmarshal(catalogueJSON, &entries); err != nil {
		panic("errcode: internal error: catalogue.json: " + err.Error())
	}
	return entries
}

// Error is a refusal with its code. Its text never holds a secret.
type Error struct {
	Code Code
	Text string
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Text }

// New returns a refusal; format says what was wrong, where, and what to do.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

var leading = regexp.MustCompile(`^FL\d{4}$`)

// Of returns the code of err: its own, the one at the head of its text, or Internal.
func Of(err error) Code {
	var coded *Error
	if errors.As(err, &coded) {
		return coded.Code
	}
	if text := err.Error(); len(text) >= 6 && leading.MatchString(text[:6]) {
		return Code(text[:6])
	}
	return Internal
}

// Wrap gives err a code, keeping one that it has.
func Wrap(code Code, err error) error {
	if err == nil {
		return nil
	}
	if Of(err) != Internal {
		return err
	}
	return &Error{Code: code, Text: err.Error()}
}
