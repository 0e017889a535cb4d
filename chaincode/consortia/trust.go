// Package consortia is trust between federations: the members vote whose signatures they believe, and a plan may begin from a
// model that another consortium released (docs/passport.md). What is checked here is what fedledger_passport checks without a
// ledger, with the transaction's time for a clock; tests/vectors/passports.json binds the two.
package consortia

import (
	"crypto/x509"
	"strings"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
)

const (
	maxChannel = 250
	maxMembers = 128
	// maxAuthorities bounds the certificates and lists of one organisation, each in turn.
	maxAuthorities = 16
)

// TrustBody is the body of trust_consortium: another consortium as the members want to know it from now on. The same genesis
// hash again replaces what was voted before, so that they follow its changes of members and authorities.
type TrustBody struct {
	// Name is what the members call it.
	Name          string         `json:"name"`
	Channel       string         `json:"channel"`
	Genesis       string         `json:"genesis"`
	Organisations []Organisation `json:"organisations"`
}

// Organisation is one of its members. Roots and Intermediates are X.509, Revocations lists of revoked ones, each DER in base64.
type Organisation struct {
	MSPID         string   `json:"msp_id"`
	Roots         []string `json:"roots"`
	Intermediates []string `json:"intermediates"`
	Revocations   []string `json:"revocations"`
}

// Consortium is one that a vote has trusted.
type Consortium struct {
	TrustBody
	// Majority is how many of its organisations must have signed.
	Majority int `json:"majority"`
	// Trusted says that no vote has withdrawn the trust since.
	Trusted bool  `json:"trusted"`
	SinceMS int64 `json:"since_ms"`
}

// Check implements governance.Body.
func (b TrustBody) Check(governance.Parameters) error {
	if err := ledger.CheckID("name", b.Name); err != nil {
		return err
	}
	if err := ledger.CheckText("channel", b.Channel, maxChannel); err != nil {
		return err
	}
	if err := ledger.CheckDigest("genesis", b.Genesis); err != nil {
		return err
	}
	_, err := b.members()
	return err
}

// members reads the organisations, each once and each with roots of its own: one authority must not speak for two.
func (b TrustBody) members() ([]member, error) {
	if len(b.Organisations) < 1 || len(b.Organisations) > maxMembers {
		return nil, errcode.New(errcode.LimitExceeded, "%d organisations, must be 1 to %d", len(b.Organisations), maxMembers)
	}
	members, roots := []member{}, map[string]bool{}
	for i, organisation := range b.Organisations {
		if i > 0 && b.Organisations[i-1].MSPID >= organisation.MSPID {
			return nil, errcode.New(errcode.BadArgument, "organisations must be in the order of their MSP ids, each once")
		}
		read, err := readMember(organisation)
		if err != nil {
			return nil, err
		}
		for _, root := range read.roots {
			if roots[string(root.Raw)] {
				return nil, errcode.New(errcode.BadArgument, "%s has the root of another organisation", organisation.MSPID)
			}
			roots[string(root.Raw)] = true
		}
		members = append(members, read)
	}
	return members, nil
}

func readMember(organisation Organisation) (member, error) {
	found := member{mspID: organisation.MSPID}
	if err := ledger.CheckMSPID(organisation.MSPID); err != nil {
		return found, err
	}
	if len(organisation.Roots) < 1 {
		return found, errcode.New(errcode.BadArgument, "%s has no root", organisation.MSPID)
	}
	var err error
	if found.roots, err = readAll(organisation.Roots, x509.ParseCertificate); err != nil {
		return found, err
	}
	if found.intermediates, err = readAll(organisation.Intermediates, x509.ParseCertificate); err != nil {
		return found, err
	}
	found.revocations, err = readAll(organisation.Revocations, x509.ParseRevocationList)
	return found, err
}

func readAll[T any](texts []string, read func([]byte) (*T, error)) ([]*T, error) {
	if len(texts) > maxAuthorities {
		return nil, errcode.New(errcode.LimitExceeded, "%d certificates or lists, at most %d", len(texts), maxAuthorities)
	}
	found := []*T{}
	for i, text := range texts {
		raw, err := base64Of(text)
		if err != nil {
			return nil, errcode.New(errcode.BadArgument, "certificate or list %d is not base64", i+1)
		}
		one, err := read(raw)
		if err != nil {
			return nil, errcode.New(errcode.BadArgument, "certificate or list %d cannot be read", i+1)
		}
		found = append(found, one)
	}
	return found, nil
}

func key(genesis string) string { return ledger.Key("consortium", genesis) }

// Trust executes trust_consortium.
func Trust(s ledger.State, env ledger.Env, body TrustBody) error {
	return ledger.Store(s, key(body.Genesis), Consortium{body, governance.Majority(len(body.Organisations)), true, env.TimeMS})
}

// DistrustBody is the body of distrust_consortium.
type DistrustBody struct {
	Genesis string `json:"genesis"`
}

// Check implements governance.Body.
func (b DistrustBody) Check(governance.Parameters) error {
	return ledger.CheckDigest("genesis", b.Genesis)
}

// Distrust executes distrust_consortium: no plan begins from its models any more. Plans that have are the members' own by now.
func Distrust(s ledger.State, env ledger.Env, body DistrustBody) error {
	consortium, err := trusted(s, body.Genesis)
	if err != nil {
		return err
	}
	consortium.Trusted, consortium.SinceMS = false, env.TimeMS
	return ledger.Store(s, key(body.Genesis), consortium)
}

// GetRequest names a consortium by the hash of its first block.
type GetRequest struct {
	Genesis string `json:"genesis"`
}

// Get returns a consortium that a vote has trusted, also where another has withdrawn that since.
func Get(s ledger.State, req GetRequest) (Consortium, error) {
	if err := ledger.CheckDigest("genesis", req.Genesis); err != nil {
		return Consortium{}, err
	}
	consortium, found, err := ledger.Load[Consortium](s, key(req.Genesis))
	if err == nil && !found {
		err = errcode.New(errcode.UnknownConsortium, "no vote has trusted one whose first block is %s", req.Genesis)
	}
	return consortium, err
}

func trusted(s ledger.State, genesis string) (Consortium, error) {
	consortium, err := Get(s, GetRequest{genesis})
	if err == nil && !consortium.Trusted {
		err = errcode.New(errcode.UnknownConsortium, "a vote has withdrawn the trust in %s", consortium.Name)
	}
	return consortium, err
}

// Summary is a consortium in a list.
type Summary struct {
	Name          string   `json:"name"`
	Channel       string   `json:"channel"`
	Genesis       string   `json:"genesis"`
	Organisations []string `json:"organisations"`
	Majority      int      `json:"majority"`
	Trusted       bool     `json:"trusted"`
	SinceMS       int64    `json:"since_ms"`
}

// Summarise makes a list's entry of a consortium.
func Summarise(item ledger.Item[Consortium]) (Summary, error) {
	c, names := item.Record, []string{}
	for _, organisation := range c.Organisations {
		names = append(names, organisation.MSPID)
	}
	return Summary{c.Name, c.Channel, c.Genesis, names, c.Majority, c.Trusted, c.SinceMS}, nil
}

func either(err error, otherwise *errcode.Error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// withoutBreaks says that text holds no line break: Go's base64 would pass over it, and others' would not.
func withoutBreaks(text string) bool { return !strings.ContainsAny(text, "\r\n") }
