package round

import (
	"slices"

	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/membership"
	"fedledger/chaincode/secagg"
	"fedledger/chaincode/selection"
)

// drawn is a cohort, and how it differs from the one that would have been drawn had nobody complained without proof.
type drawn struct {
	cohort, keptOut []Member
	order           []string // the whole epoch's draw
	inPlace         []string // Invariant: members of cohort; none where nobody is kept out
}

// draw takes the cohort from the epoch's draw: the first in its order that are active and not blamed in this epoch. Where
// those are too few, as many of the blamed as it takes come back, those first of whom nothing is proven: so blame alone never
// ends a small training. They are slashed for every fault, and a vote can remove them.
//
// Scenario: six participants, cohort_min 5. An attempt ends with f blamed: the next has a to e. A vote suspends e: only four
// are free, so f comes back, and a, b, c, d and f make the smallest cohort. With a seventh participant g, f would have stayed
// out: those blamed come last.
func draw(s ledger.State, training Training, parameters governance.Parameters, rules uint64) (drawn, error) {
	record, err := selection.Drawn(s, training.Training, training.Epoch, training.Beacon)
	if err != nil {
		return drawn{}, err
	}
	eligible, err := selection.Eligible(s, record, parameters.MinimumStake)
	if err != nil {
		return drawn{}, err
	}
	accused, guilty, err := blamedIn(s, training.Training, training.Epoch)
	if err != nil {
		return drawn{}, err
	}
	limits := selection.Limits{
		Size: int(training.Cohort), Min: int(parameters.CohortMin), SurvivorMin: int(parameters.SurvivorMin),
		PerOrganisation: int(parameters.ParticipantsPerOrganisation), Threshold: secagg.Threshold,
	}
	whole, _ := selection.Cohort(others(eligible, guilty), limits) // none where too few are left even so
	cohort, err := choose(eligible, accused, guilty, whole, limits, differ(rules))
	if err != nil {
		return drawn{}, err
	}
	found := drawn{order: record.Order, keptOut: []Member{}, inPlace: []string{}}
	if found.cohort, err = members(s, cohort); err != nil || len(whole) == 0 {
		return found, err
	}
	found.keptOut, err = members(s, others(whole, names(cohort)))
	if len(found.keptOut) > 0 {
		found.inPlace = names(others(cohort, names(whole)))
	}
	return found, err
}

// choose leaves out whoever is blamed, as far as a cohort is left. Those of whom nothing is proven are left out only while the
// threshold of the whole cohort, from which they are missing, is met without them.
//
// Scenario: seven participants, threshold 5, cohort_min 4. a, b and c complain of the four others at once. A cohort of these
// three and one more would be three against one, whose update they would know. So two of the four come back: of a cohort whose
// members nobody proves anything of, complaints take away no more than silence may.
func choose(eligible []selection.Candidate, accused, guilty []string, whole []selection.Candidate, limits selection.Limits, rules differences) ([]selection.Candidate, error) {
	enough := limits
	enough.Min = max(limits.Min, secagg.Threshold(len(whole)))
	blameless := others(others(eligible, guilty), accused)
	if !rules.replaces {
		if cohort, err := selection.Cohort(chosen(blameless, names(whole)), enough); err == nil {
			return cohort, nil
		}
		enough.Size = enough.Min
	}
	cohort, err := selection.Cohort(blameless, enough)
	if err == nil || len(blameless) == len(eligible) {
		return cohort, err
	}
	limits.Size = enough.Min
	back := append(chosen(eligible, accused), chosen(eligible, guilty)...)
	return selection.Cohort(append(blameless, back...), limits)
}

func others(candidates []selection.Candidate, left []string) []selection.Candidate {
	return slices.DeleteFunc(slices.Clone(candidates), func(one selection.Candidate) bool { return slices.Contains(left, one.Participant) })
}

func chosen(candidates []selection.Candidate, wanted []string) []selection.Candidate {
	return slices.DeleteFunc(slices.Clone(candidates), func(one selection.Candidate) bool { return !slices.Contains(wanted, one.Participant) })
}

func names(candidates []selection.Candidate) []string {
	found := []string{}
	for _, one := range candidates {
		found = append(found, one.Participant)
	}
	return found
}

func members(s ledger.State, cohort []selection.Candidate) ([]Member, error) {
	drawn := make([]Member, len(cohort))
	for i, candidate := range cohort {
		participant, err := membership.Load(s, candidate.Participant)
		if err != nil {
			return nil, err
		}
		drawn[i] = Member{candidate.Participant, candidate.MSPID, participant.Profile.Rows, candidate.Quality, candidate.Reputation}
	}
	return drawn, nil
}

// blamedIn names who is blamed in an epoch: the accused by complaints alone, the guilty with proof at least once.
func blamedIn(s ledger.State, training string, epoch uint64) (accused, guilty []string, err error) {
	blames, err := ledger.List[Blame](s, "blame", training, ledger.Number(epoch))
	for _, item := range blames {
		if item.Record.Proven {
			guilty = append(guilty, item.Parts[2])
		} else {
			accused = append(accused, item.Parts[2])
		}
	}
	return without(accused, guilty), guilty, err
}
