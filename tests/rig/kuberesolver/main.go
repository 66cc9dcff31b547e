// kuberesolver under the grpc-go of its time as a command:
//
//	call TARGET [POLICY]   calls grpc.health.v1 twice a second
//	serve ADDRESS NAME     a health server that answers its name and the :authority of the call
//
// Both end with their standard input, and so with their parent process.
//
// Prints lines of JSON: every list of addresses that the resolver pushes, and every answer. Both clients
// share this source; release.go beside the go.mod names the release.
//
// Needs the environment of a pod: KUBERNETES_SERVICE_HOST and _PORT, a service account's folder. KAPI instead names
// an API server without TLS.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/resolver"
)

const (
	pause   = 500 * time.Millisecond
	timeout = 1500 * time.Millisecond
)

type line map[string]any

func main() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	switch {
	case len(os.Args) == 3 && os.Args[1] == "call":
		call(os.Args[2], "round_robin")
	case len(os.Args) == 4 && os.Args[1] == "call":
		call(os.Args[2], os.Args[3])
	case len(os.Args) == 4 && os.Args[1] == "serve":
		serve(os.Args[2], os.Args[3])
	}
	fmt.Fprintln(os.Stderr, "usage: call TARGET [POLICY] | serve ADDRESS NAME")
	os.Exit(2)
}

func say(what line) {
	text, err := json.Marshal(what)
	must(err)
	fmt.Println(string(text))
}

func must(err error) {
	if err != nil {
		say(line{"op": "end", "error": err.Error()})
		os.Exit(1)
	}
}

// === The lists of the resolver ===

type builder struct{ resolver.Builder }

type connection struct{ resolver.ClientConn }

func (b builder) Build(target resolver.Target, to resolver.ClientConn, options resolver.BuildOptions) (resolver.Resolver, error) {
	built, err := b.Builder.Build(target, connection{to}, options)
	if err != nil {
		say(line{"op": "build", "error": err.Error()})
	}
	return built, err
}

func (c connection) NewAddress(pushed []resolver.Address) {
	sayPushed(pushed)
	c.ClientConn.NewAddress(pushed)
}

func sayPushed(pushed []resolver.Address) {
	addresses, serverName := []string{}, ""
	for _, address := range pushed {
		addresses, serverName = append(addresses, address.Addr), address.ServerName
	}
	say(line{"op": "push", "addresses": addresses, "server_name": serverName})
}

// === The results of its callers ===

func call(target, policy string) {
	resolver.Register(builder{newBuilder(os.Getenv("KAPI"))})
	to, err := dial(target, grpc.WithInsecure(),
		grpc.WithDefaultServiceConfig(fmt.Sprintf(`{"loadBalancingPolicy":%q}`, policy)))
	must(err)
	for client := healthpb.NewHealthClient(to); ; time.Sleep(pause) {
		say(ask(client))
	}
}

func ask(client healthpb.HealthClient) line {
	within, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var from peer.Peer
	var headers metadata.MD
	answer, err := client.Check(within, &healthpb.HealthCheckRequest{}, grpc.Peer(&from), grpc.Header(&headers))
	if err != nil {
		return line{"op": "rpc", "error": err.Error()}
	}
	return line{"op": "rpc", "status": answer.GetStatus().String(), "peer": from.Addr.String(),
		"name": headers.Get("x-name"), "authority": headers.Get("x-authority")}
}

func serve(address, name string) {
	listener, err := net.Listen("tcp", address)
	must(err)
	named := func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		headers, _ := metadata.FromIncomingContext(ctx)
		authority := strings.Join(headers.Get(":authority"), ",")
		must(grpc.SetHeader(ctx, metadata.Pairs("x-name", name, "x-authority", authority)))
		return handle(ctx, request)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(named))
	healthpb.RegisterHealthServer(server, health.NewServer())
	say(line{"op": "serving", "address": listener.Addr().String()})
	must(server.Serve(listener))
}
