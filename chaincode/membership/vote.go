package membership

import (
	"encoding/json"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
)

type subject struct {
	Participant  string `json:"participant"`
	Organisation string `json:"organisation"`
}

func decodeSubject(body json.RawMessage) (subject, error) {
	var who subject
	if err := codec.DecodeStrict(body, &who); err != nil {
		return who, errcode.New(errcode.BadArgument, "body: %v", err)
	}
	if (who.Participant == "") == (who.Organisation == "") {
		return who, errcode.New(errcode.BadArgument, "body: name either a participant or an organisation")
	}
	return who, nil
}

// Admit executes admit{participant} or admit{organisation}.
func Admit(s ledger.State, env ledger.Env, body json.RawMessage) error {
	who, err := decodeSubject(body)
	if err != nil {
		return err
	}
	if who.Organisation != "" {
		return governance.AdmitOrganisation(s, env, body)
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
func Moving(kind string) governance.Execute {
	return func(s ledger.State, env ledger.Env, body json.RawMessage) error {
		who, err := decodeSubject(body)
		if err != nil {
			return err
		}
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
	}
}
