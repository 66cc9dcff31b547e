package main

import (
	"github.com/micro/go-micro/registry"
	"github.com/micro/go-plugins/registry/kubernetes"
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
