package ledger

import (
	"maps"
	"slices"
	"strings"

	"fedledger/chaincode/codec"
)

// Memory is a world state in memory with Fabric's optimistic concurrency: a transaction reads one committed state,
// and commits only where nothing that it read, a range's members included, has changed since.
type Memory struct {
	values   map[string][]byte
	versions map[string]uint64
	keys     []string // sorted
	height   uint64
}

// NewMemory returns an empty state.
func NewMemory() *Memory {
	return &Memory{values: map[string][]byte{}, versions: map[string]uint64{}}
}

// Entries returns the whole state, sorted by key.
func (m *Memory) Entries() []Entry {
	return m.under("")
}

// Load puts entries into the state, as a snapshot would.
func (m *Memory) Load(entries []Entry) {
	m.height++
	for _, entry := range entries {
		m.set(entry)
	}
}

// set applies one write; a nil value is a deletion.
func (m *Memory) set(write Entry) {
	at, known := slices.BinarySearch(m.keys, write.Key)
	if write.Value == nil {
		if known {
			m.keys = slices.Delete(m.keys, at, at+1)
		}
		delete(m.values, write.Key)
		delete(m.versions, write.Key)
		return
	}
	if !known {
		m.keys = slices.Insert(m.keys, at, write.Key)
	}
	m.values[write.Key], m.versions[write.Key] = write.Value, m.height
}

// under returns the entries below a prefix, sorted by key.
func (m *Memory) under(prefix string) []Entry {
	entries := []Entry{}
	at, _ := slices.BinarySearch(m.keys, prefix)
	for _, key := range m.keys[at:] {
		if !strings.HasPrefix(key, prefix) {
			break
		}
		entries = append(entries, Entry{key, m.values[key]})
	}
	return entries
}

// page returns up to limit entries below a prefix that come after a key.
func (m *Memory) page(prefix, after string, limit int) []Entry {
	entries := []Entry{}
	at, _ := slices.BinarySearch(m.keys, max(prefix, after))
	for _, key := range m.keys[at:] {
		if !strings.HasPrefix(key, prefix) || len(entries) == limit {
			break
		}
		if key > after {
			entries = append(entries, Entry{key, m.values[key]})
		}
	}
	return entries
}

// Begin starts a transaction on the committed state.
func (m *Memory) Begin() *Tx {
	return &Tx{base: m, reads: map[string]uint64{}, ranges: map[string][]keyVersion{}, overlay: newOverlay()}
}

// Commit applies the transaction; false says that something it read has changed (MVCC or phantom conflict).
func (m *Memory) Commit(tx *Tx) bool {
	for key, version := range tx.reads { // any order: all must hold
		if m.versions[key] != version {
			return false
		}
	}
	for prefix, seen := range tx.ranges { // any order: all must hold
		if !slices.Equal(seen, m.versionsUnder(prefix)) {
			return false
		}
	}
	m.height++
	for _, write := range tx.Writes() {
		m.set(write)
	}
	return true
}

type keyVersion struct {
	key     string
	version uint64
}

func (m *Memory) versionsUnder(prefix string) []keyVersion {
	found := []keyVersion{}
	for _, entry := range m.under(prefix) {
		found = append(found, keyVersion{entry.Key, m.versions[entry.Key]})
	}
	return found
}

func prefixed(values map[string][]byte, prefix string) []Entry {
	entries := []Entry{}
	for key, value := range values { // any order: sorted below
		if strings.HasPrefix(key, prefix) {
			entries = append(entries, Entry{key, value})
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	return entries
}

// Tx is a transaction on Memory; it records what it reads and writes.
type Tx struct {
	base    *Memory
	reads   map[string]uint64
	ranges  map[string][]keyVersion
	overlay *overlay
}

var _ State = (*Tx)(nil)

// Get implements State.
func (t *Tx) Get(key string) ([]byte, error) {
	if value, own := t.overlay.get(key); own {
		return value, nil
	}
	t.reads[key] = t.base.versions[key]
	return t.base.values[key], nil
}

// Put implements State.
func (t *Tx) Put(key string, value []byte) error { return t.overlay.put(key, value) }

// Del implements State.
func (t *Tx) Del(key string) error { return t.overlay.put(key, nil) }

// Ahead implements State.
func (t *Tx) Ahead(...string) error { return nil }

// Range implements State.
func (t *Tx) Range(prefix string) ([]Entry, error) {
	t.ranges[prefix] = t.base.versionsUnder(prefix)
	return t.overlay.merge(prefix, t.base.under(prefix)), nil
}

// Page implements State.
func (t *Tx) Page(prefix, after string, limit int) ([]Entry, error) {
	return t.base.page(prefix, after, limit), nil
}

// Writes returns what the transaction writes, sorted by key; a nil value is a deletion.
func (t *Tx) Writes() []Entry { return t.overlay.writes() }

// RWSet returns the transaction's read-write set as canonical bytes, for comparison between runs.
func (t *Tx) RWSet() ([]byte, error) {
	reads, ranges, writes := map[string]uint64{}, map[string][]string{}, map[string]*string{}
	maps.Copy(reads, t.reads)
	for prefix, seen := range t.ranges { // any order: Canonical sorts
		ranges[prefix] = []string{}
		for _, found := range seen {
			ranges[prefix] = append(ranges[prefix], found.key)
		}
	}
	for _, write := range t.Writes() {
		writes[write.Key] = nil
		if write.Value != nil {
			value := string(write.Value)
			writes[write.Key] = &value
		}
	}
	return codec.Canonical(map[string]any{"reads": reads, "ranges": ranges, "writes": writes})
}
