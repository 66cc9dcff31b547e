package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
)

// The number of requests so far, printed on SIGHUP.
var connections, calls atomic.Int64

// backend is a healthy go-micro service: it serves any /NAME.Debug/Health over gRPC, or
// Debug.Health over mucp, each answered with the bytes that go-micro sends. For probes
// that call nothing else it serves grpc.health.v1 too.
func backend(args []string) {
	flags := flag.NewFlagSet("backend", flag.ExitOnError)
	wire := flags.String("wire", "grpc", "grpc or mucp")
	address := flags.String("listen", "", "loopback host:port")
	certificate := flags.String("certificate", "", "speak TLS, and leave the certificate in this file (grpc)")
	flags.Parse(args)
	var options []grpc.ServerOption
	if *certificate != "" {
		options = append(options, secured(*certificate))
	}
	listener := counted{listen(*address)}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	go func() {
		for range hangup {
			print(map[string]int64{"connections": connections.Load(), "calls": calls.Load()})
		}
	}()
	fmt.Println("ready")
	switch *wire {
	case "grpc":
		die("%v", grpcServer(options...).Serve(listener))
	case "mucp":
		for {
			go mucp(accept(listener))
		}
	}
	die("-wire=%s", *wire)
}

func blackhole(args []string) {
	flags := flag.NewFlagSet("blackhole", flag.ExitOnError)
	address := flags.String("listen", "", "loopback host:port")
	flags.Parse(args)
	listener := listen(*address)
	fmt.Println("ready")
	for {
		connection := accept(listener)
		// Reads only so that the peer's writes succeed.
		go bufio.NewReader(connection).WriteTo(discard{})
	}
}

type discard struct{}

func (discard) Write(bytes []byte) (int, error) { return len(bytes), nil }

func accept(listener net.Listener) net.Conn {
	connection, err := listener.Accept()
	if err != nil {
		die("%v", err)
	}
	return connection
}

type counted struct{ net.Listener }

func (listener counted) Accept() (net.Conn, error) {
	connection, err := listener.Listener.Accept()
	if err == nil {
		connections.Add(1)
	}
	return connection, err
}

// === gRPC ===

func grpcServer(options ...grpc.ServerOption) *grpc.Server {
	// HealthResponse{status: "ok"} and HealthCheckResponse{status: SERVING}
	healthy, serving := message("\x0a\x02ok"), message("\x08\x01")
	return grpc.NewServer(append(options,
		grpc.ForceServerCodecV2(raw{}),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			calls.Add(1)
			var request message
			if err := stream.RecvMsg(&request); err != nil {
				return err
			}
			method, _ := grpc.MethodFromServerStream(stream)
			switch {
			case strings.HasSuffix(method, ".Debug/Health"):
				return stream.SendMsg(&healthy)
			case method == "/grpc.health.v1.Health/Check":
				return stream.SendMsg(&serving)
			}
			return status.Errorf(codes.Unimplemented, "unknown method %s", method)
		}))...)
}

// message is protobuf as bytes; raw is the codec that passes it unchanged.
type message []byte
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(value any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*value.(*message))}, nil
}

func (raw) Unmarshal(data mem.BufferSlice, value any) error {
	*value.(*message) = data.Materialize()
	return nil
}

func callGRPC(connection *grpc.ClientConn) error {
	var request, response message
	err := connection.Invoke(context.Background(), "/greeter.Debug/Health", &request, &response, grpc.ForceCodecV2(raw{}))
	if err == nil && string(response) != "\x0a\x02ok" {
		err = fmt.Errorf("answered %q", response)
	}
	return err
}

// === mucp ===

// mucp serves one connection. The bytes are the same from go-micro v1.8 to v5.30.
func mucp(connection net.Conn) {
	defer connection.Close()
	reader := bufio.NewReader(connection)
	for {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		var call struct{ ID string }
		if err := json.NewDecoder(request.Body).Decode(&call); err != nil {
			return
		}
		calls.Add(1)
		body := fmt.Sprintf(`{"id":%q,"result":{"status":"ok"},"error":null}`+"\n", call.ID)
		answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\nAccept: application/json-rpc\r\nContent-Type: application/json-rpc\r\n", len(body))
		for _, name := range []string{
			"Micro-Endpoint", "Micro-Id", "Micro-Method", "Micro-Service", "Timeout",
			"X-Micro-Endpoint", "X-Micro-Id", "X-Micro-Method", "X-Micro-Service",
		} {
			answer += name + ": " + request.Header.Get(name) + "\r\n"
		}
		if _, err := connection.Write([]byte(answer + "\r\n" + body)); err != nil {
			return
		}
	}
}
