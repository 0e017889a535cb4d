package contract_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

var rewrite = flag.Bool("rewrite", false, "write the scripts' output and the generated docs as they come out")

// TestScripts runs testdata/*.txt: a command, "----", and what came of it: responses or codes, events, and what the state
// holds then of the round. Only commit changes of the output that you understand. Commands:
//
//	federation MEMBERS PARAMETERS    ready ROUNDS COHORT         open TRAINING [dropouts=3,4] [spoil=DEALER,RECEIVER]
//	keys|shares|updates|reveals PLACES     expire       advance        propose [lie]     attest yes|no MEMBERS
//	vote KIND BODY     send CALLER FUNCTION ARGUMENT    query FUNCTION ARGUMENT
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, path := range scripts {
		t.Run(filepath.Base(path), func(t *testing.T) {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := run(t, string(raw))
			if *rewrite {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(raw) {
				t.Fatalf("%s comes out otherwise; look at the difference after -rewrite:\n%s", path, got)
			}
		})
	}
}

type script struct {
	t    *testing.T
	f    *contracttest.Federation
	p    *contracttest.Played
	seen int
	out  strings.Builder
}

func run(t *testing.T, text string) string {
	s := &script{t: t}
	blocks := strings.Split(text, "\n\n")
	for i, block := range blocks {
		command, _, _ := strings.Cut(block, "\n----")
		command = strings.TrimRight(command, "\n")
		if strings.HasPrefix(command, "#") {
			s.out.WriteString(command)
		} else {
			s.out.WriteString(command + "\n----")
			s.command(command)
		}
		if i < len(blocks)-1 {
			s.out.WriteString("\n\n")
		}
	}
	return strings.TrimRight(s.out.String(), "\n") + "\n"
}

func (s *script) say(format string, args ...any) { _, _ = fmt.Fprintf(&s.out, "\n"+format, args...) }

func (s *script) command(command string) {
	words := append(strings.SplitN(command, " ", 3), "", "")
	switch word, first, second := words[0], words[1], words[2]; word {
	case "federation":
		s.f = contracttest.New(s.number(first), second)
	case "ready":
		s.f.Ready(s.number(first), s.number(second))
		s.say("%d transactions", len(s.f.Log))
		s.seen = len(s.f.Log)
	case "open":
		s.open(first, second)
	case "keys", "shares", "updates", "reveals":
		s.speak(word, s.numbers(first))
	case "expire":
		s.p.Expire()
	case "advance":
		s.send(contracttest.Node(0), "Advance", s.p.Ref)
	case "propose":
		s.propose(first == "lie")
	case "attest":
		s.attest(first == "yes", s.numbers(second))
	case "vote":
		if err := s.f.Agree(first, []byte(second)); err != nil {
			s.say("%s", errcode.Of(err))
		}
	case "send":
		function, argument, _ := strings.Cut(second, " ")
		s.send(s.caller(first), function, []byte(argument))
	case "query":
		entry, err := s.f.Do(ledger.Caller{}, first, []byte(second))
		if err == nil {
			entry.Response, err = codec.Canonical(json.RawMessage(entry.Response))
		}
		s.result(entry, err)
	default:
		s.t.Fatalf("unknown command %q", command)
	}
	s.events()
}

func (s *script) speak(word string, places []int) {
	function := map[string]string{"keys": "PublishKeys", "shares": "CommitShares", "updates": "CommitUpdate", "reveals": "RevealShares"}
	argument := map[string]func(int) contracttest.Map{
		"keys": s.p.Keys, "shares": s.p.Shares, "updates": s.p.Update, "reveals": s.p.Reveal,
	}
	for _, place := range places {
		s.send(s.p.Node(place), function[word], argument[word](place))
	}
}

func (s *script) open(training, extra string) {
	o, spoil := options{}, []int{}
	for _, option := range strings.Fields(extra) {
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "dropouts":
			o.Dropouts = s.numbers(value)
		case "spoil":
			spoil = s.numbers(value)
		}
	}
	defer func() {
		if refusal := recover(); refusal != nil {
			s.say("%v", refusal)
		}
	}()
	s.p = s.f.Open(training, o)
	if len(spoil) == 2 {
		s.p.Spoil(spoil[0], spoil[1], "seed")
	}
	s.say("cohort %v", s.p.View().Cohort)
}

func (s *script) propose(lie bool) {
	argument := s.p.Proposal()
	if lie {
		argument["state"] = contracttest.Digest("lie")
	}
	s.p.Proposals++
	s.send(s.p.Aggregator(), "ProposeAggregate", argument)
}

func (s *script) attest(agree bool, members []int) {
	for _, member := range members {
		s.send(contracttest.Admin(member), "Attest", s.p.With(object{
			"number": s.p.Proposals, "state": s.p.State(), "agree": agree, "deviation_e9": 0,
		}))
	}
}

func (s *script) caller(name string) ledger.Caller {
	kind, number, _ := strings.Cut(name, ":")
	if kind == "admin" {
		return contracttest.Admin(s.number(number))
	}
	return contracttest.Node(s.number(number))
}

func (s *script) send(caller ledger.Caller, function string, argument any) {
	entry, err := s.f.Do(caller, function, argument)
	if err != nil {
		s.result(entry, err)
	}
}

func (s *script) result(entry contracttest.Entry, err error) {
	if err != nil {
		s.say("%s %s refused: %s", entry.Env.Caller.MSPID, entry.Function, errcode.Of(err))
		return
	}
	s.say("%s", short(string(entry.Response)))
}

// events tells what the command committed: by whom, the response, the event, and each key with its value.
func (s *script) events() {
	if s.f == nil {
		return
	}
	for _, entry := range s.f.Log[s.seen:] {
		payload, err := codec.Canonical(entry.Event.Payload)
		if err != nil {
			s.t.Fatal(err)
		}
		s.say("%s %s -> %s", entry.Env.Caller.MSPID, entry.Function, short(string(entry.Response)))
		s.say("  event %s %s", entry.Event.Name, short(string(payload)))
		for _, write := range entry.Writes {
			s.say("  %s = %s", keyText(write.Key), short(string(write.Value)))
		}
	}
	s.seen = len(s.f.Log)
}

func keyText(key string) string {
	kind, parts := ledger.Parts(key)
	return short(strings.Join(append([]string{kind}, parts...), "/"))
}

// short cuts digests to their beginning, so that a script can be read.
func short(text string) string {
	out, run := strings.Builder{}, 0
	for _, c := range text {
		hex := strings.ContainsRune("0123456789abcdef", c)
		if !hex {
			run = 0
		} else if run++; run > 12 {
			if run == 13 {
				out.WriteRune('…')
			}
			continue
		}
		out.WriteRune(c)
	}
	return out.String()
}

func (s *script) number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		s.t.Fatalf("%q is no number", text)
	}
	return n
}

func (s *script) numbers(text string) []int {
	list := []int{}
	for _, part := range strings.Split(text, ",") {
		list = append(list, s.number(part))
	}
	return list
}
