package contract_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/contract"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// generated holds one part of a page, between its markers, against what the code says; -rewrite puts it there.
func generated(t *testing.T, page, part, want string) {
	t.Helper()
	path := "../../docs/" + page
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- generated: "+part+" -->\n", "<!-- end -->"
	before, rest, found := strings.Cut(string(raw), begin)
	have, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no part %q", page, part)
	}
	if *rewrite {
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if have != want {
		t.Fatalf("%s: part %q is not what the code says; run this test with -rewrite", page, part)
	}
}

func TestTheDiagramIsDrawnFromTheTransitionTable(t *testing.T) {
	generated(t, "life-of-a-round.md", "diagram", "```mermaid\n"+round.Diagram()+"```\n")
}

func TestEveryVoidReasonIsInTheCatalogue(t *testing.T) {
	catalogue, rows := errcode.Catalogue(), []string{"| Code | Meaning |\n|---|---|\n"}
	codes := []errcode.Code{errcode.VoidByVote}
	for _, transition := range round.Transitions() {
		if transition.To == round.Void {
			codes = append(codes, transition.Code)
		}
	}
	slices.Sort(codes)
	for _, code := range codes {
		rows = append(rows, fmt.Sprintf("| %s | %s |\n", code, catalogue[code].Text))
	}
	generated(t, "life-of-a-round.md", "void reasons", strings.Join(rows, ""))
}

// meanings says what each kind of key holds, in the order of the page.
var meanings = []struct{ kind, who, holds string }{
	{"federation", "Found", "channel, founders and regulators"},
	{"organisation", "Found, votes", "a member's standing"},
	{"parameters", "Found, votes", "the parameters in force"},
	{"rules", "Found, votes", "the version of the rules for what is opened next"},
	{"beacon", "Found, RevealBeacon, votes, OpenRound", "the newest beacon that members make by commit and reveal"},
	{"beacon-part", "CommitBeacon, RevealBeacon", "a member's part of it"},
	{"proposal", "Propose, Vote", "a proposal; its id is the transaction's"},
	{"open-proposal", "Propose, Vote", "an undecided proposal's claim on what its organisation may have open"},
	{"vote", "Propose, Vote", "an organisation's vote"},
	{"participant", "Apply, votes", "a participant with its vetted profile and standing"},
	{"binding", "Apply, RotateKey", "the certificate key that a participant speaks with now"},
	{"key", "Apply, RotateKey", "whose a certificate key of an organisation is or was"},
	{"plan", "votes", "a registered plan with its layout"},
	{"training", "OpenRound, votes", "a training: its head, its present round and epoch"},
	{"snapshot", "votes, OpenRound", "the candidates of an epoch, fixed before its seed was known"},
	{"draw", "OpenRound", "an epoch's draw with all its inputs"},
	{"partition", "OpenRound", "to which group of its epoch each participant belongs, in robust_groups"},
	{"laid", "RevealShares, OpenRound", "a member's keys for the training's next attempt, until that is opened (version 2)"},
	{"lift", "votes, OpenRound", "the next attempt is excused from the rule on differences"},
	{"round", "OpenRound", "what an attempt fixes for good"},
	{"phase", "OpenRound, Advance, ProposeAggregate, ReportFault, votes", "where the attempt stands and what its phases froze"},
	{"keys", "PublishKeys", "a member's public keys"},
	{"public-key", "PublishKeys", "where a public key was used: never again"},
	{"shares", "CommitShares", "a dealer's commitments and the digest of its sealed bundle"},
	{"complaint", "ReportFault, AnswerComplaint", "a member cannot open what a dealer sealed for it; its two shares, once the dealer has answered"},
	{"update", "CommitUpdate", "the digest of a masked update"},
	{"dropout", "DropOut", "a member takes no further part in the attempt, since which phase and why (version 2)"},
	{"frozen", "Advance", "a survivor set, by epoch"},
	{"base", "Advance", "the same, by base state"},
	{"privacy", "Advance", "what a training's rounds have told of a participant, where its plan promises privacy, in units of 10^-15"},
	{"contribution", "Advance", "what the groups of an epoch contributed until a round, where the members voted terms for it"},
	{"reveal", "RevealShares", "the shares that a member revealed"},
	{"revealed", "RevealShares", "that a member has revealed its shares, and when"},
	{"proposed", "ProposeAggregate", "a proposed result"},
	{"attest", "Attest", "an organisation's verdict on it"},
	{"no-state", "AttestNoState", "an organisation finds no state after the sum"},
	{"blame", "Advance, ReportFault", "who sits out the rest of an epoch, and whether it is proven"},
	{"flag", "Advance, ReportFault", "an anomaly with its evidence"},
	{"outcome", "Advance, ReportFault, votes", "what an attempt showed of a participant, until Settle folds it"},
	{"engagement", "OpenRound, Advance, ReportFault, votes, Settle", "what an attempt may take of a participant's stake, until Settle has folded its round"},
	{"step", "Advance, votes", "the attempt that made the state of a depth: the lineage of a training's head, and deeper what was left"},
	{"reward", "Advance", "what a Final grants a participant"},
	{"escrow", "OpenRound, Settle", "a round's budget, until Settle pays it out"},
	{"settled", "Settle", "what was folded"},
	{"score", "Settle", "a participant's reputation and availability"},
	{"supply", "Found", "what has been minted"},
	{"balance", "Transfer, Stake, Unstake, Apply, OpenRound, Settle, votes", "an account: an MSP id or treasury"},
	{"moved", "Transfer, Stake, Unstake", "when an organisation last moved tokens"},
	{"stake", "Apply, Stake, Unstake, Settle", "what is staked for a participant"},
	{"release", "votes", "a released model with the statement that members sign, and the one that withdraws it"},
	{"release-signature", "SignRelease", "an organisation's signature under one of them"},
	{"consortium", "votes", "another consortium, whose organisations' signatures the members trust"},
	{"foreign-withdrawal", "BringWithdrawal", "a passport of another consortium that it took back"},
}

