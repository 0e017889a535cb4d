package release

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
	"fedledger/chaincode/membership"
)

// PayloadType is that of every signed statement (DSSE).
const PayloadType = "application/vnd.in-toto+json"

// The two statements that an organisation may sign.
const (
	aboutRelease    = "release"
	aboutWithdrawal = "withdrawal"
)

const maxCertificate = 8 << 10

// Signature is an organisation's signature under a statement, with the certificate that its MSP vouches for. An organisation may
// sign again with another key, when a certificate was revoked.
type Signature struct {
	KeyHash string `json:"key_hash"`
	// Certificate is X.509 in DER, Signature ECDSA in DER, both in base64.
	Certificate string `json:"certificate"`
	Signature   string `json:"signature"`
	TimeMS      int64  `json:"time_ms"`
}

// SignRequest is the argument of SignRelease.
type SignRequest struct {
	Release     string `json:"release"`
	About       string `json:"about"`
	Certificate string `json:"certificate"`
	Signature   string `json:"signature"`
}

// SignResponse tells how many have signed.
type SignResponse struct {
	Release    string `json:"release"`
	About      string `json:"about"`
	Signatures int    `json:"signatures"`
	Majority   int    `json:"majority"`
}

// Sign records an organisation's signature. An administrator or the node of a participant signs, with the key that signs the
// transaction: whether the organisation's MSP vouches for it, the peer has checked.
func Sign(s ledger.State, env ledger.Env, req SignRequest) (SignResponse, ledger.Event, error) {
	none := ledger.Event{}
	if err := checkSigner(s, env); err != nil {
		return SignResponse{}, none, err
	}
	release, err := Load(s, req.Release)
	if err != nil {
		return SignResponse{}, none, err
	}
	payload, err := release.payload(req.About)
	if err != nil {
		return SignResponse{}, none, err
	}
	if err := checkSignature(env, req, payload); err != nil {
		return SignResponse{}, none, err
	}
	place := ledger.Key("release-signature", req.Release, req.About, env.Caller.MSPID)
	known, found, err := ledger.Load[Signature](s, place)
	if err != nil || found && known.KeyHash == env.Caller.KeyHash {
		return SignResponse{}, none, either(err, errcode.New(errcode.AlreadyDone, "%s has signed with this key", env.Caller.MSPID))
	}
	if err := ledger.Store(s, place, Signature{env.Caller.KeyHash, req.Certificate, req.Signature, env.TimeMS}); err != nil {
		return SignResponse{}, none, err
	}
	return signed(s, req)
}

func checkSigner(s ledger.State, env ledger.Env) error {
	if env.Caller.Role == ledger.Admin {
		return governance.CheckAdmin(s, env)
	}
	_, err := membership.Caller(s, env)
	return err
}

func signed(s ledger.State, req SignRequest) (SignResponse, ledger.Event, error) {
	signatures, err := signaturesOf(s, req.Release, req.About)
	if err != nil {
		return SignResponse{}, ledger.Event{}, err
	}
	voters, err := governance.Voters(s)
	response := SignResponse{req.Release, req.About, len(signatures), governance.Majority(len(voters))}
	return response, ledger.Event{Name: "ReleaseSigned", Payload: response}, err
}

// payload is the statement that is signed, byte for byte.
func (r Release) payload(about string) ([]byte, error) {
	switch {
	case about == aboutRelease && !r.withdrawn():
		return codec.Canonical(r.Statement)
	case about == aboutWithdrawal && r.withdrawn():
		return codec.Canonical(r.Withdrawal)
	case about == aboutRelease || about == aboutWithdrawal:
		return nil, errcode.New(errcode.ReleaseWithdrawn, "%s cannot be signed as %s", r.Release, about)
	}
	return nil, errcode.New(errcode.BadArgument, "about must be %q or %q", aboutRelease, aboutWithdrawal)
}

