package main

import (
	"encoding/binary"
	"flag"
	"net"
	"sync"
	"time"
)

// flood opens more HTTP/2 connections than the sidecar keeps, and holds them. Each has more requests than
// the sidecar accepts, with bodies that never end. The caller reads how much memory that uses.
func flood(args []string) {
	flags := flag.NewFlagSet("flood", flag.ExitOnError)
	addr := flags.String("addr", "", "whom to flood, on loopback")
	connections := flags.Int("connections", 400, "connections")
	streams := flags.Int("streams", 64, "requests on each")
	hold := flags.Duration("hold", 2*time.Second, "how long to hold them")
	flags.Parse(args)

	request := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	request = append(request, frame(settings, 0, 0, nil)...)
	for i := 0; i < *streams; i++ {
		id := uint32(2*i + 1)
		request = append(request, frame(headers, endHeaders, id, post("/health"))...)
		request = append(request, frame(data, 0, id, make([]byte, 1024))...)
	}
	var held sync.WaitGroup
	end := time.Now().Add(*hold)
	for i := 0; i < *connections; i++ {
		held.Add(1)
		go func() {
			defer held.Done()
			conn, err := net.DialTimeout("tcp", *addr, time.Second)
			if err != nil {
				return
			}
			defer conn.Close()
			conn.SetDeadline(end)
			conn.Write(request)
			// Reads until the sidecar hangs up or the run ends, and acknowledges nothing.
			for answer := make([]byte, 4096); err == nil; {
				_, err = conn.Read(answer)
			}
		}()
	}
	held.Wait()
	print(map[string]any{"connections": *connections, "streams": *streams})
}

// Frames of RFC 9113, §6.
const (
	data, headers, settings = 0, 1, 4
	endHeaders              = 4
)

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	head = append(head, flags)
	return append(binary.BigEndian.AppendUint32(head, stream), payload...)
}

// post is a header block of RFC 7541 without Huffman or a dynamic table.
func post(path string) []byte {
	block := []byte{0x83, 0x86, 0x04, byte(len(path))}
	block = append(block, path...)
	return append(block, 0x01, 1, 'h')
}
