package governance

import (
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

// Rules is the version of the rules in force. A round keeps the version that it was opened under.
type Rules struct {
	Version uint64 `json:"version"`
}

var rulesKey = ledger.Key("rules")

// RulesVersion reads the version in force, 1 before founding.
func RulesVersion(s ledger.State) (uint64, error) {
	rules, found, err := ledger.Load[Rules](s, rulesKey)
	if err != nil || !found {
		return 1, err
	}
	return rules.Version, nil
}

// CheckRules refuses a version that a build which holds 1 to latest lacks.
func CheckRules(version, latest uint64) error {
	if version < 1 || version > latest {
		return errcode.New(errcode.RulesVersion, "rules version %d; this build holds 1 to %d: install a newer one", version, latest)
	}
	return nil
}

type rulesBody struct {
	Version uint64 `json:"version"`
}

// Check implements Body. Which versions there are is for the build to say that carries it out.
func (rulesBody) Check(Parameters) error { return nil }

// SetRulesVersion returns what executes set_rules_version{version} in a build that holds 1 to latest: for what is opened
// from now on. There is no way back. A peer that lacks the version refuses the vote that would decide for it.
func SetRulesVersion(latest uint64) Kind {
	return KindOf(func(s ledger.State, _ ledger.Env, change rulesBody) error {
		current, err := RulesVersion(s)
		if err != nil {
			return err
		}
		if err := CheckRules(change.Version, latest); err != nil {
			return err
		}
		if change.Version < current {
			return errcode.New(errcode.RulesVersion, "version %d is older than %d", change.Version, current)
		}
		return ledger.Store(s, rulesKey, Rules(change))
	})
}