// everything is a history in which every kind of key is written once.
func everything() []contracttest.Entry {
	f := contracttest.New(5, `{}`)
	f.Ready(1, 5)
	bad := f.Open("tumour", options{})
	bad.Spoil(4, 0, "seed")
	bad.To(round.PhaseUpdates)
	f.Must(bad.Node(0), "ReportFault", bad.With(object{"kind": "bad_seal", "accused": contracttest.ID(4), "evidence": object{}}), nil)
	f.Must(bad.Node(4), "AnswerComplaint", bad.Answer(4, 0), nil)
	bad.To(round.PhaseUnmask)
	bad.Say("RevealShares", bad.Reveal, 0, 1, 2, 3, 4)
	bad.Advance(round.Void)
	groups := contracttest.New(9, `{}`)
	groups.Ready(1, 9)
	if err := errors.Join(groups.Agree("set_rules_version", object{"version": 2}), groups.Agree("set_parameters", robust(3, 1))); err != nil {
		panic(err)
	}
	groups.Open("tumour", options{})
	paid := inGroupsPaid(9, 500, 9)
	paid.Open("tumour", options{}).Finish()
	private := contracttest.New(4, `{}`)
	private.Ready(1, 4)
	if err := errors.Join(private.Agree("set_rules_version", object{"version": 2}), private.Agree("register_plan", registering(promise)),
		private.Agree("start_training", starting)); err != nil {
		panic(err)
	}
	private.Open("private", options{}).Finish()
	ahead := contracttest.New(4, `{}`)
	ahead.Ready(2, 4)
	if err := ahead.Agree("set_rules_version", object{"version": 2}); err != nil {
		panic(err)
	}
	revealed(ahead, 0, 1, 2, 3)
	return slices.Concat(history().Log, f.Log, groups.Log, paid.Log, private.Log, ahead.Log)
}

