package shim

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	separator = "\x00"       // opens a composite key and ends each of its parts
	highest   = "\U0010FFFF" // sorts after every part of a composite key
	lowestKey = "\x01"       // the first key that is not composite
)

// CreateCompositeKey joins an object type and attributes. Each part is UTF-8 without U+0000 and U+10FFFF.
func CreateCompositeKey(objectType string, attributes []string) (string, error) {
	var key strings.Builder
	key.WriteString(separator)
	for _, part := range append([]string{objectType}, attributes...) {
		if !utf8.ValidString(part) {
			return "", fmt.Errorf("composite key part %q is not valid UTF-8", part)
		}
		if strings.ContainsAny(part, separator+highest) {
			return "", fmt.Errorf("composite key part %q contains U+0000 or U+10FFFF", part)
		}
		key.WriteString(part + separator)
	}
	return key.String(), nil
}

// splitCompositeKey undoes CreateCompositeKey, for keys that it made only.
func splitCompositeKey(key string) (string, []string, error) {
	if len(key) < 2 || !strings.HasPrefix(key, separator) || !strings.HasSuffix(key, separator) {
		return "", nil, fmt.Errorf("%q is not a composite key", key)
	}
	parts := strings.Split(key[1:len(key)-1], separator)
	return parts[0], parts[1:], nil
}

// checkKey refuses what no peer can store.
func checkKey(key string) error {
	if key == "" {
		return errors.New("key must not be an empty string")
	}
	if !utf8.ValidString(key) {
		return fmt.Errorf("key %q is not valid UTF-8", key)
	}
	return nil
}

// plainRange checks the ends of a range of keys that are not composite and closes an open start.
func plainRange(start, end string) (string, string, error) {
	for _, key := range []string{start, end} {
		if !utf8.ValidString(key) {
			return "", "", fmt.Errorf("key %q is not valid UTF-8", key)
		}
		if strings.HasPrefix(key, separator) {
			return "", "", fmt.Errorf("key %q begins with U+0000, which is kept for composite keys", key)
		}
	}
	if start == "" {
		start = lowestKey
	}
	return start, end, nil
}

// compositeRange covers the composite keys that begin with the given parts.
func compositeRange(objectType string, attributes []string) (string, string, error) {
	start, err := CreateCompositeKey(objectType, attributes)
	return start, start + highest, err
}
