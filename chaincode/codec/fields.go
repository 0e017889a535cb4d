package codec

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// checkFields holds the keys of a parsed tree against the type of v, letter for letter (encoding/json ignores case).
func checkFields(tree any, v any) error {
	target := reflect.TypeOf(v)
	if target == nil || target.Kind() != reflect.Pointer {
		panic("codec: internal error: DecodeStrict needs a pointer")
	}
	return match(tree, target.Elem(), "")
}

func match(tree any, target reflect.Type, where string) error {
	if tree == nil {
		return matchNull(target, where)
	}
	for target.Kind() == reflect.Pointer {
		target = target.Elem()
	}
	if target.Kind() == reflect.Interface || reflect.PointerTo(target).Implements(unmarshaler) {
		return nil
	}
	switch tree := tree.(type) {
	case map[string]any:
		return matchObject(tree, target, where)
	case []any:
		if target.Kind() != reflect.Slice {
			return fmt.Errorf("%w: array at %q", ErrType, where)
		}
		for i, item := range tree {
			if err := match(item, target.Elem(), fmt.Sprintf("%s[%d]", where, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func matchNull(target reflect.Type, where string) error {
	switch target.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Map:
		return nil
	default:
		return fmt.Errorf("%w: null at %q", ErrType, where)
	}
}

func matchObject(tree map[string]any, target reflect.Type, where string) error {
	names := map[string]reflect.Type{}
	switch target.Kind() {
	case reflect.Struct:
		fieldNames(target, names)
	case reflect.Map:
		for key := range tree {
			names[key] = target.Elem()
		}
	default:
		return fmt.Errorf("%w: object at %q", ErrType, where)
	}
	for _, key := range slices.Sorted(maps.Keys(tree)) { // sorted: every endorser names the same key
		kind, known := names[key]
		if !known {
			return fmt.Errorf("%w: %q of %q", ErrField, key, where)
		}
		if err := match(tree[key], kind, where+"."+key); err != nil {
			return err
		}
	}
	return nil
}

func fieldNames(target reflect.Type, names map[string]reflect.Type) {
	for i := range target.NumField() {
		field := target.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && name == "" && field.Type.Kind() == reflect.Struct:
			fieldNames(field.Type, names)
		case !field.IsExported() || name == "-":
		case name == "":
			names[field.Name] = field.Type
		default:
			names[name] = field.Type
		}
	}
}
