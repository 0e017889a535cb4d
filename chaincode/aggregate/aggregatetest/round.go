// Package aggregatetest plays the participants of a round in one process, for tests and benchmarks: keys, shares, masked
// updates, reveals. Its randomness is a fixed seed's, so that a failure can be run again. Never use it for real secrets.
package aggregatetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/codec"
	"fedledger/chaincode/secagg"
)

// Options say what round to play.
type Options struct {
	// Cohort is how many participants are drawn, Dropouts the places of those who shared but committed no update,
	// Silent the places of those who published keys but no shares.
	Cohort           int
	Dropouts, Silent []int
	// Groups is the group of each place, Rule what combines the groups' sums, Closed the groups that are not opened; none of them
	// where the cohort has one sum.
	Groups []int
	Rule   aggregate.Rule
	Closed []int
	// IDs name the participants in cohort order; the default is hospital-000 and so on.
	IDs []string
	// Layout is the layout's JSON; Values gives the plain words of a participant's slots in the order of bytes. The
	// default puts random words up to each segment's maximum (and 1 where the kind is "one").
	Layout string
	Values func(place int, segment aggregate.Segment, slot uint64) uint64
	// Context names the attempt; its LayoutDigest is filled in. Seed seeds every random choice.
	Context secagg.Context
	Seed    uint64
	// Fast masks as fast as it can, for benchmarks; such rounds have no Reveals and 32-bit words only.
	Fast bool
}

// Round is a played round.
type Round struct {
	// Inputs are ready for aggregate.Verify, with the true digest; where groups stay closed, Opened() is.
	Inputs aggregate.Inputs
	// Blobs holds the masked updates; Updates their bytes by place, Aggregate the plain sum, or what the rule makes of the groups'.
	Blobs     Memory
	Updates   map[int][]byte
	Aggregate []byte
	// Members are the participants by place, with their secrets.
	Members []*Member
	// Reveals are those of every receiver that shared, by place.
	Reveals map[int][]secagg.Reveal

	random  *rand.Rand
	options Options
}

// Member is a participant with its secrets.
type Member struct {
	ID                               string
	SealSecret, MaskSecret, Seed     [32]byte
	SealKey, MaskKey, SeedCommitment [32]byte
	SharesRoot                       [32]byte
	shares                           map[secagg.Kind][][secagg.ShareBytes]byte
	tree                             [][]secagg.Digest
}

// Memory is a blob folder in memory.
type Memory map[aggregate.Digest][]byte

// Open reads a blob.
func (m Memory) Open(digest aggregate.Digest) (io.ReadCloser, error) {
	blob, ok := m[digest]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(blob)), nil
}

// Version names the slice that holds a blob: what is changed in it goes unnoticed, what takes its place does not.
func (m Memory) Version(digest aggregate.Digest) (string, error) {
	blob, ok := m[digest]
	if !ok {
		return "", fs.ErrNotExist
	}
	return fmt.Sprintf("%p of %d", blob, len(blob)), nil
}

// Put adds a blob and returns its digest.
func (m Memory) Put(blob []byte) aggregate.Digest {
	digest := sha256.Sum256(blob)
	m[digest] = blob
	return digest
}

// Play plays a round. It panics where the options make none.
func Play(options Options) *Round {
	layout, err := aggregate.ParseLayout([]byte(options.Layout))
	if err != nil {
		panic(err)
	}
	options.Context.LayoutDigest = layout.Digest
	seed := sha256.Sum256(codec.U64(options.Seed))
	r := &Round{
		Blobs: Memory{}, Updates: map[int][]byte{}, Reveals: map[int][]secagg.Reveal{},
		random: rand.New(rand.NewChaCha8(seed)), options: options,
	}
	r.Inputs = aggregate.Inputs{
		Session: secagg.Session(options.Context), Threshold: secagg.Threshold(options.Cohort), Layout: layout,
		Rule: options.Rule,
	}
	r.join()
	for place := range r.Members {
		r.deal(place)
	}
	if options.Fast {
		r.uploadFast()
	} else {
		r.upload()
	}
	r.reveal()
	return r
}

// join draws the cohort and publishes keys.
func (r *Round) join() {
	for place := range r.options.Cohort {
		m := &Member{ID: fmt.Sprintf("hospital-%03d", place)}
		if r.options.IDs != nil {
			m.ID = r.options.IDs[place]
		}
		for _, secret := range []*[32]byte{&m.SealSecret, &m.MaskSecret, &m.Seed} {
			r.fill(secret[:])
		}
		m.SealKey, m.MaskKey = secagg.PublicKey(m.SealSecret), secagg.PublicKey(m.MaskSecret)
		m.SeedCommitment = secagg.SeedCommitment(r.Inputs.Session, m.ID, m.Seed)
		shared := !slices.Contains(r.options.Silent, place)
		r.Members = append(r.Members, m)
		r.Inputs.Cohort = append(r.Inputs.Cohort, aggregate.Participant{
			ID: m.ID, Group: r.group(place), MaskKey: m.MaskKey, SeedCommitment: m.SeedCommitment,
			Shared: shared, Survivor: shared && !slices.Contains(r.options.Dropouts, place),
		})
	}
}

func (r *Round) group(place int) int {
	if r.options.Groups == nil {
		return 0
	}
	return r.options.Groups[place]
}

// opens says whether something of a place's group is revealed.
func (r *Round) opens(place int) bool {
	return r.options.Groups == nil || !slices.Contains(r.options.Closed, r.group(place))
}

// Opened are the inputs without what belongs to groups that stay closed.
func (r *Round) Opened() aggregate.Inputs {
	in := r.Inputs
	in.Cohort = slices.Clone(in.Cohort)
	for place, p := range in.Cohort {
		if !r.opens(place) {
			in.Cohort[place] = aggregate.Participant{ID: p.ID, Group: p.Group}
		}
	}
	return in
}

// IDs are the ids of the cohort, in order; all of it has keys.
func (r *Round) IDs() []string {
	ids := make([]string, len(r.Members))
	for i, member := range r.Members {
		ids[i] = member.ID
	}
	return ids
}

func (r *Round) fill(out []byte) {
	for len(out) > 0 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], r.random.Uint64())
		out = out[copy(out, word[:]):]
	}
}
