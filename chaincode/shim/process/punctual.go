package process

import (
	"fmt"
	"time"

	"fedledger/chaincode/shim"
	"fedledger/chaincode/shim/protos/peer"
)

// Punctual is a contract that refuses every transaction whose time is further than Window from the clock Now.
//
// A contract measures its deadlines by the times that senders write into their transactions. Peers of Fabric 3.1 hold
// those to their own clock (the filter TimeWindowCheck); peers of Fabric 2.5 do not, so that each organisation's chaincode
// process does.
type Punctual struct {
	shim.Chaincode
	Window time.Duration
	Now    func() time.Time
}

// Invoke runs the contract if the transaction is of this time.
func (p Punctual) Invoke(stub shim.ChaincodeStubInterface) *peer.Response {
	stamp, err := stub.GetTxTimestamp()
	if err != nil {
		return shim.Error(err.Error())
	}
	sent, now := stamp.AsTime().UTC(), p.Now().UTC()
	if off := now.Sub(sent); off > p.Window || off < -p.Window {
		return shim.Error(fmt.Sprintf("request unauthorized due to incorrect timestamp %s, chaincode time %s, time window %s",
			sent.Format(time.RFC3339), now.Format(time.RFC3339), p.Window))
	}
	return p.Chaincode.Invoke(stub)
}
