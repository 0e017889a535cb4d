package governance

import (
	"encoding/json"
	"slices"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
)

// RobustGroups are the settings of the mode robust_groups.
type RobustGroups struct {
	// Size is how many participants a group has: 3, without room for a dropout, to 33.
	Size uint64 `json:"size"`
	// Faulty is how many participants may send anything at all, f: 1 to 16. More than 2·f groups must be opened.
	Faulty uint64 `json:"faulty"`
	// Rule is "trimmed_mean", without the f smallest and the f largest means of a slot, or "median".
	Rule string `json:"rule"`
}

// Rules over the means of groups.
const (
	RuleTrimmedMean = "trimmed_mean"
	RuleMedian      = "median"
)

// GroupSettings are the voted settings of robust_groups, or what holds where none were voted.
func (p Parameters) GroupSettings() RobustGroups {
	if p.RobustGroups != nil {
		return *p.RobustGroups
	}
	return RobustGroups{Size: 4, Faulty: 1, Rule: RuleTrimmedMean}
}

// checkSettings refuses settings of another mode than the one in force, and any where the version has no modes: there, no such
// field is known.
func (p Parameters) checkSettings(changes json.RawMessage, modes []string) error {
	var named map[string]json.RawMessage
	if err := json.Unmarshal(changes, &named); err != nil {
		return nil
	}
	for _, mode := range []string{ModeRobustGroups, ModePlain} {
		_, found := named[mode]
		if found && len(modes) == 0 {
			return errcode.New(errcode.BadParameter, "parameters: %v: %q of %q", codec.ErrField, mode, "")
		}
		if found && p.Mode != mode && (mode == ModePlain && p.Plain != nil || mode == ModeRobustGroups && p.RobustGroups != nil) {
			return errcode.New(errcode.BadParameter, "%s are settings of the mode %q, not of %q", mode, mode, p.Mode)
		}
	}
	return nil
}

// settled are the parameters without the settings of a mode that is not theirs.
func (p Parameters) settled() Parameters {
	if p.Mode != ModeRobustGroups {
		p.RobustGroups, p.Contribution = nil, nil
	}
	if p.Mode != ModePlain {
		p.Plain = nil
	}
	return p
}

// checkMode refuses a mode that is not among modes (none named: the first alone), and settings out of range.
func (p Parameters) checkMode(modes []string) error {
	if p.Mode != ModeSecureSum && !slices.Contains(modes, p.Mode) {
		if len(modes) > 0 {
			return errcode.New(errcode.BadParameter, "mode %q, must be one of %q", p.Mode, modes)
		}
		return errcode.New(errcode.BadParameter, "mode %q, this version of the rules has only %q", p.Mode, ModeSecureSum)
	}
	switch p.Mode {
	case ModeRobustGroups:
		return p.GroupSettings().check()
	case ModePlain:
		return p.PlainSettings().check()
	}
	return nil
}

func (s RobustGroups) check() error {
	switch {
	case s.Size < 3 || s.Size > 33:
		return errcode.New(errcode.BadParameter, "robust_groups.size is %d, must be 3 to 33", s.Size)
	case s.Faulty < 1 || s.Faulty > 16:
		return errcode.New(errcode.BadParameter, "robust_groups.faulty is %d, must be 1 to 16", s.Faulty)
	case s.Rule != RuleTrimmedMean && s.Rule != RuleMedian:
		return errcode.New(errcode.BadParameter, "robust_groups.rule is %.40q, must be %q or %q", s.Rule, RuleTrimmedMean, RuleMedian)
	}
	return nil
}
