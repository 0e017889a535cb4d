package round

import "fedledger/chaincode/governance"

// Newest is the newest version of the rules that this build holds. It holds all since 1: a round is played to its end, and
// replayed for ever, by the version under which it was opened.
const Newest = 2

// differences are what versions of the rules do differently. No other file of the rules names a version.
type differences struct {
	// replaces: whoever is next in the draw comes in the place of a dealer that complaints alone keep out, and is paid its part.
	// Otherwise nobody does, unless too few would be left for a cohort, and whoever then comes is paid nothing.
	//
	// Scenario: of seven members a, b and c complain honest g out, and h, the eighth candidate, is theirs. In version 1 h comes
	// and has g's pay. In version 2 the six others go on, and g's part returns to the treasury: nobody is paid more than before,
	// and no complaint brings the liars a fourth place. With cohort_min 7, h must come, and works for its reputation.
	replaces bool
	// releases: a vote may release a model, and members sign what leaves the channel with it (package release); a plan
	// may begin from a model that another consortium released (package consortia). Version 1 does not know these functions and kinds.
	releases bool
	// accounts: the ledger adds up what rounds tell of each participant, where a plan promises privacy. A plan that was registered
	// under version 1 has no account: it names no numbers.
	accounts bool
	// flows: a phase in which everybody has spoken is over without an Advance, where no secret depends on its end (flow.go).
	// Version 1 takes an Advance for every phase.
	flows bool
	// carries: one transaction may hold what many participants say, each in a proposal that it signed (contract/carry.go).
	carries bool
	// marks: who has revealed shares stands in a record of its own. In version 1 every reader of a round reads all shares for it,
	// which grow with the square of the cohort: of a hundred members two megabytes.
	marks bool
	// drops: a member may say that it takes no further part in an attempt, and is waited for no more (dropout.go).
	drops bool
	// modes are the ways to aggregate that may be voted.
	modes []string
}

func differ(version uint64) differences {
	if version == 1 {
		return differences{replaces: true}
	}
	return differences{
		releases: true, accounts: true, flows: true, carries: true, marks: true, drops: true,
		modes: []string{governance.ModeSecureSum, governance.ModeRobustGroups, governance.ModePlain},
	}
}

// HasReleases says whether a version of the rules knows releases.
func HasReleases(version uint64) bool { return differ(version).releases }

// HasAccounts says whether under a version of the rules the ledger adds up what rounds tell of each participant.
func HasAccounts(version uint64) bool { return differ(version).accounts }

// HasWords says whether under a version of the rules somebody may carry what others have signed.
func HasWords(version uint64) bool { return differ(version).carries }

// HasDropouts says whether under a version of the rules a member may say that it drops out.
func HasDropouts(version uint64) bool { return differ(version).drops }

// Modes are the ways to aggregate that may be voted under a version of the rules; none where it has secure_sum alone.
func Modes(version uint64) []string { return differ(version).modes }
