package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// direct checks the service as a sidecar would, but without one: over one kept
// connection in gRPC, over one connection each in mucp.
func direct(args []string) {
	flags := flag.NewFlagSet("direct", flag.ExitOnError)
	wire := flags.String("wire", "grpc", "grpc or mucp")
	address := flags.String("addr", "", "the backend")
	n := flags.Int("n", 1000, "calls")
	flags.Parse(args)
	loopback(*address)
	call := func(id int) error { return callMucp(*address, id) }
	if *wire == "grpc" {
		connection, err := grpc.NewClient("passthrough:///"+*address,
			grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
		if err != nil {
			die("%v", err)
		}
		call = func(int) error { return callGRPC(connection) }
	}
	const warmUp = 100
	var took []float64
	for i := range warmUp + *n {
		began := time.Now()
		if err := call(i); err != nil {
			die("%v", err)
		}
		if i >= warmUp {
			took = append(took, micros(time.Since(began)))
		}
	}
	print(map[string]any{"n": *n, "p50_us": percentile(took, .5), "p99_us": percentile(took, .99)})
}

func callMucp(address string, id int) error {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer connection.Close()
	body := fmt.Sprintf(`{"method":"Debug.Health","params":[{}],"id":"%d"}`, id)
	head := "POST / HTTP/1.1\r\nHost: " + address + "\r\nContent-Length: " + strconv.Itoa(len(body)) +
		"\r\nContent-Type: application/json-rpc\r\nAccept: application/json-rpc\r\nTimeout: 900000000\r\n"
	for _, family := range []string{"", "X-"} {
		head += family + "Micro-Method: Debug.Health\r\n" + family + "Micro-Endpoint: Debug.Health\r\n" +
			family + "Micro-Id: " + strconv.Itoa(id) + "\r\n" + family + "Micro-Service: greeter\r\n"
	}
	if _, err := connection.Write([]byte(head + "\r\n" + body)); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return err
	}
	var answer struct{ Result struct{ Status string } }
	var read bytes.Buffer
	if _, err := read.ReadFrom(response.Body); err != nil {
		return err
	}
	if err := json.Unmarshal(read.Bytes(), &answer); err != nil || answer.Result.Status != "ok" {
		return fmt.Errorf("answered %q", read.Bytes())
	}
	return nil
}

func micros(took time.Duration) float64 { return float64(took.Nanoseconds()) / 1e3 }
