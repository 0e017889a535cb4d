package governance

import (
	"slices"

	"fedledger/chaincode/errcode"
)

// Plain are the settings of the mode plain, in which members see each update.
type Plain struct {
	// Faulty is how many participants may send anything at all, f: 1 to 49.
	Faulty uint64 `json:"faulty"`
	// Rule is what is made of the updates: one of PlainRules.
	Rule string `json:"rule"`
	// Bucket is of how many updates, drawn by lot, means are made that the rule then takes for updates: 1, none, to 8.
	Bucket uint64 `json:"bucket"`
}

// Rules over updates, beside the median and the trimmed mean, which are those over means of groups as well.
const (
	RuleMultiKrum       = "multi_krum"
	RuleCentredClipping = "centred_clipping"
)

// PlainRules are the rules of the mode plain.
func PlainRules() []string {
	return []string{RuleMedian, RuleTrimmedMean, RuleMultiKrum, RuleCentredClipping}
}

// PlainSettings are the voted settings of plain, or what holds where none were voted.
func (p Parameters) PlainSettings() Plain {
	if p.Plain != nil {
		return *p.Plain
	}
	return Plain{Faulty: 1, Rule: RuleMedian, Bucket: 1}
}

func (s Plain) check() error {
	switch {
	case s.Faulty < 1 || s.Faulty > 49:
		return errcode.New(errcode.BadParameter, "plain.faulty is %d, must be 1 to 49", s.Faulty)
	case s.Bucket < 1 || s.Bucket > 8:
		return errcode.New(errcode.BadParameter, "plain.bucket is %d, must be 1 to 8", s.Bucket)
	case !slices.Contains(PlainRules(), s.Rule):
		return errcode.New(errcode.BadParameter, "plain.rule is %.40q, must be one of %q", s.Rule, PlainRules())
	}
	return nil
}
