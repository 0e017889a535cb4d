package contract

import (
	"math"
	"strconv"
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

// full says that the page takes no other item, with which its items have so many bytes.
func (l *Listing[T]) full(size, bytes, most int) bool {
	return len(l.Items) == size || len(l.Items) > 0 && bytes > most
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
			if bytes += len(raw); listing.full(size, bytes, maxPageBytes) {
				listing.Bookmark = before
				return listing, nil
			}
			listing.Items = append(listing.Items, made)
			before, after = strings.Join(item.Parts[len(prefix):], "/"), ledger.Key(kind, item.Parts...)
		}
		if len(found) < pageBatch {
			return listing, nil
		}
	}
}

// record is the view of what is listed as it stands.
func record[T any](item ledger.Item[T]) (T, error) { return item.Record, nil }

// numbered cuts a page out of the items 1 to last; the bookmark is a number. Without a page_size all are on one page.
func numbered[T any](page Page, last uint64, item func(uint64) (T, error)) (Listing[T], error) {
	listing := Listing[T]{Items: []T{}}
	size, err := page.size()
	if err != nil {
		return listing, err
	}
	next, most := uint64(1), maxPageBytes
	if page.Bookmark != "" {
		before, err := strconv.ParseUint(page.Bookmark, 10, 32)
		if err != nil {
			return listing, errcode.New(errcode.BadArgument, "bookmark must be one that a page came with")
		}
		next = before + 1
	}
	if page.PageSize == 0 {
		size, most = math.MaxInt, math.MaxInt
	}
	for bytes := 0; next <= last; next++ {
		one, err := item(next)
		if err != nil {
			return listing, err
		}
		raw, err := codec.Canonical(one)
		if err != nil {
			return listing, err
		}
		if bytes += len(raw); listing.full(size, bytes, most) {
			listing.Bookmark = ledger.Number(next - 1)
			break
		}
		listing.Items = append(listing.Items, one)
	}
	return listing, nil
}
