package aggregate

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"fedledger/chaincode/secagg"
)

// Digest is a SHA-256.
type Digest = secagg.Digest

// Inputs is everything that the aggregate of a round depends on, all of it on the ledger.
type Inputs struct {
	Session   Digest
	Threshold int
	Layout    Layout
	// Cohort holds every drawn participant in cohort order, those who dropped out early as well.
	Cohort []Participant
	// Rule combines the sums of groups; nil where the cohort is one group, whose sum is the aggregate.
	Rule Rule
	// Aggregate is the proposed SHA-256 of the aggregate in the layout's bytes: Σ x, or what Rule makes of the groups' sums.
	Aggregate Digest
	// Sums are the proposed digests of the groups' sums, in the order of the groups. Invariant: empty where Rule is nil.
	Sums []Digest
	// Outlying are the numbers of the groups that are proposed as left out by the rule, ascending.
	Outlying []int
}

// Participant is one member of the cohort. Invariant: Survivor implies Shared.
type Participant struct {
	ID string
	// Group is the number of its group: masks are shared, and sums made, within one. Invariant: 0 where Rule is nil.
	Group int
	// MaskKey is the public X25519 mask key, SeedCommitment that of CommitShares; both matter where Shared.
	MaskKey        [32]byte
	SeedCommitment Digest
	// Shared says that the participant committed shares (U2), Survivor that its update is committed (U3).
	Shared, Survivor bool
	// Update is the digest of a survivor's masked update.
	Update Digest
	// Shares are those revealed of this dealer, in order of receivers, each accepted by secagg.CheckReveal: of its seed
	// where it survived, of its mask key where it dropped out.
	Shares []secagg.Share
}

// Result is what the verified aggregate says.
type Result struct {
	// Aggregate is the SHA-256 of Σ x, or of what the rule makes of the groups' sums.
	Aggregate Digest
	// Sums are the digests of the groups' sums, in the order of the groups; empty without a rule.
	Sums []Digest
	// Outlying are the numbers of the groups that the rule left out, ascending; nil where it left out none.
	Outlying []int
	// Rows is the total of example rows by the layout's count map; HasRows is false where the layout names none.
	Rows    uint64
	HasRows bool
	// Seeds are the rebuilt seeds b of the survivors, in cohort order: what the beacon is made of.
	Seeds [][32]byte
}

func (in Inputs) survivors() []int {
	return in.where(func(p Participant) bool { return p.Survivor })
}

func (in Inputs) dropouts() []int {
	return in.where(func(p Participant) bool { return p.Shared && !p.Survivor })
}

func (in Inputs) where(keep func(Participant) bool) []int {
	var places []int
	for i, participant := range in.Cohort {
		if keep(participant) {
			places = append(places, i)
		}
	}
	return places
}

// check refuses inputs that no round can have.
func (in Inputs) check() error {
	survivors := len(in.survivors())
	if survivors == 0 || in.Rule == nil && survivors < in.Threshold || in.Threshold < 1 {
		return fmt.Errorf("%w: %d survivors, threshold %d", ErrInputs, survivors, in.Threshold)
	}
	if in.Rule != nil && !in.Rule.Bears(len(in.groups())) {
		return fmt.Errorf("%w: %d groups with survivors", ErrInputs, len(in.groups()))
	}
	seen := map[string]bool{}
	for _, participant := range in.Cohort {
		if seen[participant.ID] || participant.Survivor && !participant.Shared || in.Rule == nil && participant.Group != 0 {
			return fmt.Errorf("%w: participant %s", ErrInputs, participant.ID)
		}
		seen[participant.ID] = true
	}
	if in.Layout.Bytes() == 0 {
		return fmt.Errorf("%w: empty layout", ErrInputs)
	}
	return in.Layout.CheckCohort(survivors)
}

// surveyed says that the sums are gone through twice.
func (in Inputs) surveyed() bool { return in.Rule != nil && in.Rule.Surveys() }

func (in Inputs) passes() int {
	if in.surveyed() {
		return 2
	}
	return 1
}

// groups are the survivors by group, in the order of the groups; one group without survivors is none.
func (in Inputs) groups() [][]int {
	most := 0
	for _, participant := range in.Cohort {
		most = max(most, participant.Group)
	}
	groups := [][]int{}
	for number := range most + 1 {
		if some := in.where(func(p Participant) bool { return p.Survivor && p.Group == number }); len(some) > 0 {
			groups = append(groups, some)
		}
	}
	return groups
}

// key is the digest of the inputs without the proposed aggregate: two proposals share one computation.
func (in Inputs) key() Digest {
	hash := sha256.New()
	number := func(n int) {
		_, _ = hash.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	}
	_, _ = hash.Write(append(in.Session[:], in.Layout.Digest[:]...))
	number(in.Threshold)
	if in.Rule != nil {
		_, _ = hash.Write([]byte(in.Rule.Name()))
	}
	number(len(in.Cohort))
	for _, p := range in.Cohort {
		number(len(p.ID))
		_, _ = hash.Write([]byte(p.ID))
		_, _ = hash.Write(append(append(p.MaskKey[:], p.SeedCommitment[:]...), p.Update[:]...))
		_, _ = fmt.Fprint(hash, p.Shared, p.Survivor)
		number(p.Group)
		number(len(p.Shares))
		for _, share := range p.Shares {
			number(share.Receiver)
			_, _ = hash.Write(share.Value[:])
		}
	}
	return Digest(hash.Sum(nil))
}
