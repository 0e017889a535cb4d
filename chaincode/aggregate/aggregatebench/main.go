// Command aggregatebench measures what an endorser does for an aggregate, for benchmarks/aggregate.py.
//
//	aggregatebench prepare DIR COHORT SLOTS DROPOUTS GROUPS   plays a round, in groups unless 0; writes its blobs and inputs
//	aggregatebench verify DIR REPEAT                   verifies it from files and prints its figures as JSON
//	aggregatebench checked DIR REPEAT                  the same after each update was checked, as at an endorser of their commits
//	aggregatebench hash DIR REPEAT                     hashes the same files with SHA-256 in one goroutine
//
// Each figure comes from a process of its own, so that the peak of its memory is its own. Times are the best of the
// repetitions: the rest is what else the machine does, and a process's first faults.
package main

import (
	"crypto/sha256"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/aggregate/aggregatetest"
	"fedledger/chaincode/mode/robust"
)

// patience is the time after which nothing is repeated any more.
const patience = 5 * time.Second

const usage = "usage: aggregatebench prepare DIR COHORT SLOTS DROPOUTS GROUPS | verify|checked|hash DIR REPEAT"

// work is what is measured, made ready anew for each repetition.
type work func(folder string, in aggregate.Inputs) (timed func() error, err error)

var works = map[string]work{"verify": verify, "checked": checked, "hash": hash}

func main() {
	gob.Register(robust.Rule{})
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 6 && arguments[0] == "prepare":
		return prepare(arguments[1], arguments[2:])
	case len(arguments) == 3 && works[arguments[0]] != nil:
		return measure(arguments[1], arguments[2], works[arguments[0]])
	default:
		return fmt.Errorf("%s", usage)
	}
}

func prepare(folder string, sizes []string) error {
	var numbers [4]int
	for i, size := range sizes {
		number, err := strconv.Atoi(size)
		if err != nil {
			return err
		}
		numbers[i] = number
	}
	options := aggregatetest.Options{Cohort: numbers[0], Fast: true, Layout: fmt.Sprintf(
		`{"version":1,"count":null,"segments":[{"name":"a","kind":"value","word":32,"ring":32,"max":32767,"slots":%d}]}`, numbers[1])}
	for i := range numbers[2] {
		options.Dropouts = append(options.Dropouts, i*numbers[0]/numbers[2])
	}
	for place := 0; numbers[3] > 0 && place < numbers[0]; place++ {
		options.Groups, options.Rule = append(options.Groups, place%numbers[3]), robust.Rule{Kind: "trimmed_mean", Faulty: (numbers[3] - 1) / 2, Bound: true}
	}
	round := aggregatetest.Play(options)
	for digest, blob := range round.Blobs {
		name := hex.EncodeToString(digest[:])
		if err := os.MkdirAll(filepath.Join(folder, name[:2]), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, name[:2], name), blob, 0o600); err != nil {
			return err
		}
	}
	file, err := os.Create(filepath.Join(folder, "inputs"))
	if err != nil {
		return err
	}
	if err := gob.NewEncoder(file).Encode(round.Inputs); err != nil {
		return err
	}
	return file.Close()
}

func verify(folder string, in aggregate.Inputs) (func() error, error) {
	return func() error {
		_, err := aggregate.Verify(in, aggregate.Folder(folder))
		return err
	}, nil
}

func checked(folder string, in aggregate.Inputs) (func() error, error) {
	verifier := aggregate.NewVerifier(aggregate.Folder(folder), aggregate.Limits{Inline: time.Hour, Patience: time.Hour})
	for _, participant := range in.Cohort {
		if participant.Survivor {
			if err := verifier.CheckUpdate(participant.Update, in.Layout, participant.ID); err != nil {
				return nil, err
			}
		}
	}
	return func() error {
		_, err := verifier.Verify(in)
		return err
	}, nil
}

func hash(folder string, in aggregate.Inputs) (func() error, error) {
	return func() error { return hashAll(folder, in) }, nil
}

func hashAll(folder string, in aggregate.Inputs) error {
	buffer := make([]byte, 128<<10)
	for _, participant := range in.Cohort {
		if !participant.Survivor {
			continue
		}
		file, err := aggregate.Folder(folder).Open(participant.Update)
		if err != nil {
			return err
		}
		sum := sha256.New()
		if _, err := io.CopyBuffer(struct{ io.Writer }{sum}, struct{ io.Reader }{file}, buffer); err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
		if aggregate.Digest(sum.Sum(nil)) != participant.Update {
			return aggregate.ErrBlob
		}
	}
	return nil
}

// measure repeats the work and prints its best wall and CPU seconds, the estimate, and the peak of resident memory.
func measure(folder, repeat string, work work) error {
	times, err := strconv.Atoi(repeat)
	if err != nil {
		return err
	}
	file, err := os.Open(filepath.Join(folder, "inputs"))
	if err != nil {
		return err
	}
	var in aggregate.Inputs
	if err := gob.NewDecoder(file).Decode(&in); err != nil {
		return err
	}
	bestWall, bestCPU := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	for end := time.Now().Add(patience); times > 0 && time.Now().Before(end); times-- {
		timed, err := work(folder, in)
		if err != nil {
			return err
		}
		runtime.GC()
		before, start := cpu(), time.Now()
		if err := timed(); err != nil {
			return err
		}
		bestWall, bestCPU = min(bestWall, time.Since(start)), min(bestCPU, cpu()-before)
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"seconds": bestWall.Seconds(), "cpu_seconds": bestCPU.Seconds(), "estimated_seconds": in.Cost().Seconds(),
		"peak_bytes": peak(), "cores": runtime.GOMAXPROCS(0),
	})
}

func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// peak is the largest resident set so far; Linux only, else zero.
func peak() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmHWM:" {
			kibibytes, _ := strconv.Atoi(fields[1])
			return kibibytes << 10
		}
	}
	return 0
}