// checkSignature refuses what is no signature, by the key of the certificate that sends the transaction, of the payload (DSSE v1).
// The lower s only: each signature has one form, here, in Fabric and in the contract on an EVM (evm/).
func checkSignature(env ledger.Env, req SignRequest, payload []byte) error {
	key, err := keyOf(env, req.Certificate)
	if err != nil {
		return err
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(req.Signature)
	if err != nil {
		return errcode.New(errcode.BadReleaseSignature, "the signature is not base64")
	}
	if err := Verify(key, payload, raw); err != nil {
		return errcode.New(errcode.BadReleaseSignature, "%v", err)
	}
	return nil
}

// Verify refuses what is no signature of a payload (DSSE v1) by a key of P-256, with the lower s, in DER.
func Verify(key *ecdsa.PublicKey, payload, raw []byte) error {
	var pair struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(raw, &pair); err != nil || len(rest) > 0 {
		return errors.New("the signature is not DER")
	}
	if pair.S.Cmp(new(big.Int).Rsh(elliptic.P256().Params().N, 1)) > 0 {
		return errors.New("the signature has the higher s")
	}
	digest := sha256.Sum256(Encoded(payload))
	if !ecdsa.VerifyASN1(key, digest[:], raw) {
		return errors.New("the signature is another's, or of another statement")
	}
	return nil
}

// Encoded is the DSSE v1 pre-authentication encoding of a statement: what is hashed and signed.
func Encoded(payload []byte) []byte {
	return append(fmt.Appendf(nil, "DSSEv1 %d %s %d ", len(PayloadType), PayloadType, len(payload)), payload...)
}

func keyOf(env ledger.Env, certificate string) (*ecdsa.PublicKey, error) {
	if err := ledger.CheckText("certificate", certificate, maxCertificate); err != nil {
		return nil, err
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(certificate)
	if err != nil {
		return nil, errcode.New(errcode.BadReleaseSignature, "the certificate is not base64")
	}
	read, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, errcode.New(errcode.BadReleaseSignature, "the certificate cannot be read")
	}
	hash := sha256.Sum256(read.RawSubjectPublicKeyInfo)
	key, isECDSA := read.PublicKey.(*ecdsa.PublicKey)
	switch {
	case ledger.Hex(hash[:]) != env.Caller.KeyHash:
		return nil, errcode.New(errcode.BadReleaseSignature, "the certificate is not the one that sends the transaction")
	case !isECDSA || key.Curve != elliptic.P256():
		return nil, errcode.New(errcode.BadReleaseSignature, "the key is not one of P-256")
	}
	return key, nil
}

func signaturesOf(s ledger.State, id, about string) (map[string]Signature, error) {
	items, err := ledger.List[Signature](s, "release-signature", id, about)
	signatures := map[string]Signature{}
	for _, item := range items {
		signatures[item.Parts[2]] = item.Record
	}
	return signatures, err
}

// View is a release with what was signed.
type View struct {
	Release
	// Signatures and WithdrawalSignatures are by MSP id.
	Signatures           map[string]Signature `json:"signatures"`
	WithdrawalSignatures map[string]Signature `json:"withdrawal_signatures"`
}

// GetRequest is the argument of GetRelease.
type GetRequest struct {
	Release string `json:"release"`
}

// Get returns a release with its signatures.
func Get(s ledger.State, req GetRequest) (View, error) {
	release, err := Load(s, req.Release)
	if err != nil {
		return View{}, err
	}
	if !release.withdrawn() {
		release.Withdrawal = json.RawMessage("null")
	}
	signatures, err := signaturesOf(s, req.Release, aboutRelease)
	if err != nil {
		return View{}, err
	}
	withdrawals, err := signaturesOf(s, req.Release, aboutWithdrawal)
	return View{release, signatures, withdrawals}, err
}

// Summary is a release in a list.
type Summary struct {
	Release    string `json:"release"`
	Training   string `json:"training"`
	Round      uint64 `json:"round"`
	State      string `json:"state"`
	ReleasedMS int64  `json:"released_ms"`
	Withdrawn  bool   `json:"withdrawn"`
}

// Summarise makes a list's entry of a release.
func Summarise(item ledger.Item[Release]) (Summary, error) {
	r := item.Record
	return Summary{r.Release, r.Training, r.Round, r.State, r.ReleasedMS, r.withdrawn()}, nil
}

func sortedKeys[T any](records map[string]T) []string { return slices.Sorted(maps.Keys(records)) }
