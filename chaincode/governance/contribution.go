package governance

import (
	"encoding/json"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
)

// Contribution are the terms on which what groups contributed is measured and paid, in the mode robust_groups. Without them
// nothing is paid for it.
type Contribution struct {
	// Floor is what is left of the quality of the members of the group that contributed least, in thousandths: 1 to 1000.
	Floor uint64 `json:"floor"`
	// Sums is how many distinct sets of survivors with an organisation's participants in them may be summed in an epoch: 1 to 1000.
	Sums uint64 `json:"sums"`
}

// checkContribution refuses terms where the version has no modes, in another mode, and out of range.
func (p Parameters) checkContribution(changes json.RawMessage, modes []string) error {
	var named struct {
		Terms json.RawMessage `json:"contribution"`
	}
	if err := json.Unmarshal(changes, &named); err == nil && named.Terms != nil && len(modes) == 0 {
		return errcode.New(errcode.BadParameter, "parameters: %v: %q of %q", codec.ErrField, "contribution", "")
	}
	switch terms := p.Contribution; {
	case terms == nil:
	case p.Mode != ModeRobustGroups && named.Terms != nil:
		return errcode.New(errcode.BadParameter, "contribution is measured in the mode %q, not in %q", ModeRobustGroups, p.Mode)
	case terms.Floor < 1 || terms.Floor > 1000:
		return errcode.New(errcode.BadParameter, "contribution.floor is %d, must be 1 to 1000", terms.Floor)
	case terms.Sums < 1 || terms.Sums > 1000:
		return errcode.New(errcode.BadParameter, "contribution.sums is %d, must be 1 to 1000", terms.Sums)
	}
	return nil
}
