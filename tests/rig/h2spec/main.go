// h2spec, the conformance suite of HTTP/2 and HPACK, against a server in plaintext: `h2spec HOST:PORT PATH`.
//
// Prints a line for each case that did not pass, `failed http2/3.5/2 DESCRIPTION`, and a last line of totals. What the
// suite says while it runs goes to stderr. Fails only where it could not run: its caller knows what may fail.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	"github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"
)

// The suite waits as long for a frame that a server owes it. On loopback it comes at once or never.
const timeout = time.Second

// The length that the suite's long headers have: the server refuses longer ones by right.
const maxHeaderLength = 4000

func main() {
	report := os.Stdout
	os.Stdout = os.Stderr
	if err := run(os.Args[1:], report); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string, report io.Writer) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: h2spec HOST:PORT PATH")
	}
	host, service, err := net.SplitHostPort(args[0])
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(service)
	if err != nil {
		return err
	}
	server := &config.Config{
		Host: host, Port: port, Path: args[1], Timeout: timeout, MaxHeaderLen: maxHeaderLength, Strict: true,
	}
	passed, failed, skipped := 0, 0, 0
	for _, group := range []*spec.TestGroup{generic.Spec(), http2.Spec(), hpack.Spec()} {
		group.Test(server)
		tell(group, report)
		passed, failed, skipped = passed+group.PassedCount, failed+group.FailedCount, skipped+group.SkippedCount
	}
	fmt.Fprintf(report, "%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	return nil
}

// Prints the cases of a group that did not pass; the strict ones ran as well.
func tell(group *spec.TestGroup, report io.Writer) {
	for _, test := range append(group.Tests, group.StrictTests...) {
		if test.Result.Failed {
			fmt.Fprintf(report, "failed %s/%d %s\n", group.ID(), test.Result.Sequence, test.Desc)
		} else if test.Result.Skipped {
			fmt.Fprintf(report, "skipped %s/%d %s\n", group.ID(), test.Result.Sequence, test.Desc)
		}
	}
	for _, child := range group.Groups {
		tell(child, report)
	}
}
