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

// checkSettings refuses settings of robust_groups in another mode, and any where the version has no modes: there, no such field
// is known.
func (p Parameters) checkSettings(changes json.RawMessage, modes []string) error {
	var named struct {
		Settings json.RawMessage `json:"robust_groups"`
	}
	if err := json.Unmarshal(changes, &named); err != nil || named.Settings == nil {
		return nil
	}
	if len(modes) == 0 {
		return errcode.New(errcode.BadParameter, "parameters: %v: %q of %q", codec.ErrField, "robust_groups", "")
	}
	if p.RobustGroups != nil && p.Mode != ModeRobustGroups {
		return errcode.New(errcode.BadParameter, "robust_groups are settings of the mode %q, not of %q", ModeRobustGroups, p.Mode)
	}
	return nil
}

// settled are the parameters without the settings of a mode that is not theirs.
func (p Parameters) settled() Parameters {
	if p.Mode == ModeSecureSum {
		p.RobustGroups = nil
	}
	if p.Mode != ModeRobustGroups {
		p.Contribution = nil
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
	settings := p.GroupSettings()
	switch {
	case p.Mode != ModeRobustGroups:
	case settings.Size < 3 || settings.Size > 33:
		return errcode.New(errcode.BadParameter, "robust_groups.size is %d, must be 3 to 33", settings.Size)
	case settings.Faulty < 1 || settings.Faulty > 16:
		return errcode.New(errcode.BadParameter, "robust_groups.faulty is %d, must be 1 to 16", settings.Faulty)
	case settings.Rule != RuleTrimmedMean && settings.Rule != RuleMedian:
		return errcode.New(errcode.BadParameter, "robust_groups.rule is %.40q, must be %q or %q", settings.Rule, RuleTrimmedMean, RuleMedian)
	}
	return nil
}
