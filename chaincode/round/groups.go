package round

import (
	"slices"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/mode"
)

// Partition says to which group of its epoch each participant belongs that was ever drawn in it. It is written by OpenRound
// alone, and only grows: whoever comes in another's place takes it, and nobody changes the group before the next epoch.
type Partition struct {
	// Groups is how many there are. Invariant: as the mode gave it for the first cohort of the epoch.
	Groups int `json:"groups"`
	// Of is the group of each, from 0. Invariant: below Groups.
	Of map[string]int `json:"of"`
}

func (r Round) mode() mode.Mode { return mode.Of(r.Parameters) }

// partition puts a new round's cohort into the groups of its epoch; order is the epoch's draw. Newcomers, in that order, come to
// the group where fewest of the cohort are of their organisation, of these to the smallest, of these to the first.
//
// Scenario: of nine in three groups, c leaves group 2. The next in the draw takes its place in group 2; the others stay where
// they are, so that no sums of two rounds tell members of different groups apart.
func (r *Round) partition(s ledger.State, order []string) error {
	groups := r.mode().Groups(len(r.Cohort))
	if groups == 0 {
		return nil
	}
	if r.mode().Shows() {
		r.Groups = slices.Collect(slices.Chunk(r.Names(), 1))
		return r.checkGroups()
	}
	key := ledger.Key("partition", r.Training, ledger.Number(r.Epoch))
	partition, found, err := ledger.Load[Partition](s, key)
	if err != nil {
		return err
	}
	if !found {
		partition = Partition{groups, map[string]int{}}
	}
	r.Groups = make([][]string, partition.Groups)
	newcomers := []string{}
	for _, id := range order {
		if !slices.Contains(r.Names(), id) {
			continue
		}
		if group, known := partition.Of[id]; known {
			r.Groups[group] = append(r.Groups[group], id)
		} else {
			newcomers = append(newcomers, id)
		}
	}
	for _, id := range newcomers {
		group := r.place(id)
		partition.Of[id], r.Groups[group] = group, append(r.Groups[group], id)
	}
	for _, members := range r.Groups {
		slices.Sort(members) // cohort order
	}
	if err := r.checkGroups(); err != nil {
		return err
	}
	return ledger.Store(s, key, partition)
}

func (r *Round) place(id string) int {
	best, least := 0, []int{}
	for group, members := range r.Groups {
		same := 0
		for _, other := range members {
			if r.member(other).MSPID == r.member(id).MSPID {
				same++
			}
		}
		if count := []int{same, len(members)}; group == 0 || slices.Compare(count, least) < 0 {
			best, least = group, count
		}
	}
	return best
}

// checkGroups refuses a cohort of which, even if nobody drops out, too few groups could be opened.
func (r *Round) checkGroups() error {
	open := 0
	for _, members := range r.Groups {
		if r.mode().Opens(r.organisations(members)) {
			open++
		}
	}
	if r.mode().Enough(open) {
		return nil
	}
	return errcode.New(errcode.LimitExceeded, "%d participants make %d groups that may be opened, too few for the faulty ones that the mode %q reckons with: "+
		"train a larger cohort, or vote smaller groups or a smaller number of faulty ones and then roll back to the head, which begins an epoch",
		len(r.Cohort), open, r.Parameters.Mode)
}

// organisations counts members of the cohort by organisation. Others are not counted: a set that was frozen earlier in the epoch may
// hold some who sit out the rest of it.
func (r Round) organisations(participants []string) map[string]int {
	own := map[string]int{}
	for _, member := range r.Cohort {
		if slices.Contains(participants, member.Participant) {
			own[member.MSPID]++
		}
	}
	return own
}

// groupOf is the number of a member's group, 0 where the cohort is not split.
func (r Round) groupOf(id string) int {
	return max(0, slices.IndexFunc(r.Groups, func(members []string) bool { return slices.Contains(members, id) }))
}

// groupsDigest binds keys and masks to the groups; nil where the cohort is not split.
func (r Round) groupsDigest() []byte {
	if len(r.Groups) == 0 {
		return nil
	}
	parts := [][]byte{}
	for _, members := range r.Groups {
		list := []byte{}
		for _, id := range members {
			list = codec.Prefixed(list, []byte(id))
		}
		parts = append(parts, list)
	}
	digest := codec.Hash(codec.LabelGroups, parts...)
	return digest[:]
}

// opening says which groups' sums may be revealed, given who committed an update.
type opening struct {
	// sets are the survivors of each group, empty where it stays closed. Invariant: one entry for each group; none where the
	// cohort is not split.
	sets [][]string
	// survivors are those whose updates are summed, leftOut those whose group stays closed; both in cohort order.
	survivors, leftOut []string
	open               int
}

func (r Round) opening(committed []string) opening {
	if len(r.Groups) == 0 {
		return opening{survivors: committed, leftOut: []string{}, open: 1}
	}
	found := opening{}
	summed := []string{}
	for _, members := range r.Groups {
		set := without(committed, without(committed, members))
		if !r.mode().Opens(r.organisations(set)) {
			set = []string{}
		} else {
			found.open++
		}
		found.sets, summed = append(found.sets, set), append(summed, set...)
	}
	found.leftOut = without(committed, summed)
	found.survivors = without(committed, found.leftOut)
	return found
}

// tooFewGroups holds where what may be revealed would be spoilt if each faulty participant were in another group.
func (f facts) tooFewGroups() (bool, error) {
	found, over, err := f.over()
	return over && !f.round.mode().Enough(f.round.opening(found.names).open), err
}

// dealers are those of U2 of whom something is revealed: all but the members of groups that stay closed.
func (s Status) dealers(round Round) []string {
	return slices.DeleteFunc(slices.Clone(s.U2), func(id string) bool { return s.closed(round, id) })
}

// closed says that a member's group has no survivors: then nothing of it is ever revealed.
func (s Status) closed(round Round, id string) bool {
	return len(round.Groups) > 0 && !slices.ContainsFunc(round.Groups[round.groupOf(id)], func(member string) bool {
		return slices.Contains(s.Survivors, member)
	})
}

// apart is by how many participants what is summed differs from a frozen set, at the least that is more than none, those excused
// aside; 0 where nothing differs, or both show each update anyway. Where only one was split or shows updates, or both in epochs of
// their own, it is 1: what such sums tell together was not worked out, so that only a vote lets both be revealed on one base state.
func (r Round) apart(opened opening, set Frozen, excused []string) int {
	a, b := opened.sums(), set.sums()
	if shown(a) && shown(b) {
		return 0
	}
	split := len(opened.sets) > 0 || len(set.Groups) > 0
	if split && (len(a) != len(b) || shown(a) != shown(b) || r.Training != set.Training || r.Epoch != set.Epoch) {
		return 1
	}
	least := 0
	for i := range a {
		difference := len(without(symmetric(a[i], b[i]), excused))
		if len(a[i]) > 0 && len(b[i]) > 0 && difference > 0 && (least == 0 || difference < least) {
			least = difference
		}
	}
	return least
}

// sums are the sets whose sums are revealed: one of all survivors, or one a group.
func (o opening) sums() [][]string { return sumsOf(o.survivors, o.sets) }

// sums are those of a frozen attempt.
func (f Frozen) sums() [][]string { return sumsOf(f.Survivors, f.Groups) }

// shown says that the sums are of one participant each.
func shown(sums [][]string) bool {
	return !slices.ContainsFunc(sums, func(set []string) bool { return len(set) > 1 })
}

func sumsOf(survivors []string, groups [][]string) [][]string {
	if len(groups) == 0 {
		return [][]string{survivors}
	}
	return groups
}
