// The kubelet's own prober as a command: probes once, as the kubelet would, and prints the result.
//
//	prober http URL TIMEOUT [HEADER: VALUE]...
//	prober grpc HOST PORT SERVICE TIMEOUT
//
// One line of JSON on stdout: result (success, warning, failure, unknown), the message that the kubelet
// would put into the event, the error for which it would probe again, and the time in milliseconds.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"k8s.io/kubernetes/pkg/probe"
	kgrpc "k8s.io/kubernetes/pkg/probe/grpc"
	khttp "k8s.io/kubernetes/pkg/probe/http"
)

type outcome struct {
	Result  probe.Result `json:"result"`
	Message string       `json:"message"`
	Error   string       `json:"error"`
	Millis  int64        `json:"millis"`
}

func main() {
	ask, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "prober:", err)
		os.Exit(2)
	}
	started := time.Now()
	result, message, err := ask()
	found := outcome{Result: result, Message: message, Millis: time.Since(started).Milliseconds()}
	if err != nil {
		found.Error = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		fmt.Fprintln(os.Stderr, "prober:", err)
		os.Exit(1)
	}
}

func parse(args []string) (func() (probe.Result, string, error), error) {
	switch {
	case len(args) >= 3 && args[0] == "http":
		return parseHTTP(args[1], args[2], args[3:])
	case len(args) == 5 && args[0] == "grpc":
		return parseGRPC(args[1], args[2], args[3], args[4])
	}
	return nil, fmt.Errorf("usage: prober http URL TIMEOUT [HEADER: VALUE]... | prober grpc HOST PORT SERVICE TIMEOUT")
}

// A request and a prober as pkg/kubelet/prober makes them for httpGet: redirects to other hosts are not followed.
func parseHTTP(address, limit string, headers []string) (func() (probe.Result, string, error), error) {
	target, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	timeout, err := time.ParseDuration(limit)
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	for _, line := range headers {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("a header is NAME: VALUE, not %q", line)
		}
		header.Add(name, strings.TrimSpace(value))
	}
	request, err := khttp.NewProbeRequest(target, header)
	if err != nil {
		return nil, err
	}
	return func() (probe.Result, string, error) { return khttp.New(false).Probe(request, timeout) }, nil
}

func parseGRPC(host, number, service, limit string) (func() (probe.Result, string, error), error) {
	port, err := strconv.Atoi(number)
	if err != nil {
		return nil, err
	}
	timeout, err := time.ParseDuration(limit)
	if err != nil {
		return nil, err
	}
	return func() (probe.Result, string, error) { return kgrpc.New().Probe(host, service, port, timeout) }, nil
}
