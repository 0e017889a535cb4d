package governance

import (
	"encoding/json"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

// Rules is the version of the rules in force. A round keeps the version that it was opened under.
type Rules struct {
	Version uint64 `json:"version"`
}

// LatestRules is the newest version that this build holds. It holds all since 1, so that old history replays for ever.
const LatestRules = 1

var rulesKey = ledger.Key("rules")

// RulesVersion reads the version in force, 1 before founding, and refuses one that this build lacks.
func RulesVersion(s ledger.State) (uint64, error) {
	rules, found, err := ledger.Load[Rules](s, rulesKey)
	if err != nil || !found {
		return 1, err
	}
	return rules.Version, CheckRules(rules.Version)
}

// CheckRules refuses a version that this build does not hold.
func CheckRules(version uint64) error {
	if version < 1 || version > LatestRules {
		return errcode.New(errcode.RulesVersion, "rules version %d; this build holds 1 to %d: install a newer one", version, LatestRules)
	}
	return nil
}

type rulesBody struct {
	Version uint64 `json:"version"`
}

// SetRulesVersion executes set_rules_version{version}: for what is opened from now on. There is no way back.
func SetRulesVersion(s ledger.State, _ ledger.Env, body json.RawMessage) error {
	var change rulesBody
	if err := decodeBody(body, &change); err != nil {
		return err
	}
	current, err := RulesVersion(s)
	if err != nil {
		return err
	}
	if err := CheckRules(change.Version); err != nil {
		return err
	}
	if change.Version < current {
		return errcode.New(errcode.RulesVersion, "version %d is older than %d", change.Version, current)
	}
	return ledger.Store(s, rulesKey, Rules(change))
}
