package membership

import (
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
)

type subject struct {
	Participant  string `json:"participant"`
	Organisation string `json:"organisation"`
}

// Check implements governance.Body.
func (who subject) Check(governance.Parameters) error {
	switch {
	case (who.Participant == "") == (who.Organisation == ""):
		return errcode.New(errcode.BadArgument, "body: name either a participant or an organisation")
	case who.Organisation != "":
		return governance.CheckName(who.Organisation)
	}
	return ledger.CheckID("participant", who.Participant)
}

// Admit executes admit{participant} or admit{organisation}.
func Admit(s ledger.State, env ledger.Env, who subject) error {
	if who.Organisation != "" {
		return governance.AdmitOrganisation(s, env, who.Organisation)
	}
	participant, err := Load(s, who.Participant)
	if err != nil {
		return err
	}
	if participant.Status != governance.Applied {
		return errcode.New(errcode.WrongStatus, "%s is %s; admit does not apply", participant.ID, participant.Status)
	}
	participant.Status, participant.SinceMS = governance.Active, env.TimeMS
	return put(s, participant)
}

// Moving returns what executes suspend, reinstate or remove, of a participant or an organisation. Both keep their history.
func Moving(kind string) governance.Kind {
	return governance.KindOf(func(s ledger.State, env ledger.Env, who subject) error {
		if who.Organisation != "" {
			return governance.MoveOrganisation(s, env, kind, who.Organisation)
		}
		participant, err := Load(s, who.Participant)
		if err != nil {
			return err
		}
		if participant.Status, err = governance.Move(kind, participant.Status, participant.ID); err != nil {
			return err
		}
		participant.SinceMS = env.TimeMS
		return put(s, participant)
	})
}
