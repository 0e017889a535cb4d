package contract

import (
	"encoding/json"
	"strings"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/membership"
	"fedledger/chaincode/round"
)

const maxWords = 1_024

// spoken says in which phase participants speak by which function. Words of these alone are carried.
var spoken = map[string]round.Phase{
	"PublishKeys":  round.PhaseKeys,
	"CommitShares": round.PhaseShares,
	"CommitUpdate": round.PhaseUpdates,
	"RevealShares": round.PhaseUnmask,
	"Attest":       round.PhaseAttest,
}

// CarryRequest is the argument of CarryWords.
type CarryRequest struct {
	round.Ref
	// Function is what every word calls.
	Function string `json:"function"`
	// Words are the proposals that participants would else have sent themselves, as they signed them.
	Words []round.SignedProposal `json:"words"`
	// From is the phase that is to end with these words, where they are the last; none where absent.
	From round.Phase `json:"from,omitempty"`
}

// CarryResponse tells how many words were said, and in which phase; where From moved the round, the phase that it led to.
type CarryResponse struct {
	round.Ref
	Phase round.Phase `json:"phase"`
	Words int         `json:"words"`
	Moved bool        `json:"moved"`
}

// WordsCarried tells how many words were said in a phase, so that who waits for all can count.
type WordsCarried struct {
	round.Response
	Words int `json:"words"`
}

// carrier runs the words of a version's table: each by the entry that it would have met alone.
type carrier map[string]entry

// carry lets one member bring what many participants say: one transaction in the place of many. It says nothing itself, and can
// change nothing: every word is signed, and names the one attempt that it is for. It can leave a word out: then the speaker sends
// it alone.
//
// Scenario: a, b and c have signed their shares. d carries them, while c, tired of waiting, sends its own. Both are endorsed, for
// none of them is on the ledger yet, and write the same record: whichever is second in the block conflicts. Were it d's, then d
// tries again, is told that word 2 is on the ledger already (FL0410), and leaves that one out.
func (c carrier) carry(s ledger.State, env ledger.Env, req CarryRequest) (CarryResponse, ledger.Event, error) {
	none, carrying := ledger.Event{}, env.Caller
	if err := governance.CheckMember(s, env); err != nil { // as of an Advance, which it may be too
		return CarryResponse{}, none, err
	}
	if err := checkWords(req); err != nil {
		return CarryResponse{}, none, err
	}
	words, err := opened(s, env, req)
	if err != nil {
		return CarryResponse{}, none, err
	}
	for i, word := range words {
		env.Caller = speaker(word)
		if _, _, err := c[req.Function].handle(s, env, word.Argument); err != nil {
			return CarryResponse{}, none, ofWord(i, err)
		}
	}
	env.Caller = carrying
	phase := spoken[req.Function]
	response := CarryResponse{req.Ref, phase, len(req.Words), false}
	event := ledger.Event{Name: "WordsCarried", Payload: WordsCarried{round.Response{Ref: req.Ref, Phase: phase}, len(req.Words)}}
	if req.From == "" { // an Advance reads who has spoken: whoever speaks alone meanwhile would conflict
		return response, event, nil
	}
	advance, moved, err := round.Advance(s, env, round.AdvanceRequest{Ref: req.Ref, From: req.From})
	if err == nil && advance.Moved {
		response.Phase, response.Moved, event = advance.Phase, true, moved
	}
	return response, event, err
}

func checkWords(req CarryRequest) error {
	if _, known := spoken[req.Function]; !known {
		return errcode.New(errcode.BadArgument, "words of %.40q are not carried: function must be one of %s", req.Function, strings.Join(sorted(spoken), ", "))
	}
	if len(req.Words) == 0 {
		return errcode.New(errcode.BadArgument, "no words: bring at least one")
	}
	if len(req.Words) > maxWords {
		return errcode.New(errcode.LimitExceeded, "%d words, at most %d: bring them in several transactions", len(req.Words), maxWords)
	}
	return nil
}

// opened opens all words, and reads ahead what their rules will read: some hundred questions to the peer else, for a cohort of
// twenty.
func opened(s ledger.State, env ledger.Env, req CarryRequest) ([]round.Signed, error) {
	words, callers := []round.Signed{}, []ledger.Caller{}
	for i, proposal := range req.Words {
		word, err := openSigned(env)(proposal)
		if err == nil {
			err = checkWord(req, word)
		}
		if err != nil {
			return nil, ofWord(i, err)
		}
		words, callers = append(words, word), append(callers, speaker(word))
	}
	speakers, err := membership.Ahead(s, callers)
	if err != nil {
		return nil, err
	}
	return words, round.Ahead(s, req.Ref, words, speakers)
}

func checkWord(req CarryRequest, word round.Signed) error {
	if word.Function != req.Function {
		return errcode.New(errcode.BadArgument, "it calls %.40q, not %s: bring it with others of its own", word.Function, req.Function)
	}
	var about round.Ref // read leniently: where the entry decodes it otherwise, it refuses it
	if json.Unmarshal(word.Argument, &about) != nil || about != req.Ref {
		return errcode.New(errcode.BadArgument, "it is not about round %d, attempt %d of %s: leave it out", req.Round, req.Attempt, req.Training)
	}
	return nil
}

// speaker is who signed a word: a client whatever its certificate says, for anybody can make a certificate of a key. What counts
// is that the ledger binds the key to a participant.
func speaker(word round.Signed) ledger.Caller {
	return ledger.Caller{MSPID: word.MSPID, Role: ledger.Client, KeyHash: word.KeyHash}
}

// ofWord tells the carrier which word was refused, so that it can leave that one out, with the code that its speaker would have had.
func ofWord(number int, err error) error {
	code := errcode.Of(err)
	return errcode.New(code, "word %d: %s", number, strings.TrimPrefix(err.Error(), string(code)+": "))
}
