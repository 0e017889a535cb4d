package codec

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Canonical encodes v as canonical JSON: keys in code point order, no white space, only `"`, `\` and control characters
// escaped, 64-bit integers only. It refuses what DecodeStrict refuses, but for texts up to MaxAnswer. A []byte is encoded as encoding/json does
// (base64); pass json.RawMessage to bring JSON text into canonical form. Go strings must be valid UTF-8: those that
// came through DecodeStrict are.
func Canonical(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrType, err)
	}
	tree, err := parse(raw, MaxAnswer)
	if err != nil {
		return nil, err
	}
	return write(nil, tree), nil
}

func write(out []byte, tree any) []byte {
	switch tree := tree.(type) {
	case map[string]any:
		return writeObject(out, tree)
	case []any:
		out = append(out, '[')
		for i, item := range tree {
			if i > 0 {
				out = append(out, ',')
			}
			out = write(out, item)
		}
		return append(out, ']')
	case string:
		return writeString(out, tree)
	case json.Number:
		return append(out, tree...)
	case bool:
		return fmt.Append(out, tree)
	default:
		return append(out, "null"...)
	}
}

func writeObject(out []byte, members map[string]any) []byte {
	keys := make([]string, 0, len(members))
	for key := range members {
		keys = append(keys, key)
	}
	slices.Sort(keys) // byte order of UTF-8 is code point order
	out = append(out, '{')
	for i, key := range keys {
		if i > 0 {
			out = append(out, ',')
		}
		out = writeString(out, key)
		out = append(out, ':')
		out = write(out, members[key])
	}
	return append(out, '}')
}

var shortEscapes = map[byte]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}

func writeString(out []byte, text string) []byte {
	out = append(out, '"')
	for i := range len(text) {
		c := text[i]
		if short, ok := shortEscapes[c]; ok {
			out = append(out, short...)
		} else if c < 0x20 {
			out = fmt.Appendf(out, `\u%04x`, c)
		} else {
			out = append(out, c)
		}
	}
	return append(out, '"')
}
