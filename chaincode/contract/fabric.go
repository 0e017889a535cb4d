package contract

import (
	"log/slog"

	"fedledger/chaincode/errcode"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/shim"
	"fedledger/chaincode/shim/protos/peer"
)

// Chaincode runs a Contract behind a peer.
type Chaincode struct{ Contract }

var _ shim.Chaincode = Chaincode{}

// Init has nothing to do: Found sets the federation up.
func (c Chaincode) Init(shim.ChaincodeStubInterface) *peer.Response { return shim.Success(nil) }

// Invoke runs a transaction or query. A refusal's text, which begins with its code, is the response's message.
func (c Chaincode) Invoke(stub shim.ChaincodeStubInterface) *peer.Response {
	function, response, err := c.invoke(stub)
	if err != nil {
		slog.Info("refused", "function", function, "transaction", stub.GetTxID(), "code", errcode.Of(err), "reason", err.Error())
		return shim.Error(err.Error())
	}
	return shim.Success(response)
}

func (c Chaincode) invoke(stub shim.ChaincodeStubInterface) (string, []byte, error) {
	args := stub.GetArgs()
	if len(args) < 1 || len(args) > 2 {
		return "", nil, errcode.New(errcode.BadArgument, "a function takes exactly one argument, a JSON object")
	}
	function, argument := string(args[0]), []byte(nil)
	if len(args) == 2 {
		argument = args[1]
	}
	env, err := environment(stub)
	if err != nil {
		return function, nil, err
	}
	state := ledger.NewFabric(stub)
	response, event, err := c.Execute(state, env, function, argument)
	if err != nil {
		return function, nil, err
	}
	return function, response, state.Flush(event)
}

func environment(stub shim.ChaincodeStubInterface) (ledger.Env, error) {
	creator, err := stub.GetCreator()
	if err != nil {
		return ledger.Env{}, errcode.New(errcode.Internal, "no creator: %v", err)
	}
	caller, _, err := CallerOf(creator)
	if err != nil {
		return ledger.Env{}, err
	}
	at, err := stub.GetTxTimestamp()
	if err != nil {
		return ledger.Env{}, errcode.New(errcode.Internal, "no timestamp: %v", err)
	}
	signed, err := stub.GetSignedProposal()
	if err != nil {
		return ledger.Env{}, errcode.New(errcode.Internal, "no proposal: %v", err)
	}
	return ledger.Env{
		TxID: stub.GetTxID(), TimeMS: at.AsTime().UnixMilli(), Channel: stub.GetChannelID(), Chaincode: chaincodeOf(signed), Caller: caller,
	}, nil
}
