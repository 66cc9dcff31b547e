package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"time"
)

// prober probes one URL with the kubelet's headers: on one connection for all probes, or
// on one each with SO_LINGER 1 as the kubelet does.
type prober struct {
	address, path string
	close         bool
	patience      time.Duration
	kept          net.Conn
	reader        *bufio.Reader
}

func newProber(address string, close bool, patience time.Duration) *prober {
	parsed, err := url.Parse(address)
	if err != nil {
		die("%v", err)
	}
	return &prober{address: loopback(parsed.Host), path: parsed.RequestURI(), close: close, patience: patience}
}

// probe returns the status. After an error the next probe dials anew.
func (p *prober) probe() (int, error) {
	code, err := p.ask()
	if p.close || err != nil {
		p.hangUp()
	}
	return code, err
}

func (p *prober) hangUp() {
	if p.kept != nil {
		p.kept.Close()
		p.kept = nil
	}
}

func (p *prober) ask() (int, error) {
	deadline := time.Now().Add(p.patience)
	if p.kept == nil {
		connection, err := net.DialTimeout("tcp", p.address, p.patience)
		if err != nil {
			return 0, err
		}
		if p.close {
			connection.(*net.TCPConn).SetLinger(1)
		}
		p.kept, p.reader = connection, bufio.NewReader(connection)
	}
	p.kept.SetDeadline(deadline)
	head := "GET " + p.path + " HTTP/1.1\r\nHost: " + p.address + "\r\nUser-Agent: kube-probe/1.34\r\nAccept: */*\r\n"
	if p.close {
		head += "Connection: close\r\n"
	}
	if _, err := p.kept.Write([]byte(head + "\r\n")); err != nil {
		return 0, err
	}
	return p.answer()
}

// answer reads one response. It is written by hand because net/http's client costs more than the sidecar.
func (p *prober) answer() (int, error) {
	line, err := p.reader.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, fmt.Errorf("not HTTP: %q", line)
	}
	code, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return 0, err
	}
	length := -1
	for len(line) > len("\r\n") {
		if line, err = p.reader.ReadSlice('\n'); err != nil {
			return 0, err
		}
		if name, value, found := bytes.Cut(line, []byte(":")); found && bytes.EqualFold(name, []byte("content-length")) {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
	}
	if length < 0 {
		return 0, fmt.Errorf("no content-length")
	}
	if _, err := p.reader.Discard(length); err != nil {
		return 0, err
	}
	if p.close {
		// The sidecar closes first, and with FIN.
		if _, err := p.reader.ReadByte(); err != io.EOF {
			return 0, fmt.Errorf("after the answer: %v", err)
		}
	}
	return code, nil
}
