// The programs of a node and its controllers as one program: `node kubelet FLAGS`,
// `node kube-scheduler FLAGS`, `node kube-controller-manager FLAGS`.
//
// It is one program, because the three share most of their packages. It is apart from the control plane, which
// `just registry` builds without a node. Each ends with its standard input, whose other end its parent process
// holds, so that none stays however the parent ends.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	command := program(os.Args[1:])
	if command == nil {
		fmt.Fprintln(os.Stderr, "usage: node kubelet|kube-scheduler|kube-controller-manager FLAGS")
		os.Exit(2)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	os.Args = os.Args[1:]
	os.Exit(cli.Run(command))
}

func program(args []string) *cobra.Command {
	if len(args) == 0 {
		return nil
	}
	switch args[0] {
	case "kubelet":
		return kubelet.NewKubeletCommand(context.Background())
	case "kube-scheduler":
		return scheduler.NewSchedulerCommand()
	case "kube-controller-manager":
		return controllers.NewControllerManagerCommand()
	}
	return nil
}
