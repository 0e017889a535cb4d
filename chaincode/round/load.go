package round

import (
	"encoding/json"
	"slices"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

func load(s ledger.State, ref Ref) (Round, Status, error) {
	if err := ref.check(); err != nil {
		return Round{}, Status{}, err
	}
	if err := s.Ahead(ref.key("round"), ref.key("phase")); err != nil {
		return Round{}, Status{}, err
	}
	round, found, err := ledger.Load[Round](s, ref.key("round"))
	if err == nil && !found {
		err = errcode.New(errcode.UnknownRound, "%s has no round %d, attempt %d", ref.Training, ref.Round, ref.Attempt)
	}
	if err != nil {
		return round, Status{}, err
	}
	status, _, err := ledger.Load[Status](s, ref.key("phase"))
	return round, status, err
}

// RulesOf returns the version of the rules under which the attempt that an argument names was opened, or the one in force
// where it names none.
func RulesOf(s ledger.State, argument []byte, inForce uint64) (uint64, error) {
	var ref Ref
	if json.Unmarshal(argument, &ref) != nil || ref.check() != nil {
		return inForce, nil
	}
	round, found, err := ledger.Load[Round](s, ref.key("round"))
	if err != nil || !found {
		return inForce, err
	}
	return round.Rules, nil
}

func putStatus(s ledger.State, ref Ref, status Status) error {
	return ledger.Store(s, ref.key("phase"), status)
}

// once refuses what a participant has done in this attempt.
func once(s ledger.State, key string) error {
	raw, err := s.Get(key)
	if err == nil && raw != nil {
		err = errcode.New(errcode.AlreadyDone, "it is on the ledger already")
	}
	return err
}

func among(members []string, participant, what string) error {
	if !slices.Contains(members, participant) {
		return errcode.New(errcode.NotInCohort, "%s is not among %s", participant, what)
	}
	return nil
}

// byMember reads a range of one kind as a map from participant to record.
func byMember[T any](s ledger.Reader, ref Ref, kind string) (map[string]T, error) {
	items, err := ledger.List[T](s, kind, ref.parts()...)
	records := map[string]T{}
	for _, item := range items {
		records[item.Parts[3]] = item.Record
	}
	return records, err
}

// present returns those of members that records hold, in the members' order.
func present[T any](members []string, records map[string]T) []string {
	found := []string{}
	for _, member := range members {
		if _, ok := records[member]; ok {
			found = append(found, member)
		}
	}
	return found
}

// without returns members that are not in others, in the members' order.
func without(members, others []string) []string {
	left := []string{}
	for _, member := range members {
		if !slices.Contains(others, member) {
			left = append(left, member)
		}
	}
	return left
}
