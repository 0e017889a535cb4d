package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

const (
	// MaxBytes is the longest JSON that DecodeStrict reads.
	MaxBytes = 1 << 20
	// MaxAnswer is the longest JSON that Canonical writes: the reveals of a hundred members fit.
	MaxAnswer = 4 << 20
	// MaxDepth is the deepest nesting of arrays and objects.
	MaxDepth = 16
)

// DecodeStrict reads exactly one JSON value into v. It refuses what encoding/json lets pass: keys that v does not name
// letter for letter, duplicate keys, numbers that are no 64-bit integers, null for a value that cannot be absent, bad
// UTF-8, half surrogate pairs, and inputs over MaxBytes or MaxDepth. Each refusal wraps one of this package's errors.
func DecodeStrict(raw []byte, v any) error {
	tree, err := parse(raw, MaxBytes)
	if err != nil {
		return err
	}
	if err := checkFields(tree, v); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%w: %v", ErrType, err)
	}
	return nil
}

// parse reads raw into maps, slices, strings, json.Number, bool and nil.
func parse(raw []byte, most int) (any, error) {
	switch {
	case len(raw) > most:
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrSize, len(raw), most)
	case !utf8.Valid(raw):
		return nil, fmt.Errorf("%w: invalid UTF-8", ErrText)
	case nesting(raw) > MaxDepth:
		return nil, fmt.Errorf("%w: at most %d levels", ErrDepth, MaxDepth)
	case !json.Valid(raw):
		return nil, fmt.Errorf("%w: not one JSON value", ErrSyntax)
	case halfSurrogate(raw):
		return nil, fmt.Errorf("%w: half a surrogate pair", ErrText)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	return value(decoder)
}

// nesting is the deepest level of brackets outside strings; it runs before any recursive parser does.
func nesting(raw []byte) int {
	depth, deepest, quoted := 0, 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// halfSurrogate reports an escape \uD800–\uDFFF that is no half of a pair. In valid JSON a backslash stands in strings only.
func halfSurrogate(raw []byte) bool {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		i++
		if raw[i] != 'u' {
			continue
		}
		unit, next := escape(raw, i+1), i+5
		i = next - 1
		if unit < 0xD800 || unit > 0xDFFF {
			continue
		}
		low := uint64(0)
		if unit < 0xDC00 && next+6 <= len(raw) && raw[next] == '\\' && raw[next+1] == 'u' {
			low = escape(raw, next+2)
		}
		if low < 0xDC00 || low > 0xDFFF {
			return true
		}
		i = next + 5
	}
	return false
}

func escape(raw []byte, at int) uint64 {
	unit, _ := strconv.ParseUint(string(raw[at:at+4]), 16, 32) // four hex digits: json.Valid saw them
	return unit
}

func value(decoder *json.Decoder) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrSyntax, err)
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '{' {
			return object(decoder)
		}
		return array(decoder)
	case json.Number:
		return token, integer(token.String())
	default:
		return token, nil
	}
}

func object(decoder *json.Decoder) (any, error) {
	members := map[string]any{}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %v", ErrSyntax, err)
		}
		name := key.(string)
		if _, seen := members[name]; seen {
			return nil, fmt.Errorf("%w: %q", ErrDuplicate, name)
		}
		if members[name], err = value(decoder); err != nil {
			return nil, err
		}
	}
	_, err := decoder.Token()
	return members, err
}

func array(decoder *json.Decoder) (any, error) {
	items := []any{}
	for decoder.More() {
		item, err := value(decoder)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	_, err := decoder.Token()
	return items, err
}

// integer accepts -2^63 … 2^64-1 in plain decimal digits.
func integer(text string) error {
	if text == "-0" {
		return fmt.Errorf("%w: -0", ErrNumber)
	}
	if _, err := strconv.ParseUint(text, 10, 64); err == nil {
		return nil
	}
	if _, err := strconv.ParseInt(text, 10, 64); err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrNumber, text[:min(len(text), 40)])
}
