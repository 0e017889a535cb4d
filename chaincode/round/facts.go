package round

import (
	"fedledger/chaincode/ledger"
)

// facts is what decides whether a round moves on: the round as it stands, and what the ledger says about its present phase.
// The conditions of the table are predicates over it. Neither they nor what they read can write: the functions hold the state
// as a ledger.Reader, and each answers the same whenever it is asked, so that no condition depends on which came before it.
type facts struct {
	round  Round
	status Status
	nowMS  int64

	arrivals    func() (arrivals, error)   // who of those expected has spoken in this phase
	seals       func() (seals, error)      // how the complaints stand; nothing but in Updates
	differences func() ([]int, error)      // from each set frozen on the same base state
	exposures   func() ([]Exposure, error) // against the sets frozen in the epoch
	secrets     func() (secrets, error)    // what the shares rebuild to
	verdicts    func() (tally, error)      // how the attestations to the last proposal stand
	denials     func() (denials, error)    // who finds no state after the sum
	sums        func() (uint64, error)     // in how many distinct sums of the epoch the organisation is that is in most
}

func factsOf(s ledger.Reader, round Round, status Status, nowMS int64) facts {
	f := facts{round: round, status: status, nowMS: nowMS}
	f.arrivals = lazy(func() (arrivals, error) { return readArrivals(s, round, status) })
	f.seals = lazy(func() (seals, error) { return readSeals(s, round, status, nowMS) })
	f.differences = lazy(ofSurvivors(f, func(names []string) ([]int, error) { return readDifferences(s, round, names) }))
	f.exposures = lazy(ofSurvivors(f, func(names []string) ([]Exposure, error) { return readExposures(s, round, names) }))
	f.secrets = lazy(func() (secrets, error) { return rebuild(s, round, status) })
	f.verdicts = lazy(func() (tally, error) { return verdicts(s, round.Ref, status.Number) })
	f.denials = lazy(func() (denials, error) { return readDenials(s, round.Ref) })
	f.sums = lazy(ofSurvivors(f, func(names []string) (uint64, error) { return readSums(s, round, names) }))
	return f
}

// lazy reads a fact when a condition first asks for it, and keeps it: rebuilding secrets is expensive, and what is not reached
// must not be among the transaction's reads, where others could make it conflict.
func lazy[T any](read func() (T, error)) func() (T, error) {
	var value T
	var err error
	known := false
	return func() (T, error) {
		if !known {
			value, err = read()
			known = true
		}
		return value, err
	}
}

// ofSurvivors reads what depends on who has arrived.
func ofSurvivors[T any](f facts, read func(names []string) (T, error)) func() (T, error) {
	return func() (T, error) {
		found, err := f.arrivals()
		if err != nil {
			var none T
			return none, err
		}
		return read(found.names)
	}
}

// arrivals are the records of the present phase.
type arrivals struct {
	names   []string          // Invariant: names ⊆ expected, in cohort order
	left    []string          // of expected, those that have dropped out instead, in cohort order
	waits   bool              // for somebody: expected holds more than names and left
	lastMS  int64             // when the last of them spoke; 0 in version 1 of the rules, and in phase Updates but for left
	updates map[string]Update // of phase Updates, by member
}

// readArrivals reads ranges, so that a record which arrives at the same time is not lost unseen. Who has dropped out is read only
// where somebody is missing: what is said where nobody is must not conflict with who drops out later.
func readArrivals(s ledger.Reader, round Round, status Status) (arrivals, error) {
	expected := status.expected(round)
	found, err := readRecords(s, round, status.Phase, expected)
	if err != nil || len(found.names) == len(expected) {
		return found, err
	}
	dropouts, err := dropoutsOf(s, round)
	found.left = present(without(expected, found.names), dropouts)
	for _, name := range found.left {
		found.lastMS = max(found.lastMS, dropouts[name].TimeMS)
	}
	found.waits = len(found.names)+len(found.left) < len(expected)
	return found, err
}

func readRecords(s ledger.Reader, round Round, phase Phase, expected []string) (found arrivals, err error) {
	switch phase {
	case PhaseKeys:
		records, err := byMember[Keys](s, round.Ref, "keys")
		return arrived(records, expected), err
	case PhaseShares:
		records, err := byMember[Shares](s, round.Ref, "shares")
		return arrived(records, expected), err
	case PhaseUpdates:
		found.updates, err = byMember[Update](s, round.Ref, "update")
		found.names = present(expected, found.updates)
		return found, err
	default:
		records, err := revealedBy(s, round)
		return arrived(records, expected), err
	}
}

func arrived[T interface{ at() int64 }](records map[string]T, expected []string) arrivals {
	found := arrivals{names: present(expected, records)}
	for _, name := range found.names {
		found.lastMS = max(found.lastMS, records[name].at())
	}
	return found
}

// expected are those whose records end the present phase when all are there but of those that have dropped out.
func (s Status) expected(round Round) []string {
	switch s.Phase {
	case PhaseKeys:
		return round.Names()
	case PhaseShares:
		return s.U1
	case PhaseUpdates:
		return s.U2
	default:
		return s.Survivors
	}
}

func (f facts) late() bool { return f.nowMS >= f.status.DeadlineMS }

// over says whether the present phase is over, and who has arrived in it: no survivors are frozen while a dealer's answer is
// awaited.
func (f facts) over() (found arrivals, over bool, err error) {
	if found, err = f.arrivals(); err != nil {
		return found, false, err
	}
	complaints, err := f.seals()
	return found, (f.late() || !found.waits) && !complaints.due, err
}

// complete holds where a phase is over.
func (f facts) complete() (bool, error) {
	_, over, err := f.over()
	return over, err
}

// tooFew holds where the phase is over below the floor max(t, survivor_min).
func (f facts) tooFew() (bool, error) {
	found, over, err := f.over()
	return over && len(found.names) < f.round.floor(), err
}

// agreed holds where a majority of the active organisations attests to the proposed state.
func (f facts) agreed() (bool, error) {
	if !f.status.Open {
		return false, nil
	}
	found, err := f.verdicts()
	return err == nil && found.carried(), err
}

// passedOver holds where a majority disagrees, where all have attested without a majority, or where time is up.
func (f facts) passedOver() (bool, error) {
	if !f.status.Open {
		return false, nil
	}
	found, err := f.verdicts()
	return f.late() || found.refuted() || found.split(), err
}
