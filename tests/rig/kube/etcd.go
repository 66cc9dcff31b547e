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

// etcd with all its files in one folder, which it creates and, at its end, removes. It listens only on a socket
// there, so that no port can be in use already. The API server's folder may be the same.
//
// It is a single member without durability: a test's data need not outlive the machine, and an fsync is most of
// the time of a write.
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
			// A signal that interrupts a test arrives here too, and would leave the folder.
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
			// The peer URLs keep their defaults, because there are no peers.
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
