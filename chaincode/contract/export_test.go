package contract

import (
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// WithNextVersion returns a build that also holds a version of the rules after the newest, in which PublishKeys has another event.
func WithNextVersion(c Contract) Contract {
	c.later = append(c.later, func(c Contract) map[string]entry {
		table := c.table(round.Newest)
		first := table["PublishKeys"]
		table["PublishKeys"] = entry{false, func(s ledger.State, env ledger.Env, argument []byte) (any, ledger.Event, error) {
			response, event, err := first.handle(s, env, argument)
			event.Name = "KeysPublishedAnew"
			return response, event, err
		}}
		return table
	})
	return c
}
