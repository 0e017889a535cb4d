package round

import (
	"encoding/json"

	"fedledger/chaincode/ledger"
)

// kindSaid is the kind of record that each function leaves of a member.
var kindSaid = map[string]string{"PublishKeys": "keys", "CommitShares": "shares", "CommitUpdate": "update", "RevealShares": "reveal"}

// Ahead names what the rules will read of each word alone, its speaker's records, so that they come in one message for all. What
// a word says is read leniently here: a rule decodes it again, and refuses it.
func Ahead(s ledger.State, ref Ref, words []Signed, speakers []string) error {
	keys := []string{}
	for i, word := range words {
		var said struct {
			KeyPair
			Number uint64   `json:"number"`
			Next   *KeyPair `json:"next"`
		}
		if speakers[i] == "" || json.Unmarshal(word.Argument, &said) != nil {
			continue
		}
		if word.Function == "Attest" {
			keys = append(keys, ref.key("attest", ledger.Number(said.Number), word.MSPID), ref.key("no-state", word.MSPID))
			continue
		}
		keys = append(keys, ref.key(kindSaid[word.Function], speakers[i]), ref.key("dropout", speakers[i]))
		if said.Next != nil {
			said.KeyPair = *said.Next
		}
		if ledger.Digests("seal_key", said.SealKey, "mask_key", said.MaskKey) == nil { // nothing else may become a key of the state
			keys = append(keys, publicKey(said.SealKey), publicKey(said.MaskKey))
		}
	}
	return s.Ahead(keys...)
}
