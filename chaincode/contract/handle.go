package contract

import (
	"maps"
	"slices"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

// entry is one line of the table.
type entry struct {
	query  bool
	handle func(s ledger.State, env ledger.Env, argument []byte) (any, ledger.Event, error)
}

// transaction makes an entry of a rule that may write.
func transaction[Req, Resp any](rule func(ledger.State, ledger.Env, Req) (Resp, ledger.Event, error)) entry {
	return entry{false, func(s ledger.State, env ledger.Env, argument []byte) (any, ledger.Event, error) {
		var req Req
		if err := decode(argument, &req); err != nil {
			return nil, ledger.Event{}, err
		}
		return rule(s, env, req)
	}}
}

// query makes an entry of a rule that only reads.
func query[Req, Resp any](rule func(ledger.State, Req) (Resp, error)) entry {
	return entry{true, func(s ledger.State, _ ledger.Env, argument []byte) (any, ledger.Event, error) {
		var req Req
		if err := decode(argument, &req); err != nil {
			return nil, ledger.Event{}, err
		}
		response, err := rule(s, req)
		return response, ledger.Event{}, err
	}}
}

// decode reads an argument; an empty one is an empty object.
func decode(argument []byte, into any) error {
	if len(argument) == 0 {
		return nil
	}
	if err := codec.DecodeStrict(argument, into); err != nil {
		return errcode.New(errcode.BadArgument, "%v", err)
	}
	return nil
}

const (
	defaultPage = 50
	maxPage     = 200
)

// Page asks for part of a list: up to page_size items after the bookmark of the last page.
type Page struct {
	PageSize int    `json:"page_size"`
	Bookmark string `json:"bookmark"`
}

// Listing is a page of a list; an empty bookmark says that nothing follows.
type Listing[T any] struct {
	Items    []T    `json:"items"`
	Bookmark string `json:"bookmark"`
}

// list cuts a page out of all items, which are sorted by name.
func list[T any](all []T, page Page, name func(T) string) (Listing[T], error) {
	size := page.PageSize
	if size == 0 {
		size = defaultPage
	}
	if size < 0 || size > maxPage {
		return Listing[T]{}, errcode.New(errcode.LimitExceeded, "page_size must be 1 to %d", maxPage)
	}
	listing := Listing[T]{Items: []T{}}
	for _, item := range all {
		if name(item) <= page.Bookmark {
			continue
		}
		if len(listing.Items) == size {
			listing.Bookmark = name(listing.Items[size-1])
			break
		}
		listing.Items = append(listing.Items, item)
	}
	return listing, nil
}

func sorted[T any](table map[string]T) []string { return slices.Sorted(maps.Keys(table)) }