func TestTheLayoutPageShowsEveryKeyWithAnExample(t *testing.T) {
	examples := map[string]ledger.Entry{}
	for _, entry := range everything() {
		for _, write := range entry.Writes {
			kind, _ := ledger.Parts(write.Key)
			if _, seen := examples[kind]; !seen && write.Value != nil {
				examples[kind] = write
			}
		}
	}
	out, named := strings.Builder{}, []string{}
	for _, key := range meanings {
		example, found := examples[key.kind]
		if !found {
			t.Fatalf("no transaction of the history writes %q", key.kind)
		}
		named = append(named, key.kind)
		_, _ = fmt.Fprintf(&out, "**%s** – %s. Written by %s.\n\n    %s\n    %s\n\n", key.kind, key.holds, key.who, keyText(example.Key), brief(string(example.Value)))
	}
	for kind := range examples {
		if !slices.Contains(named, kind) {
			t.Errorf("the page does not name the key %q", kind)
		}
	}
	generated(t, "ledger-layout.md", "keys", out.String())
}

func TestTheLayoutPageShowsEveryEventWithAnExample(t *testing.T) {
	examples := map[string]string{}
	for _, entry := range everything() {
		payload, err := codec.Canonical(entry.Event.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if _, seen := examples[entry.Event.Name]; !seen {
			examples[entry.Event.Name] = fmt.Sprintf("| %s | %s | `%s` |\n", entry.Event.Name, entry.Function, brief(string(payload)))
		}
	}
	out := "| Event | First sent by | Payload, for example |\n|---|---|---|\n"
	for _, name := range slices.Sorted(maps.Keys(examples)) {
		out += examples[name]
	}
	source, err := os.ReadFile("../round/commit.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`happened\("(\w+)"`).FindAllSubmatch(source, -1) {
		if _, shown := examples[string(found[1])]; !shown {
			t.Errorf("no transaction of the history sends %s", found[1])
		}
	}
	generated(t, "ledger-layout.md", "events", out)
}

// brief cuts digests and long lists, so that an example stays an example.
func brief(text string) string {
	text = short(text)
	if runes := []rune(text); len(runes) > 700 {
		return string(runes[:700]) + " …"
	}
	return text
}

func TestTheErrorPageShowsEveryCode(t *testing.T) {
	catalogue := errcode.Catalogue()
	out := "| Code | Name | Meaning | What to do | Retry |\n|---|---|---|---|---|\n"
	for _, code := range slices.Sorted(maps.Keys(catalogue)) {
		entry := catalogue[code]
		retry := ""
		if entry.Retry {
			retry = "yes"
		}
		out += fmt.Sprintf("| %s | %s | %s | %s | %s |\n", code, entry.Name, entry.Text, entry.Hint, retry)
	}
	generated(t, "contract-errors.md", "codes", out)
}

// purposes says what each parameter is for.
var purposes = map[string]string{
	"cohort_min": "the smallest cohort that is drawn", "max_cohort": "the largest",
	"survivor_min":                  "the fewest survivors that are summed; also without any one organisation that has several",
	"survivor_difference_min":       "the smallest difference of two survivor sets on one base state, and what is flagged within an epoch",
	"share_limit_ppm":               "the largest share of the declared examples that one survivor may hold",
	"strict_differencing":           "1: a survivor set too like an earlier one of the epoch voids before any reveal",
	"participants_per_organisation": "how many participants an organisation may have",
	"epoch_rounds":                  "rounds that keep one draw; a training keeps the number that it was started with",
	"minimum_rows":                  "the fewest rows of an applicant",
	"count_bucket":                  "the granularity of declared example counts",
	"max_update_bytes":              "the largest update of a plan",
	"verification_ms":               "the longest estimated time that endorsers may need to verify a sum, with the most dropouts",
	"time_window_ms":                "the peers' time window; no phase is shorter than three of it. 0: a demonstration, whose phases a skewed clock can cut",
	"keys_ms":                       "how long the phase Keys waits for the missing", "shares_ms": "the same of Shares", "updates_ms": "of Updates",
	"unmask_ms": "of Unmask", "attest_ms": "how long a proposed result waits for attestations",
	"aggregator_lease_ms": "after how long the next survivor may propose too",
	"proposal_ms":         "the longest life of a proposal",
	"beacon_ms":           "how long members without their part of a beacon are waited for, once a majority has given it", "vote_threshold_ppm": "more than this share of the active organisations decides",
	"founding_grant": "tokens of each founder", "treasury_grant": "tokens of the treasury", "round_budget": "what a round pays",
	"minimum_stake": "the least stake of an applicant and of who is drawn, beyond what it may owe; slashes are a part of it", "stake_lock_ms": "how long the stake of a removed participant stays",
	"transfer_ms": "how long an organisation waits between two moves of tokens", "slash_dropout_ppm": "of the minimum stake, for a dropout",
	"slash_fault_ppm": "of the minimum stake, for a proven fault", "reputation_decay_ppm": "what the newest outcome weighs in a reputation",
}

func TestTheContractPageShowsEveryParameter(t *testing.T) {
	bounds := governance.Defaults().Bounds()
	equal(t, reflect.TypeFor[governance.Parameters]().NumField(), len(bounds)+4) // all but the mode and its settings
	out := "| Parameter | Default | Range | What for |\n|---|---|---|---|\n"
	for _, bound := range bounds {
		if purposes[bound.Name] == "" {
			t.Errorf("the page does not say what %s is for", bound.Name)
		}
		out += fmt.Sprintf("| %s | %d | %d to %d | %s |\n", bound.Name, bound.Value, bound.Low, bound.High, purposes[bound.Name])
	}
	generated(t, "contract.md", "parameters", out+"| mode | "+governance.ModeSecureSum+" | secure_sum, robust_groups, plain | how updates become one; all but the first from version 2 of the rules on |\n"+
		"| robust_groups.size | 4 | 3 to 33 | participants of a group; 3 leaves no room for a dropout |\n"+
		"| robust_groups.faulty | 1 | 1 to 16 | f, participants that may send anything; more than 2·f groups must be opened |\n"+
		"| robust_groups.rule | trimmed_mean | trimmed_mean, median | what is made of the groups' means in each slot |\n"+
		"| contribution.floor | none | 1 to 1000 | in robust_groups, where voted: what is left of the quality that pays the members of the group that contributed least, in thousandths |\n"+
		"| contribution.sums | none | 1 to 1000 | how many distinct sums with an organisation in them an epoch may reveal |\n"+
		"| plain.faulty | 1 | 1 to 49 | f, participants that may send anything; most of the updates, or of the buckets, must be without one |\n"+
		"| plain.rule | median | "+strings.Join(governance.PlainRules(), ", ")+" | what is made of the updates, which members see |\n"+
		"| plain.bucket | 1 | 1 to 8 | of how many updates, drawn by lot, means are made first |\n")
}

func TestTheContractPageNamesEveryFunctionAndKind(t *testing.T) {
	raw, err := os.ReadFile("../../docs/contract.md")
	if err != nil {
		t.Fatal(err)
	}
	transactions, queries := contracttest.New(4, `{}`).Contract.Functions()
	for _, name := range slices.Concat(transactions, queries, contract.Kinds()) {
		if !regexp.MustCompile(`\n\| ([A-Za-z_]+, )*` + name + `[ ,]`).Match(raw) {
			t.Errorf("the page does not name %s", name)
		}
	}
}

// TestTheLimitsThatNodesKeepAreTheContracts writes the constants that Python repeats to where its tests read them.
func TestTheLimitsThatNodesKeepAreTheContracts(t *testing.T) {
	const path = "../../tests/vectors/limits.json"
	want := fmt.Sprintf("{\n \"origin\": \"go test ./contract -rewrite; checked by tests/unit/rules/test_limits.py\",\n \"max_deviation_e9\": %d\n}\n", round.MaxDeviationE9)
	if *rewrite {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || string(have) != want {
		t.Fatalf("%s is not what the code says; run this test with -rewrite (%v)", path, err)
	}
}
