package contracttest

import (
	"encoding/json"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/ledger"
)

// Layout is the layout of the plan that tests train: three values, the example count, a constant one, and four bytes of padding.
const Layout = `{"version":1,"segments":[` +
	`{"name":"v","kind":"value","word":32,"ring":32,"max":65535,"slots":3,"path":[],"shape":[3],"dtype":"int32"},` +
	`{"name":"n","kind":"count","word":64,"ring":64,"max":1000000,"slots":1,"path":[],"shape":[],"dtype":"int64"},` +
	`{"name":"one","kind":"one","word":64,"ring":64,"max":1,"slots":1,"path":[],"shape":[],"dtype":"int64"}],` +
	`"count":{"segment":"n","numerator":1,"denominator":1}}`

// Found founds the federation and makes its first beacon.
func (f *Federation) Found() {
	definition := f.Contract.Definition
	f.Must(Admin(0), "Found", Map{
		"members": definition.Members, "regulators": definition.Regulators, "parameters": definition.Parameters,
	}, nil)
	f.Beacon()
}

// Beacon lets every active member commit to and reveal its part of the beacon that is asked for, as nodes do.
func (f *Federation) Beacon() {
	var asked struct{ Number uint64 }
	f.Query("GetBeacon", Map{}, &asked)
	part := func(msp string) [32]byte {
		if asked.Number == 1 {
			return codec.Hash("test/beacon", []byte(msp))
		}
		return codec.Hash("test/beacon", []byte(msp), codec.U64(asked.Number))
	}
	for i, msp := range f.Members {
		value := part(msp)
		commitment := codec.Hash(codec.LabelBeaconCommitment, []byte(Channel), []byte(msp), value[:])
		f.Try(Admin(i), "CommitBeacon", Map{"commitment": ledger.Hex(commitment[:])})
	}
	for i, msp := range f.Members {
		value := part(msp)
		f.Try(Admin(i), "RevealBeacon", Map{"value": ledger.Hex(value[:])})
	}
}

// Agree proposes and lets as many members vote as it takes.
func (f *Federation) Agree(kind string, body any) error {
	if raw, ok := body.([]byte); ok {
		body = json.RawMessage(raw)
	}
	entry, err := f.Do(Admin(0), "Propose", Map{"kind": kind, "body": body, "deadline_ms": 0, "reason": "test"})
	if err != nil {
		return err
	}
	for i := 1; ; i++ {
		var answer struct{ Proposal, Status string }
		if err := json.Unmarshal(entry.Response, &answer); err != nil {
			panic(err)
		}
		if answer.Status != "open" {
			return nil
		}
		if entry, err = f.Do(Admin(i), "Vote", Map{"proposal": answer.Proposal, "approve": true}); err != nil {
			return err
		}
	}
}

func (f *Federation) mustAgree(kind string, body any) {
	if err := f.Agree(kind, body); err != nil {
		panic(kind + ": " + err.Error())
	}
}

// Apply puts the i-th participant forward for its own organisation.
func (f *Federation) Apply(i int) { f.ApplyFor(i, i) }

// ApplyFor puts the i-th participant forward for a member.
func (f *Federation) ApplyFor(member, i int) {
	f.owners[ID(i)] = member
	f.Must(Admin(member), "Apply", Map{
		"participant": ID(i), "key_hash": KeyHash(ID(i)), "stake": 2_000_000, "evidence": []string{Digest("evidence")},
		"profile": Map{"rows": 200, "missing_ppm": 0, "labels": []int{100, 100}, "schema": Digest("schema")},
	}, nil)
}

// Ready founds, admits every member's participant, registers the plan and starts the training "tumour".
func (f *Federation) Ready(rounds, cohort int) {
	f.Found()
	for i := range f.Members {
		f.Apply(i)
		f.mustAgree("admit", Map{"participant": ID(i)})
	}
	f.mustAgree("register_plan", Map{
		"plan": Digest("plan"), "name": "tumour", "layout": json.RawMessage(f.Layout),
		"initial_state": Digest("state-0"), "schema": Digest("schema"),
	})
	f.Start("tumour", rounds, cohort)
}

// Start starts a training.
func (f *Federation) Start(training string, rounds, cohort int) {
	f.mustAgree("start_training", Map{"training": training, "plan": Digest("plan"), "rounds": rounds, "cohort": cohort})
}
