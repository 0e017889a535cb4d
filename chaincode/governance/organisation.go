package governance

import (
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
)

const maxOrganisations = 128

// Status is the standing of an organisation or participant. Those suspended or removed keep their history.
type Status string

// Standings. Applied is a participant's before the vote.
const (
	Applied   Status = "applied"
	Active    Status = "active"
	Suspended Status = "suspended"
	Removed   Status = "removed"
)

// Organisation is a member of the consortium.
type Organisation struct {
	MSPID   string `json:"msp_id"`
	Status  Status `json:"status"`
	SinceMS int64  `json:"since_ms"`
}

func putOrganisation(s ledger.State, organisation Organisation) error {
	return ledger.Store(s, ledger.Key("organisation", organisation.MSPID), organisation)
}

// LoadOrganisation reads a member's record.
func LoadOrganisation(s ledger.State, msp string) (Organisation, error) {
	organisation, found, err := ledger.Load[Organisation](s, ledger.Key("organisation", msp))
	if err == nil && !found {
		err = errcode.New(errcode.UnknownOrganisation, "%s is no member", msp)
	}
	return organisation, err
}

// Organisations lists the members, those suspended and removed included, by MSP id.
func Organisations(s ledger.Reader) ([]Organisation, error) {
	items, err := ledger.List[Organisation](s, "organisation")
	organisations := make([]Organisation, len(items))
	for i, item := range items {
		organisations[i] = item.Record
	}
	return organisations, err
}

// Voters lists the MSP ids of the active members.
func Voters(s ledger.Reader) ([]string, error) {
	organisations, err := Organisations(s)
	voters := []string{}
	for _, organisation := range organisations {
		if organisation.Status == Active {
			voters = append(voters, organisation.MSPID)
		}
	}
	return voters, err
}

// Majority is the smallest count that is more than half of n.
func Majority(n int) int { return n/2 + 1 }

// CheckMember refuses a caller that is no client or administrator of an active member.
func CheckMember(s ledger.State, env ledger.Env) error {
	organisation, found, err := ledger.Load[Organisation](s, ledger.Key("organisation", env.Caller.MSPID))
	switch {
	case err != nil:
		return err
	case !found:
		return errcode.New(errcode.NotAMember, "%s is no member of the consortium", env.Caller.MSPID)
	case organisation.Status != Active:
		return errcode.New(errcode.OrganisationSuspended, "%s is %s", env.Caller.MSPID, organisation.Status)
	case env.Caller.Role != ledger.Admin && env.Caller.Role != ledger.Client:
		return errcode.New(errcode.NotPermitted, "the certificate is neither an administrator's nor a client's")
	}
	return nil
}

// CheckAdmin refuses a caller that is no administrator of an active member.
func CheckAdmin(s ledger.State, env ledger.Env) error {
	if env.Caller.Role != ledger.Admin {
		return errcode.New(errcode.NotPermitted, "only an administrator of a member may do this")
	}
	return CheckMember(s, env)
}

// CheckName refuses what can be no organisation's id; "treasury" is the account that belongs to all.
func CheckName(msp string) error {
	if msp == "treasury" {
		return errcode.New(errcode.BadArgument, "%q is the name of an account", msp)
	}
	return ledger.CheckMSPID(msp)
}

// AdmitOrganisation executes admit{organisation}. The channel must know its MSP, and the chaincode's definition decides
// whether it endorses; the vote gives it a voice.
func AdmitOrganisation(s ledger.State, env ledger.Env, msp string) error {
	known, found, err := ledger.Load[Organisation](s, ledger.Key("organisation", msp))
	if err != nil {
		return err
	}
	if found && known.Status != Removed {
		return errcode.New(errcode.WrongStatus, "%s is %s already", known.MSPID, known.Status)
	}
	return putOrganisation(s, Organisation{msp, Active, env.TimeMS})
}

// Moves are the changes of standing that a vote can make.
var Moves = map[string]struct {
	From []Status
	To   Status
}{
	"suspend":   {[]Status{Active}, Suspended},
	"reinstate": {[]Status{Suspended}, Active},
	"remove":    {[]Status{Applied, Active, Suspended}, Removed},
}

// MoveOrganisation executes suspend, reinstate or remove{organisation}.
func MoveOrganisation(s ledger.State, env ledger.Env, kind, msp string) error {
	organisation, err := LoadOrganisation(s, msp)
	if err != nil {
		return err
	}
	next, err := Move(kind, organisation.Status, msp)
	if err != nil {
		return err
	}
	organisation.Status, organisation.SinceMS = next, env.TimeMS
	return putOrganisation(s, organisation)
}

// Move returns the standing after a vote of this kind, or refuses.
func Move(kind string, from Status, who string) (Status, error) {
	move := Moves[kind]
	for _, allowed := range move.From {
		if from == allowed {
			return move.To, nil
		}
	}
	return from, errcode.New(errcode.WrongStatus, "%s is %s; %s does not apply", who, from, kind)
}
