package round

import (
	"fmt"
	"regexp"
	"slices"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/membership"
)

const maxMetrics = 64

// MaxDeviationE9 is how far, relatively and in units of 10^-9, the floats of an agreed state may lie apart. No plan can ask
// for more (fl_node/plan/manifest.py): its nodes would agree and the ledger would refuse their attestations.
const MaxDeviationE9 = 1_000

var (
	decimal    = regexp.MustCompile(`^-?[0-9]{1,32}(\.[0-9]{1,32})?(e[+-]?[0-9]{1,3})?$`)
	metricName = regexp.MustCompile(`^[A-Za-z0-9_./:-]{1,100}$`)
)

// AggregateRequest is the argument of ProposeAggregate.
type AggregateRequest struct {
	Ref
	Aggregate string            `json:"aggregate"`
	State     string            `json:"state"`
	Metrics   map[string]string `json:"metrics"`
	Examples  uint64            `json:"examples"`
	Sums      []string          `json:"sums,omitempty"`
	Outlying  []int             `json:"outlying,omitempty"`
}

// ProposalResponse names a proposal of an aggregate.
type ProposalResponse struct {
	Ref
	Phase  Phase  `json:"phase"`
	Number uint64 `json:"number"`
}

// ProposeAggregate records the elected aggregator's result. Endorsing it is recomputing it (T16); cheap checks come first.
func ProposeAggregate(s ledger.State, env ledger.Env, verifier Verifier, req AggregateRequest) (ProposalResponse, ledger.Event, error) {
	none := ledger.Event{}
	round, status, err := inPhase(s, req.Ref, PhaseAttest)
	if err != nil {
		return ProposalResponse{}, none, err
	}
	id, err := caller(s, env, status.Survivors, "the survivors")
	if err != nil {
		return ProposalResponse{}, none, err
	}
	if err := checkTurn(s, env, round, status, id); err != nil {
		return ProposalResponse{}, none, err
	}
	if err := checkResult(req); err != nil {
		return ProposalResponse{}, none, err
	}
	if err := checkSums(round, status, req); err != nil {
		return ProposalResponse{}, none, err
	}
	in, err := inputs(s, round, status, req)
	if err != nil {
		return ProposalResponse{}, none, err
	}
	if in.Layout.Count == nil && req.Examples != 0 {
		return ProposalResponse{}, none, errcode.New(errcode.WrongCount, "the layout counts no examples: propose 0")
	}
	if err := verifier.VerifyAggregate(in, req.Examples); err != nil {
		return ProposalResponse{}, none, err
	}
	status.Number, status.Open, status.DeadlineMS = status.Number+1, true, env.TimeMS+round.Parameters.AttestMS
	proposed := Proposed{status.Number, id, req.Aggregate, req.State, req.Metrics, req.Examples, req.Sums, req.Outlying}
	if err := ledger.Store(s, req.key("proposed", ledger.Number(status.Number)), proposed); err != nil {
		return ProposalResponse{}, none, err
	}
	if err := attestOwn(s, env, round, proposed); err != nil {
		return ProposalResponse{}, none, err
	}
	response := ProposalResponse{req.Ref, PhaseAttest, status.Number}
	return response, ledger.Event{Name: "AggregateProposed", Payload: response}, putStatus(s, req.Ref, status)
}

// attestOwn counts a proposal as its own organisation's word for it, from version 2 of the rules on; not where that has said that no
// state follows.
func attestOwn(s ledger.State, env ledger.Env, round Round, proposed Proposed) error {
	if !differ(round.Rules).flows {
		return nil
	}
	if _, said, err := ledger.Load[NoState](s, round.key("no-state", env.Caller.MSPID)); err != nil || said {
		return err
	}
	key := round.key("attest", ledger.Number(proposed.Number), env.Caller.MSPID)
	return ledger.Store(s, key, Attestation{State: proposed.State, Agree: true})
}

func checkResult(req AggregateRequest) error {
	if err := ledger.Digests("aggregate", req.Aggregate, "state", req.State); err != nil {
		return err
	}
	if req.Metrics == nil { // nodes read an object: a null in its place would keep all of them from the round
		return errcode.New(errcode.BadMetrics, "metrics is an object, {} where there are none")
	}
	if len(req.Metrics) > maxMetrics {
		return errcode.New(errcode.LimitExceeded, "%d metrics, at most %d", len(req.Metrics), maxMetrics)
	}
	for _, name := range sortedNames(req.Metrics) {
		if !metricName.MatchString(name) || !decimal.MatchString(req.Metrics[name]) {
			return errcode.New(errcode.BadMetrics, "metric %.40q: a name of letters, digits and _./:- and a decimal value", name)
		}
	}
	return nil
}

// checkSums refuses other than one digest for each opened group, groups left out that are none, and both where the cohort has one
// sum.
func checkSums(round Round, status Status, req AggregateRequest) error {
	open := 0
	if len(round.Groups) > 0 {
		open = round.opening(status.Survivors).open
	}
	if len(req.Sums) != open || req.Sums != nil && open == 0 {
		return errcode.New(errcode.BadArgument, "sums has %d digests, must be one for each of %d opened groups", len(req.Sums), open)
	}
	if req.Outlying != nil && (len(req.Outlying) == 0 || len(req.Outlying) >= open) {
		return errcode.New(errcode.BadArgument, "outlying names %d groups, must be some of %d opened ones, or not be there", len(req.Outlying), open)
	}
	for _, sum := range req.Sums {
		if err := ledger.CheckDigest("sums", sum); err != nil {
			return err
		}
	}
	return nil
}

