package contract

import (
	"strings"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

const (
	defaultPage  = 50
	maxPage      = 200
	maxPageBytes = 1 << 20
	// pageBatch is how many records are read at a time, so that a page of large ones does not read many more than it returns.
	pageBatch   = 8
	maxBookmark = 400
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

func (p Page) size() (int, error) {
	if p.PageSize < 0 || p.PageSize > maxPage {
		return 0, errcode.New(errcode.LimitExceeded, "page_size must be 1 to %d", maxPage)
	}
	if p.PageSize == 0 {
		return defaultPage, nil
	}
	return p.PageSize, ledger.CheckText("bookmark", p.Bookmark, maxBookmark)
}

// add appends an item unless the page is full; then the bookmark is that of the item before it.
func (l *Listing[T]) add(item T, size, bytes int, before string) (full bool) {
	if held := len(l.Items); held == size || held > 0 && bytes > maxPageBytes {
		l.Bookmark = before
		return true
	}
	l.Items = append(l.Items, item)
	return false
}

// paged reads one page of the records under a prefix and no more: what came before the bookmark, and what follows the page,
// is not read. view makes an item of a record.
func paged[T, V any](s ledger.State, page Page, view func(ledger.Item[T]) (V, error), kind string, prefix ...string) (Listing[V], error) {
	listing := Listing[V]{Items: []V{}}
	size, err := page.size()
	if err != nil {
		return listing, err
	}
	bytes, before, after := 0, "", ""
	if page.Bookmark != "" {
		after = ledger.Key(kind, append(append([]string{}, prefix...), strings.Split(page.Bookmark, "/")...)...)
	}
	for {
		found, err := ledger.ListPage[T](s, after, pageBatch, kind, prefix...)
		if err != nil {
			return listing, err
		}
		for _, item := range found {
			made, err := view(item)
			if err != nil {
				return listing, err
			}
			raw, err := codec.Canonical(made)
			if err != nil {
				return listing, err
			}
			if bytes += len(raw); listing.add(made, size, bytes, before) {
				return listing, nil
			}
			before, after = strings.Join(item.Parts[len(prefix):], "/"), ledger.Key(kind, item.Parts...)
		}
		if len(found) < pageBatch {
			return listing, nil
		}
	}
}

// record is the view of what is listed as it stands.
func record[T any](item ledger.Item[T]) (T, error) { return item.Record, nil }

// cut cuts a page out of items that are sorted by name.
func cut[T any](all []T, page Page, name func(T) string) (Listing[T], error) {
	listing := Listing[T]{Items: []T{}}
	size, err := page.size()
	if err != nil {
		return listing, err
	}
	bytes, before := 0, ""
	for _, item := range all {
		if name(item) <= page.Bookmark {
			continue
		}
		raw, err := codec.Canonical(item)
		if err != nil {
			return listing, err
		}
		if bytes += len(raw); listing.add(item, size, bytes, before) {
			break
		}
		before = name(item)
	}
	return listing, nil
}
