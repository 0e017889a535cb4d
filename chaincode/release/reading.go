package release

import (
	"bytes"
	"regexp"
	"slices"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/round"
)

// Said is what another consortium's passport says, as far as rules go by it.
type Said struct {
	Channel, Chaincode, Genesis, Release string
	ReleasedMS                           int64
	Final                                round.Ref
	LayoutDigest, State, Root            string
	Steps                                uint64

	said    statement[predicate]
	payload []byte
}

// Taken is what another consortium's withdrawal says.
type Taken struct {
	Channel, Genesis, Passport, Reason string
	WithdrawnMS                        int64
}

// read decodes a statement of one type.
func read[P any](payload []byte, predicateType string) (statement[P], error) {
	var said statement[P]
	if err := codec.DecodeStrict(payload, &said); err != nil {
		return said, errcode.New(errcode.BadPassport, "the statement is none of %s: %v", predicateType, err)
	}
	if said.Type != statementType || said.PredicateType != predicateType {
		return said, errcode.New(errcode.BadPassport, "the statement is none of %s", predicateType)
	}
	return said, nil
}

// checkForm refuses a statement that is not in the one form that a contract composes: so no field lacks, none is said twice, and
// every endorser reads the same.
func checkForm[P any](said statement[P], payload []byte) error {
	again, err := canonical(said)
	if err == nil && !bytes.Equal(again, payload) {
		err = errcode.New(errcode.BadPassport, "the statement lacks a field, or is not in its one form")
	}
	return err
}

var subjectName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$`)

// digestOf returns the SHA-256 of the subject with a name, empty where there is none; names must be unlike one another.
func digestOf(subjects []subject, name string) (string, error) {
	found, names := "", []string{}
	for _, one := range subjects {
		digest := one.Digest["sha256"]
		if len(one.Digest) != 1 || !subjectName.MatchString(one.Name) || slices.Contains(names, one.Name) {
			return "", errcode.New(errcode.BadPassport, "a subject has no name of its own, or another digest than sha256")
		}
		if err := ledger.CheckDigest(one.Name, digest); err != nil {
			return "", errcode.New(errcode.BadPassport, "%v", err)
		}
		if one.Name == name {
			found = digest
		}
		names = append(names, one.Name)
	}
	return found, nil
}

// ReadModel reads a passport's statement, whose signatures are still to be checked.
func ReadModel(payload []byte) (Said, error) {
	said, err := read[predicate](payload, modelType)
	if err != nil {
		return Said{}, err
	}
	p := said.Predicate
	state, err := digestOf(said.Subject, stateName)
	if err == nil && ledger.Digests("genesis", p.Genesis, "layout_digest", p.Plan.LayoutDigest) != nil {
		err = errcode.New(errcode.BadPassport, "the genesis hash or the layout is no digest")
	}
	return Said{
		Channel: p.Channel, Chaincode: p.Chaincode, Genesis: p.Genesis, Release: p.Release, ReleasedMS: p.ReleasedMS, Final: p.Final.Ref,
		LayoutDigest: p.Plan.LayoutDigest, State: state, Root: p.Lineage.Root, Steps: uint64(len(p.Lineage.Steps)), said: said, payload: payload,
	}, err
}

// ReadWithdrawal reads a withdrawal's statement, whose signatures are still to be checked.
func ReadWithdrawal(payload []byte) (Taken, error) {
	said, err := read[taken](payload, withdrawalType)
	if err != nil {
		return Taken{}, err
	}
	p := said.Predicate
	passport, err := digestOf(said.Subject, passportName)
	if err == nil && (passport == "" || len(said.Subject) != 1 || ledger.CheckDigest("genesis", p.Genesis) != nil) {
		err = errcode.New(errcode.BadPassport, "the withdrawal names no passport, or no consortium")
	}
	if err == nil {
		err = checkForm(said, payload)
	}
	return Taken{p.Channel, p.Genesis, passport, p.Reason, p.WithdrawnMS}, err
}

// Check refuses a statement whose parts cannot all be true.
func (m Said) Check() error {
	if err := checkForm(m.said, m.payload); err != nil {
		return err
	}
	steps, before := m.said.Predicate.Lineage.Steps, m.said.Predicate.Lineage.InitialState
	leaves := [][]byte{}
	for _, one := range steps {
		leaf, err := canonical(one)
		if err != nil {
			return err
		}
		if one.BaseState != before {
			return errcode.New(errcode.BadPassport, "round %d does not begin where the one before ends", one.Round)
		}
		before, leaves = one.State, append(leaves, leaf)
	}
	if len(steps) == 0 || before != m.State {
		return errcode.New(errcode.BadPassport, "the lineage does not lead to the state")
	}
	if root := treeHash(leaves); ledger.Hex(root[:]) != m.Root {
		return errcode.New(errcode.BadPassport, "the root is not that of the steps")
	}
	return m.checkLast(steps[len(steps)-1])
}

func (m Said) checkLast(last step) error {
	said := m.said.Predicate
	apart := func(names []string, count int) bool {
		return len(names) == count && len(slices.Compact(slices.Sorted(slices.Values(names)))) == count
	}
	stray := slices.ContainsFunc(said.Survivors, func(name string) bool { return !slices.Contains(said.Cohort, name) })
	switch {
	case last.Round != said.Final.Round || last.Attempt != said.Final.Attempt:
		return errcode.New(errcode.BadPassport, "the last step is another round than the final one")
	case !apart(said.Cohort, last.Cohort) || !apart(said.Survivors, last.Survivors) || stray:
		return errcode.New(errcode.BadPassport, "cohort and survivors are not those of the last step")
	case said.Examples != last.Examples:
		return errcode.New(errcode.BadPassport, "the examples are not those of the last step")
	}
	return nil
}
