// Command replay runs a log of committed transactions through the contract's rules: JSON lines in, JSON lines out. The
// audit compares what it answers with what the blocks say.
//
// First line: {"state":[[key,base64]…],"definition":{…}|null,"blobs":DIR|null}. Then one line a transaction, in the order
// of the ledger; each is answered by {"txid","writes","response","event","error","checked","unchecked"}. A line with
// "evaluate" runs a query and is answered by {"result","error"}. A line with "correct", a list of [key, base64|null], puts
// what a ledger holds in the place of what the rules gave, and is answered by {}.
//
// Without blobs, what endorsers recomputed is named under "unchecked", and its outcome is taken as it was committed. Only
// the outcome: the rules still run to their end, and every write that follows from it is theirs. The outcome of a refused
// sum is the text of its refusal, which the line gives as "refusal".
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "replay:", err)
		os.Exit(1)
	}
}

// run answers every line of in on out.
func run(in io.Reader, out io.Writer) error {
	decoder, writer := json.NewDecoder(bufio.NewReader(in)), bufio.NewWriter(out)
	var first start
	if err := decoder.Decode(&first); err != nil {
		return fmt.Errorf("first line: %w", err)
	}
	session, err := open(first)
	if err != nil {
		return fmt.Errorf("first line: %w", err)
	}
	for {
		var next line
		if err := decoder.Decode(&next); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("a line: %w", err)
		}
		raw, err := json.Marshal(session.answer(next))
		if err != nil {
			return err
		}
		if _, err := writer.Write(append(raw, '\n')); err != nil {
			return err
		}
		if err := writer.Flush(); err != nil {
			return err
		}
	}
}
