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
	defaultPage  = 50
	maxPage      = 200
	maxPageBytes = 1 << 20
)

// Page asks for part of a list: up to page_size items, and no more than fit a page, after the bookmark of the last one.
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
	listing, bytes := Listing[T]{Items: []T{}}, 0
	for _, item := range all {
		if name(item) <= page.Bookmark {
			continue
		}
		raw, err := codec.Canonical(item)
		if err != nil {
			return listing, err
		}
		bytes += len(raw)
		if held := len(listing.Items); held == size || held > 0 && bytes > maxPageBytes {
			listing.Bookmark = name(listing.Items[held-1])
			break
		}
		listing.Items = append(listing.Items, item)
	}
	return listing, nil
}

func sorted[T any](table map[string]T) []string { return slices.Sorted(maps.Keys(table)) }
