// Package release lets models leave the channel with a proof that anybody can check anywhere: a vote releases the result of a
// round, the rules write down what is true of it, and each organisation signs these very bytes after it has checked them
// (docs/passport.md). A later vote may withdraw the release, with a statement that is signed likewise.
package release

import (
	"encoding/json"
	"regexp"
	"slices"

	"fedledger/chaincode/codec"
	"fedledger/chaincode/errcode"
	"fedledger/chaincode/governance"
	"fedledger/chaincode/ledger"
)

const (
	maxFiles  = 64
	maxName   = 100
	maxReason = 500
	maxNoise  = 40
	maxTexts  = 16
	// maxSteps bounds what one vote reads and one statement holds.
	maxSteps = 2_000
)

// Release is a model that a vote let out.
type Release struct {
	Release    string `json:"release"`
	Training   string `json:"training"`
	Round      uint64 `json:"round"`
	State      string `json:"state"`
	ReleasedMS int64  `json:"released_ms"`
	// Statement is what members sign: its canonical JSON is the payload. Invariant: no transaction changes it.
	Statement json.RawMessage `json:"statement"`
	// Withdrawal is the statement that takes it back, null before a vote does.
	Withdrawal json.RawMessage `json:"withdrawal"`
}

func (r Release) withdrawn() bool { return len(r.Withdrawal) > 0 && string(r.Withdrawal) != "null" }

// File is a file of the exported model.
type File struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// ModelBody is the body of release_model.
type ModelBody struct {
	Release  string   `json:"release"`
	Training string   `json:"training"`
	Round    uint64   `json:"round"`
	Files    []File   `json:"files"`
	Evidence Evidence `json:"evidence"`
}

var fileName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$`)

// Check implements governance.Body.
func (b ModelBody) Check(governance.Parameters) error {
	if err := ledger.CheckID("release", b.Release); err != nil {
		return err
	}
	if err := ledger.CheckID("training", b.Training); err != nil {
		return err
	}
	if b.Round < 1 {
		return errcode.New(errcode.BadArgument, "round counts from 1")
	}
	if err := checkFiles(b.Files); err != nil {
		return err
	}
	if err := b.Evidence.check(); err != nil {
		return err
	}
	return ledger.CheckID("framework", b.Evidence.Framework)
}

func checkFiles(files []File) error {
	if len(files) < 1 || len(files) > maxFiles {
		return errcode.New(errcode.LimitExceeded, "%d files, must be 1 to %d", len(files), maxFiles)
	}
	for i, file := range files {
		if len(file.Name) > maxName || !fileName.MatchString(file.Name) {
			return errcode.New(errcode.BadArgument, "file %d: a name has at most %d characters, and no part that begins with a dot", i+1, maxName)
		}
		if i > 0 && files[i-1].Name >= file.Name {
			return errcode.New(errcode.BadArgument, "files must be in the order of their names, each once")
		}
		if err := ledger.CheckDigest(file.Name, file.SHA256); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(files, func(file File) bool { return file.Name == stateName }) {
		return errcode.New(errcode.BadArgument, "%q is the name of the state", stateName)
	}
	return nil
}

func key(id string) string { return ledger.Key("release", id) }

// Load reads a release.
func Load(s ledger.State, id string) (Release, error) {
	if err := ledger.CheckID("release", id); err != nil {
		return Release{}, err
	}
	release, found, err := ledger.Load[Release](s, key(id))
	if err == nil && !found {
		err = errcode.New(errcode.UnknownRelease, "%s", id)
	}
	return release, err
}

// Model executes release_model.
func Model(s ledger.State, env ledger.Env, body ModelBody) error {
	if _, exists, err := ledger.Load[Release](s, key(body.Release)); err != nil || exists {
		return either(err, errcode.New(errcode.ReleaseExists, "%s", body.Release))
	}
	statement, state, err := compose(s, env, body)
	if err != nil {
		return err
	}
	return ledger.Store(s, key(body.Release), Release{body.Release, body.Training, body.Round, state, env.TimeMS, statement, nil})
}

// WithdrawBody is the body of withdraw_model.
type WithdrawBody struct {
	Release string `json:"release"`
	Reason  string `json:"reason"`
}

// Check implements governance.Body.
func (b WithdrawBody) Check(governance.Parameters) error {
	if err := ledger.CheckID("release", b.Release); err != nil {
		return err
	}
	return ledger.CheckText("reason", b.Reason, maxReason)
}

// Withdraw executes withdraw_model. The statement that was signed stays on record: who holds a passport of it needs the withdrawal
// to know.
func Withdraw(s ledger.State, env ledger.Env, body WithdrawBody) error {
	release, err := Load(s, body.Release)
	if err != nil {
		return err
	}
	if release.withdrawn() {
		return errcode.New(errcode.ReleaseWithdrawn, "%s has been withdrawn", body.Release)
	}
	if release.Withdrawal, err = withdrawal(env, release, body.Reason); err != nil {
		return err
	}
	return ledger.Store(s, key(body.Release), release)
}

func canonical(statement any) (json.RawMessage, error) {
	raw, err := codec.Canonical(statement)
	if err != nil {
		return nil, errcode.New(errcode.LimitExceeded, "the statement cannot be encoded: %v", err)
	}
	return raw, nil
}

func either(err error, otherwise *errcode.Error) error {
	if err != nil {
		return err
	}
	return otherwise
}
