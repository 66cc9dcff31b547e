package main

import (
	"bufio"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The bounds of the time that the service stays up, and stays down, while it is restarted.
const (
	upFor   = 2 * time.Second
	downFor = time.Second
)

// The number of probers: half of them keep their connection, half use one for each probe.
const probers = 16

// The timeout of a probe. An answer takes at most check_timeout and 10 ms.
const patience = 2 * time.Second

// RSS may grow by this in the second half, for a few pages that the first half did not touch.
const maxGrowthKB = 128

// soak spreads N probes over D. In the second and the fourth quarter the service is
// killed and started again and again.
//
// An answer is wrong if it is 200 although the service was down from before the probe
// until after its answer, or anything else although it was up for all that time. Up
// begins when the service listens and the probes of before have been answered, so the
// first probe after that must be 200 already. A probe without an answer is always wrong.
func soak(args []string) {
	flags := flag.NewFlagSet("soak", flag.ExitOnError)
	n := flags.Int("n", 100_000, "probes")
	over := flags.Duration("over", time.Minute, "spread over")
	flags.Parse(args)

	service := &service{address: freeAddress()}
	service.start()
	sidecar := startSidecar(flags.Args(), service.address)
	one := newProber(sidecar.url, true, patience)
	for code := 0; code != 200; code, _ = one.probe() {
		time.Sleep(10 * time.Millisecond)
	}
	before := sidecar.sample()

	var report report
	began := time.Now()
	var workers sync.WaitGroup
	for worker := range probers {
		workers.Go(func() {
			prober := newProber(sidecar.url, worker%2 == 0, patience)
			for i := range *n / probers {
				due := began.Add(*over * time.Duration(i*probers+worker) / time.Duration(*n))
				time.Sleep(time.Until(due))
				report.judge(service, prober)
			}
			prober.hangUp()
		})
	}
	finished := make(chan struct{})
	go func() { workers.Wait(); close(finished) }()

	quarters := []sample{}
	for quarter := range 4 {
		end := began.Add(*over * time.Duration(quarter+1) / 4)
		for quarter%2 == 1 && time.Until(end) > upFor+downFor {
			time.Sleep(upFor)
			service.kill()
			time.Sleep(downFor)
			service.start()
		}
		time.Sleep(time.Until(end))
		quarters = append(quarters, sidecar.sample())
		fmt.Fprintf(os.Stderr, "quarter %d: %+v, %s\n", quarter+1, quarters[quarter], report.line())
	}
	<-finished
	waiting := timeWait()
	after := sidecar.sample()
	for wait := 0; wait < 50 && after.FDs > before.FDs; wait++ {
		time.Sleep(100 * time.Millisecond)
		after = sidecar.sample()
	}
	growth := quarters[3].RSS - quarters[1].RSS
	service.kill()
	print(map[string]any{
		"probes": report.total.Load(), "seconds": time.Since(began).Seconds(), "restarts": service.starts - 1,
		"answers_200": report.healthy.Load(), "judged": report.judged.Load(), "wrong": report.wrong.Load(), "first_wrong": report.first.Load(),
		"rss_kb": map[string]int{"before": before.RSS, "half": quarters[1].RSS, "end": quarters[3].RSS, "growth_2nd_half": growth},
		"fds":    map[string]int{"before": before.FDs, "after": after.FDs}, "time_wait": waiting,
	})
	failed := report.wrong.Load() > 0 || growth > maxGrowthKB || after.FDs > before.FDs
	// .ci/run counts these lines.
	if failed {
		fmt.Println("test result: FAILED. 0 passed; 1 failed; of the soak: wrong answers, RSS that grows, or descriptors that stay")
		exit(1)
	}
	fmt.Println("test result: ok. 1 passed; 0 failed; of the soak")
	exit(0)
}

// === The service ===

type service struct {
	address string
	command *exec.Cmd
	starts  int
	// Probes hold it for reading, so that up and down begin with none in flight.
	quiet sync.RWMutex
	state atomic.Int32
}

const (
	changing int32 = iota
	up
	down
)

func (s *service) start() {
	s.state.Store(changing)
	self, err := os.Executable()
	if err != nil {
		die("%v", err)
	}
	s.command = exec.Command(self, "backend", "-listen", s.address)
	stdout, err := s.command.StdoutPipe()
	if err == nil {
		err = s.command.Start()
	}
	if err != nil {
		die("%v", err)
	}
	children = append(children, s.command)
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		die("the service did not start: %q %v", line, err)
	}
	s.starts++
	s.settle(up)
}

func (s *service) kill() {
	s.state.Store(changing)
	s.command.Process.Kill()
	s.command.Wait()
	s.settle(down)
}

func (s *service) settle(state int32) {
	s.quiet.Lock()
	defer s.quiet.Unlock()
	s.state.Store(state)
}

// === The sidecar ===

type sidecar struct {
	command *exec.Cmd
	url     string
}

type sample struct{ RSS, FDs int }

func startSidecar(argv []string, service string) sidecar {
	address := freeAddress()
	fill := strings.NewReplacer("{listen}", address, "{backend}", service)
	for i := range argv {
		argv[i] = fill.Replace(argv[i])
	}
	command := exec.Command(argv[0], argv[1:]...)
	if err := command.Start(); err != nil {
		die("%v", err)
	}
	children = append(children, command)
	return sidecar{command, "http://" + address + "/health"}
}

func (s sidecar) sample() sample {
	folder := fmt.Sprintf("/proc/%d/", s.command.Process.Pid)
	status, err := os.ReadFile(folder + "status")
	if err != nil {
		die("the sidecar is gone: %v", err)
	}
	var rss int
	_, line, _ := strings.Cut(string(status), "VmRSS:")
	fmt.Sscan(line, &rss)
	fds, _ := os.ReadDir(folder + "fd")
	return sample{rss, len(fds)}
}

// === The report ===

type report struct {
	total, judged, healthy, wrong atomic.Int64
	first                         atomic.Value
}

func (r *report) judge(service *service, prober *prober) {
	service.quiet.RLock()
	defer service.quiet.RUnlock()
	before := service.state.Load()
	code, err := prober.probe()
	after := service.state.Load()
	r.total.Add(1)
	if code == 200 {
		r.healthy.Add(1)
	}
	stable := before == after && before != changing
	if stable {
		r.judged.Add(1)
	}
	if err != nil || stable && (code == 200) != (before == up) {
		r.wrong.Add(1)
		answer := fmt.Sprint(code)
		if err != nil {
			answer = err.Error()
		}
		r.first.CompareAndSwap(nil, answer+" while "+[]string{"changing", "up", "down"}[before])
	}
}

func (r *report) line() string {
	return fmt.Sprintf("%d probes, %d healthy, %d wrong", r.total.Load(), r.healthy.Load(), r.wrong.Load())
}

func freeAddress() string {
	listener := listen("127.0.0.1:0")
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).String()
}

// timeWait counts the sockets of this machine in TIME_WAIT.
func timeWait() int {
	table, _ := os.ReadFile("/proc/net/tcp")
	count := 0
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); len(fields) > 3 && fields[3] == "06" {
			count++
		}
	}
	return count
}