// checkTurn refuses a member before its turn, so that heavy checks cannot be asked for by all at once (T24).
func checkTurn(s ledger.State, env ledger.Env, round Round, status Status, id string) error {
	if status.Open {
		return errcode.New(errcode.ProposalOpen, "proposal %d awaits attestations", status.Number)
	}
	list, err := turns(s, round, status)
	if err != nil {
		return err
	}
	for _, turn := range list {
		if turn.Participant == id && env.TimeMS >= turn.FromMS {
			return nil
		}
	}
	return errcode.New(errcode.NotYourTurn, "GetRound says in turns who may propose, and from when on")
}

// ProposerTurn says from when a survivor may propose.
type ProposerTurn struct {
	Participant string `json:"participant"`
	FromMS      int64  `json:"from_ms"`
}

// turns lists the survivors in the order in which they may propose; a turn does not end. Whoever's proposal was passed over
// comes again only after everyone whose was not, so that nobody can keep a round from its result with one bad proposal after
// another.
//
// Scenario: of the survivors a, b, c, d the proposals of b, c and d were passed over because their attesters came late, and a
// is gone for good. After a's lease b may propose again, then c, then d: the round needs no vote to end.
func turns(s ledger.State, round Round, status Status) ([]ProposerTurn, error) {
	order := aggregators(round, status)
	proposed, err := ledger.List[Proposed](s, "proposed", round.parts()...)
	if err != nil {
		return nil, err
	}
	spent := []string{}
	for _, item := range proposed[len(proposed)-len(proposed)%len(order):] {
		spent = append(spent, item.Record.Proposer)
	}
	list := []ProposerTurn{}
	for _, again := range []bool{false, true} {
		for i := range order {
			if who := order[(status.Turn.Position+i)%len(order)]; slices.Contains(spent, who) == again {
				list = append(list, ProposerTurn{who, status.Turn.FromMS + int64(len(list))*round.Parameters.AggregatorLeaseMS})
			}
		}
	}
	return list, nil
}

// aggregators are the survivors in the round's drawn order.
func aggregators(round Round, status Status) []string {
	return slices.DeleteFunc(slices.Clone(round.Aggregators), func(name string) bool {
		return !slices.Contains(status.Survivors, name)
	})
}

// AttestRequest is the argument of Attest.
type AttestRequest struct {
	Ref
	Number uint64 `json:"number"`
	Attestation
}

// Attest records an organisation's verdict: whether update, from the last attested state, gave it the proposed state,
// exactly or within tolerance.
func Attest(s ledger.State, env ledger.Env, req AttestRequest) (ProposalResponse, ledger.Event, error) {
	none := ledger.Event{}
	_, status, err := inPhase(s, req.Ref, PhaseAttest)
	if err != nil {
		return ProposalResponse{}, none, err
	}
	if err := checkAttester(s, env); err != nil {
		return ProposalResponse{}, none, err
	}
	if !status.Open || req.Number != status.Number {
		return ProposalResponse{}, none, errcode.New(errcode.NoOpenProposal, "proposal %d is not open", req.Number)
	}
	proposed, _, err := ledger.Load[Proposed](s, req.key("proposed", ledger.Number(req.Number)))
	if err != nil {
		return ProposalResponse{}, none, err
	}
	if err := checkVerdict(proposed, req.Attestation); err != nil {
		return ProposalResponse{}, none, err
	}
	if _, said, err := ledger.Load[NoState](s, req.key("no-state", env.Caller.MSPID)); err != nil || said && req.Agree {
		return ProposalResponse{}, none,
			either(err, errcode.New(errcode.AlreadyAttested, "%s has attested that no state follows", env.Caller.MSPID))
	}
	key := req.key("attest", ledger.Number(req.Number), env.Caller.MSPID)
	if raw, err := s.Get(key); err != nil || raw != nil {
		return ProposalResponse{}, none,
			either(err, errcode.New(errcode.AlreadyAttested, "%s has attested to proposal %d", env.Caller.MSPID, req.Number))
	}
	response := ProposalResponse{req.Ref, PhaseAttest, req.Number}
	return response, ledger.Event{Name: "Attested", Payload: response}, ledger.Store(s, key, req.Attestation)
}

// checkAttester lets an organisation's administrator or one of its participants speak for it.
func checkAttester(s ledger.State, env ledger.Env) error {
	if env.Caller.Role == ledger.Admin {
		return governance.CheckAdmin(s, env)
	}
	_, err := membership.Caller(s, env)
	return err
}

func checkVerdict(proposed Proposed, verdict Attestation) error {
	if err := ledger.CheckDigest("state", verdict.State); err != nil {
		return err
	}
	switch {
	case verdict.Agree && verdict.State != proposed.State:
		return errcode.New(errcode.BadAttestation, "to agree is to attest to the proposed state's digest")
	case verdict.Agree && verdict.DeviationE9 > MaxDeviationE9:
		return errcode.New(errcode.BadAttestation, "a deviation of %de-9 is more than %de-9: disagree", verdict.DeviationE9, MaxDeviationE9)
	}
	return nil
}

func sortedNames[T any](values map[string]T) []string {
	names := make([]string, 0, len(values))
	for name := range values { // any order: sorted below
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func describe(format string, args ...any) string { return fmt.Sprintf(format, args...) }
