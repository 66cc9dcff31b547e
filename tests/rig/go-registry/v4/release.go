package main

import (
	"github.com/go-micro/plugins/v4/registry/kubernetes"
	"go-micro.dev/v4/registry"
)

type (
	Registry = registry.Registry
	Service  = registry.Service
	Watcher  = registry.Watcher
)

var (
	newRegistry  = kubernetes.NewRegistry
	addrs        = registry.Addrs
	watchService = registry.WatchService
)
