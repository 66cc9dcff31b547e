package main

import (
	"github.com/micro/go-micro/v2/registry"
	"github.com/micro/go-micro/v2/registry/kubernetes"
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
