package shim

import "fedledger/chaincode/shim/protos/peer"

// Statuses of a response, as HTTP's.
const (
	// OK is success.
	OK = 200
	// ERRORTHRESHOLD is the first status that peers do not endorse.
	ERRORTHRESHOLD = 400
	// ERROR is the status of [Error].
	ERROR = 500
)

// Success answers with a payload.
func Success(payload []byte) *peer.Response {
	return &peer.Response{Status: OK, Payload: payload}
}

// Error answers with a message; nothing is endorsed.
func Error(msg string) *peer.Response {
	return &peer.Response{Status: ERROR, Message: msg}
}
