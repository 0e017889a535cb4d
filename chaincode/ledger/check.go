package ledger

import (
	"encoding/hex"
	"regexp"

	"fedledger/chaincode/errcode"
)

var (
	identifier = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
	mspID      = regexp.MustCompile(`^[A-Za-z0-9.-]{1,64}$`)
	digest     = regexp.MustCompile(`^[0-9a-f]{64}$`)
	txID       = regexp.MustCompile(`^[0-9A-Za-z-]{1,64}$`)
)

// CheckID refuses what is no participant or training id: 1 to 40 of a-z, 0-9 and '-'. Such text is safe in a key.
func CheckID(what, id string) error {
	if !identifier.MatchString(id) {
		return errcode.New(errcode.BadArgument, "%s must be 1 to 40 characters of a-z, 0-9 and '-'", what)
	}
	return nil
}

// CheckMSPID refuses what is no MSP id.
func CheckMSPID(id string) error {
	if !mspID.MatchString(id) {
		return errcode.New(errcode.BadArgument, "an MSP id must be 1 to 64 letters, digits, '.' and '-'")
	}
	return nil
}

// CheckTxID refuses what is no transaction id.
func CheckTxID(id string) error {
	if !txID.MatchString(id) {
		return errcode.New(errcode.BadArgument, "a proposal is named by the id of the transaction that made it")
	}
	return nil
}

// CheckDigest refuses what is not 32 bytes in lower-case hex.
func CheckDigest(what, text string) error {
	if !digest.MatchString(text) {
		return errcode.New(errcode.BadArgument, "%s must be 64 digits of lower-case hex", what)
	}
	return nil
}

// Digests refuses the first named text that is not 32 bytes in lower-case hex.
func Digests(pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if err := CheckDigest(pairs[i], pairs[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// Bytes returns the bytes of hex text that CheckDigest or a stored record vouches for.
func Bytes(text string) []byte {
	raw, err := hex.DecodeString(text)
	if err != nil {
		panic("ledger: internal error: unchecked hex")
	}
	return raw
}

// Hex writes bytes as the ledger does.
func Hex(raw []byte) string { return hex.EncodeToString(raw) }

// CheckText refuses text that is too long.
func CheckText(what, text string, longest int) error {
	if len(text) > longest {
		return errcode.New(errcode.LimitExceeded, "%s has %d bytes, at most %d", what, len(text), longest)
	}
	return nil
}
