package contract_test

import (
	"testing"

	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/round"
)

func TestAFederationTrainsFromFoundingToAFinalRound(t *testing.T) {
	f := contracttest.New(4, `{}`)
	f.Ready(3, 4)
	p := f.Open("tumour", contracttest.Options{})
	p.Finish()
	view := p.View()
	if view.Phase != round.Final || view.State != p.State() || len(view.Survivors) != 4 {
		t.Fatalf("phase %s, state %s, survivors %v", view.Phase, view.State, view.Survivors)
	}
	dropout := f.Open("tumour", contracttest.Options{Dropouts: []int{3}})
	dropout.Finish()
	if view := dropout.View(); view.BaseState != p.State() || len(view.Survivors) != 3 {
		t.Fatalf("base %s, survivors %v", view.BaseState, view.Survivors)
	}
}
