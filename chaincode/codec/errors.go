package codec

import "errors"

// Kinds of refusal. Every error of this package wraps exactly one of them; the texts are the failure names of the vectors.
var (
	// ErrSize says that the input is longer than MaxBytes.
	ErrSize = errors.New("too-large")
	// ErrDepth says that arrays and objects nest deeper than MaxDepth.
	ErrDepth = errors.New("too-deep")
	// ErrText says that a string is not Unicode text (bad UTF-8 or half a surrogate pair).
	ErrText = errors.New("not-text")
	// ErrSyntax says that the input is not exactly one JSON value.
	ErrSyntax = errors.New("bad-syntax")
	// ErrDuplicate says that an object holds a key twice.
	ErrDuplicate = errors.New("duplicate-key")
	// ErrNumber says that a number is no integer of 64 bits (fractions, exponents and minus zero are refused).
	ErrNumber = errors.New("not-integer")
	// ErrField says that an object holds a key that its type does not name.
	ErrField = errors.New("unknown-field")
	// ErrType says that a value has another type than its place asks for.
	ErrType = errors.New("wrong-type")
)
