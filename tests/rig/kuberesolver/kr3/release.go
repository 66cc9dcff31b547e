package main

import (
	"github.com/sercand/kuberesolver/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/resolver"
)

var dial = grpc.Dial

func newBuilder(address string) resolver.Builder {
	if address == "" {
		return kuberesolver.NewBuilder(nil, "kubernetes")
	}
	return kuberesolver.NewBuilder(kuberesolver.NewInsecureK8sClient(address), "kubernetes")
}

func (c connection) UpdateState(state resolver.State) {
	sayPushed(state.Addresses)
	c.ClientConn.UpdateState(state)
}
