// A Kubernetes control plane as one program: `kube etcd FOLDER`, `kube kube-apiserver FLAGS`.
//
// It is one program, because the two share most of their packages. Each ends with its standard input, whose other
// end its parent process holds, so that neither stays however the parent ends.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	command := program(os.Args[1:])
	if command == nil {
		fmt.Fprintln(os.Stderr, "usage: kube etcd FOLDER | kube kube-apiserver FLAGS")
		os.Exit(2)
	}
	os.Args = os.Args[1:]
	os.Exit(cli.Run(command))
}

func program(args []string) *cobra.Command {
	switch {
	case len(args) == 0:
		return nil
	case args[0] == "etcd":
		return etcd()
	case args[0] == "kube-apiserver":
		go func() {
			afterInput()
			os.Exit(0)
		}()
		return apiserver.NewAPIServerCommand()
	}
	return nil
}

// Returns when standard input has ended.
func afterInput() {
	_, _ = io.Copy(io.Discard, os.Stdin)
}
