package main

import (
	"flag"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"
)

// load probes as fast as it can.
func load(args []string) {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	address := flags.String("url", "", "URL")
	n := flags.Int64("n", 1<<62, "probes in all")
	duration := flags.Duration("d", time.Hour, "or until then")
	c := flags.Int("c", 1, "at once")
	close := flags.Bool("close", false, "one connection each")
	patience := flags.Duration("timeout", 10*time.Second, "per probe")
	flags.Parse(args)

	var left atomic.Int64
	left.Store(*n)
	var sum tally
	began := time.Now()
	var workers sync.WaitGroup
	for range *c {
		workers.Go(func() {
			prober := newProber(*address, *close, *patience)
			var took []float64
			ok := 0
			for left.Add(-1) >= 0 && time.Since(began) < *duration {
				start := time.Now()
				code, err := prober.probe()
				took = append(took, micros(time.Since(start)))
				if code == 200 && err == nil {
					ok++
				}
			}
			sum.add(took, ok)
		})
	}
	workers.Wait()
	total := len(sum.took)
	print(map[string]any{
		"n": total, "not_200": total - sum.ok, "rps": float64(total) / time.Since(began).Seconds(),
		"p50_us": percentile(sum.took, .5), "p99_us": percentile(sum.took, .99), "max_us": percentile(sum.took, 1),
	})
}

type tally struct {
	lock sync.Mutex
	took []float64
	ok   int
}

func (sum *tally) add(took []float64, ok int) {
	sum.lock.Lock()
	defer sum.lock.Unlock()
	sum.took = append(sum.took, took...)
	sum.ok += ok
}

// start measures from before the fork to the first 200.
func start(args []string) {
	flags := flag.NewFlagSet("start", flag.ExitOnError)
	address := flags.String("url", "", "URL")
	runs := flags.Int("runs", 15, "runs")
	flags.Parse(args)
	var took []float64
	for range *runs {
		command := exec.Command(flags.Arg(0), flags.Args()[1:]...)
		began := time.Now()
		if err := command.Start(); err != nil {
			die("%v", err)
		}
		prober := newProber(*address, true, time.Second)
		code := 0
		for code != 200 && time.Since(began) < 10*time.Second {
			code, _ = prober.probe()
		}
		took = append(took, micros(time.Since(began))/1e3)
		command.Process.Kill()
		command.Wait()
		if code != 200 {
			die("no 200 in 10 s")
		}
	}
	print(map[string]any{"runs": *runs, "p50_ms": percentile(took, .5), "min_ms": percentile(took, 0)})
}

// execute runs a one-shot that must exit with 0.
func execute(args []string) {
	flags := flag.NewFlagSet("exec", flag.ExitOnError)
	runs := flags.Int("runs", 100, "runs")
	flags.Parse(args)
	var took []float64
	for range *runs {
		command := exec.Command(flags.Arg(0), flags.Args()[1:]...)
		began := time.Now()
		if err := command.Run(); err != nil {
			die("%v: %v", flags.Args(), err)
		}
		took = append(took, micros(time.Since(began)))
	}
	print(map[string]any{"runs": *runs, "p50_us": percentile(took, .5)})
}
