package round

import (
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

// laid is where a member's keys lie for the next attempt of a training that it is drawn for.
//
// Invariant: what lies there was never an attempt's. OpenRound takes it away as it gives it to the attempt, so that no key serves
// two; and a member that reveals has been drawn, so that nothing of its own lies there when it lays the next.
func laid(training, id string) string { return ledger.Key("laid", training, id) }

// layAhead records the keys that a member brings for the next attempt with its reveal. They are claimed as all keys are: weak
// ones, and any published before, are refused (T5, T6).
//
// Whoever steals a certificate's key can lay keys until it is rotated, and they are then the member's in one more attempt: the
// thief reads the shares dealt to that member, one of each dealer, and can say nothing in its name; the member drops out of it,
// since its journal does not know them. OpenRound does not ask for the certificate: it would read what an administrator may
// write at will.
func layAhead(s ledger.State, round Round, id string, next *KeyPair) error {
	if next == nil {
		return nil
	}
	if !differ(round.Rules).flows {
		return errcode.New(errcode.BadArgument, "the round follows version %d of the rules, which knows no keys for the next attempt", round.Rules)
	}
	if err := claimKeys(s, round.Ref, id, *next); err != nil {
		return err
	}
	return ledger.Store(s, laid(round.Training, id), *next)
}

// takeAhead gives a new attempt the keys that its members have laid. Who has laid none, a newcomer or one that was missing,
// publishes them in the phase Keys; where nobody is missing that phase is over at once.
func takeAhead(s ledger.State, env ledger.Env, round Round) error {
	places := []string{}
	for _, id := range round.Names() {
		places = append(places, laid(round.Training, id))
	}
	if err := s.Ahead(places...); err != nil {
		return err
	}
	for i, id := range round.Names() {
		keys, found, err := ledger.Load[KeyPair](s, places[i])
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		if err := ledger.Store(s, round.key("keys", id), Keys{keys, Word{env.TimeMS}}); err != nil {
			return err
		}
		if err := s.Del(places[i]); err != nil {
			return err
		}
	}
	return nil
}
