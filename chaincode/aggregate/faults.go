package aggregate

import (
	"errors"
	"fmt"

	"fedledger/chaincode/secagg"
)

var (
	// ErrBlob says that a blob is missing or altered in this endorser's own folder.
	ErrBlob = errors.New("blob-unavailable")
	// ErrTooFew says that a secret has fewer revealed shares than the threshold.
	ErrTooFew = secagg.ErrTooFew
	// ErrVerifying says that the verification runs in the background: call again.
	ErrVerifying = errors.New("verifying")
	// ErrCost says that the verification costs more than the limit.
	ErrCost = errors.New("cost-limit")
	// ErrInputs says that the inputs contradict one another.
	ErrInputs = errors.New("bad-inputs")
	// ErrLayout says that a layout is not one that can be summed under masks.
	ErrLayout = errors.New("bad-layout")
)

// FaultKind says whose fault keeps a round from its aggregate.
type FaultKind string

const (
	// FaultDealer blames the dealer of shares that rebuild nothing fitting.
	FaultDealer FaultKind = "dealer"
	// FaultUpdate blames the sender of an update that breaks the layout's form.
	FaultUpdate FaultKind = "update"
	// FaultGarbage blames some survivor, no one can tell which.
	FaultGarbage FaultKind = "garbage"
	// FaultAggregator blames the proposer of another digest than the sum's.
	FaultAggregator FaultKind = "aggregator"
)

// Fault is a misbehaviour that the inputs prove. Participant is empty where the inputs do not tell who.
type Fault struct {
	Kind        FaultKind
	Participant string
	Reason      string
}

func (f *Fault) Error() string {
	if f.Participant == "" {
		return fmt.Sprintf("%s: %s", f.Kind, f.Reason)
	}
	return fmt.Sprintf("%s %s: %s", f.Kind, f.Participant, f.Reason)
}
