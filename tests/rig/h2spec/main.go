// h2spec, the conformance suite of HTTP/2 and HPACK, against a server in plaintext: `h2spec HOST:PORT PATH`.
//
// Prints a line for each case that did not pass, `failed http2/3.5/2 DESCRIPTION`, and a last line with the totals. The
// suite's own output goes to stderr. A failed case is no error of this command: the caller decides which may fail.
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

// How long the suite waits for a frame. On loopback a frame arrives at once or never.
const timeout = time.Second

// The length of the suite's long headers. The server may refuse longer ones.
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
		printCases(group, report)
		passed, failed, skipped = passed+group.PassedCount, failed+group.FailedCount, skipped+group.SkippedCount
	}
	fmt.Fprintf(report, "%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	return nil
}

// printCases prints the cases of a group that did not pass, the strict ones included.
func printCases(group *spec.TestGroup, report io.Writer) {
	for _, test := range append(group.Tests, group.StrictTests...) {
		if test.Result.Failed {
			fmt.Fprintf(report, "failed %s/%d %s\n", group.ID(), test.Result.Sequence, test.Desc)
		} else if test.Result.Skipped {
			fmt.Fprintf(report, "skipped %s/%d %s\n", group.ID(), test.Result.Sequence, test.Desc)
		}
	}
	for _, child := range group.Groups {
		printCases(child, report)
	}
}
