// hbench is the Go half of the benches. It probes the sidecar as the kubelet does, and it is
// the service that the sidecar checks. It uses loopback only.
//
//	hbench backend -wire grpc|mucp -listen A       a healthy service; -certificate FILE: with TLS
//	hbench blackhole -listen A                     accepts, and never answers
//	hbench direct -wire grpc|mucp -addr A -n N     N checks without a sidecar
//	hbench load -url U -n N|-d D -c C [-close]     N probes
//	hbench start -url U -runs N -- CMD ARGS        exec to the first 200
//	hbench exec -runs N -- CMD ARGS                exec to the exit of a one-shot
//	hbench flood -addr A                           HTTP/2 connections and requests that never end
//	hbench soak -n N -over D -- CMD ARGS           N probes while the service comes and goes
//
// Each prints one line of JSON; backend and blackhole print "ready" first.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sort"
)

func main() {
	commands := map[string]func([]string){
		"backend":   backend,
		"blackhole": blackhole,
		"direct":    direct,
		"load":      load,
		"start":     start,
		"exec":      execute,
		"flood":     flood,
		"soak":      soak,
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		die("expected one of backend, blackhole, direct, load, start, exec, flood, soak")
	}
	commands[os.Args[1]](os.Args[2:])
}

// Children that must not outlive this process.
var children []*exec.Cmd

func exit(code int) {
	for _, child := range children {
		child.Process.Kill()
		child.Wait()
	}
	os.Exit(code)
}

func die(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "hbench: "+format+"\n", args...)
	exit(2)
}

func print(value any) {
	line, err := json.Marshal(value)
	if err != nil {
		die("%v", err)
	}
	os.Stdout.Write(append(line, '\n'))
}

// loopback refuses every address that is not of this machine.
func loopback(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		die("address %q: %v", address, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		die("%q is not a loopback address", address)
	}
	return address
}

func listen(address string) net.Listener {
	listener, err := net.Listen("tcp", loopback(address))
	if err != nil {
		die("%v", err)
	}
	return listener
}

// percentile of unsorted values, q between 0 and 1.
func percentile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sort.Float64s(values)
	return values[int(float64(len(values)-1)*q)]
}
