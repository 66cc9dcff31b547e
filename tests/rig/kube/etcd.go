package main

import (
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
)

// etcd with all it has in one folder, which it makes and, at its end, removes. It listens on a socket there
// and nowhere else, so that no port can be taken. The API server's folder may be the same.
//
// A single member without durability: what a test stores need not outlive the machine, and an fsync per
// write is most of what a write costs.
func etcd() *cobra.Command {
	return &cobra.Command{
		Use:  "etcd FOLDER",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			folder := args[0]
			if err := os.Mkdir(folder, 0o700); err != nil {
				return err
			}
			defer os.RemoveAll(folder)
			// What interrupts a test comes here as well, and would leave the folder.
			signal.Ignore(os.Interrupt, syscall.SIGTERM)
			go func() {
				afterInput()
				os.RemoveAll(folder)
				os.Exit(0)
			}()
			config := embed.NewConfig()
			config.Dir = filepath.Join(folder, "data")
			config.UnsafeNoFsync = true
			config.LogLevel = "error"
			// Where others would find it stays as it is by default: there are no others.
			config.ListenClientUrls = socket(folder, "etcd.sock")
			config.ListenPeerUrls = socket(folder, "peers.sock")
			server, err := embed.StartEtcd(config)
			if err != nil {
				return err
			}
			return <-server.Err()
		},
	}
}

func socket(folder, name string) []url.URL {
	return []url.URL{{Scheme: "unix", Path: filepath.Join(folder, name)}}
}
