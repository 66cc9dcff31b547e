// The Kubernetes registry of one go-micro release as a command:
//
//	register NAME | deregister NAME | get NAME | list | watch [NAME]
//
// Prints lines of JSON: the services found, the events of a watch, or the error. A watch ends with its standard
// input, and so with its parent process. All clients share this source; release.go beside the go.mod names the
// release.
//
// Needs the environment of a pod: HOSTNAME, KUBERNETES_SERVICE_HOST and _PORT, a service account's folder. REGADDR
// instead names an API server without TLS; the registry then assumes the namespace `default`. SVC_JSON is
// the service to register or deregister, if it is not the greeter below.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

type found struct {
	// create, update or delete; "watching" before the first of them.
	Action   string     `json:"action,omitempty"`
	Services []*Service `json:"services"`
	Error    string     `json:"error"`
}

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	name := ""
	if len(os.Args) > 2 {
		name = os.Args[2]
	}
	client := connect()
	switch os.Args[1] {
	case "register":
		end(nil, client.Register(service(name)))
	case "deregister":
		end(nil, client.Deregister(service(name)))
	case "get":
		end(client.GetService(name))
	case "list":
		end(client.ListServices())
	case "watch":
		watch := func() (Watcher, error) { return client.Watch() }
		if name != "" {
			watch = func() (Watcher, error) { return client.Watch(watchService(name)) }
		}
		follow(watch())
	default:
		usage()
	}
}

func connect() Registry {
	if address := os.Getenv("REGADDR"); address != "" {
		return newRegistry(addrs(address))
	}
	return newRegistry()
}

func follow(watcher Watcher, err error) {
	if err != nil {
		end(nil, err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	say(found{Action: "watching"})
	for {
		event, err := watcher.Next()
		if err != nil {
			end(nil, err)
		}
		say(found{Action: event.Action, Services: []*Service{event.Service}})
	}
}

// A greeter as a generator's handler would describe it, on an address that no host has.
func service(name string) *Service {
	text := os.Getenv("SVC_JSON")
	if text == "" {
		text = fmt.Sprintf(`{"name":%q,"version":"latest","metadata":null,"endpoints":[{"name":"Greeter.Hello",
"request":{"name":"HelloRequest","type":"HelloRequest","values":[{"name":"name","type":"string","values":null}]},
"response":{"name":"HelloResponse","type":"HelloResponse","values":[{"name":"greeting","type":"string","values":null}]},
"metadata":{}}],"nodes":[{"id":"%s-11111111-2222-3333-4444-555555555555","address":"10.1.0.112:8080",
"metadata":{"broker":"http","protocol":"grpc","registry":"kubernetes","server":"grpc","transport":"grpc"}}]}`, name, name)
	}
	service := &Service{}
	if err := json.Unmarshal([]byte(text), service); err != nil {
		panic(err)
	}
	return service
}

func say(what found) {
	line, err := json.Marshal(what)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

func end(services []*Service, err error) {
	if err != nil {
		say(found{Error: err.Error()})
		os.Exit(1)
	}
	say(found{Services: services})
	os.Exit(0)
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: register NAME | deregister NAME | get NAME | list | watch [NAME]")
	os.Exit(2)
}
