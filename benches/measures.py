"""The measurements: each function takes subjects and returns one figure for each.

Times of this machine mean nothing by themselves. Whatever takes time is measured in
turns, subject after subject and round after round, and compared within a round.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import build
from processes import PATIENCE, Backend, Sidecar, free_address

# The number of connections of the rows "at 16".
MANY = 16

# The number of rounds of a measurement in turns.
ROUNDS = 9

CALLGRIND = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")


@dataclass
class Memory:
    """Returns the RSS in bytes at several points of a run."""

    start: int
    half: int
    end: int


def memory(hbench, subject, probes):
    """Sends half of the probes on kept connections, then half on one connection each."""
    with in_memory(subject) as copy, Backend(hbench, tls=subject.tls) as backend, Sidecar(copy, backend) as sidecar:
        time.sleep(0.5)
        start, halves = sidecar.rss(), []
        for _ in range(2):
            hbench.probe(sidecar, "-n", probes // 4, "-c", MANY)
            hbench.probe(sidecar, "-n", probes // 4, "-c", MANY, "-close")
            halves.append(sidecar.rss())
        return Memory(start, *halves)


def flooded(hbench, subject):
    """Returns the peak RSS in bytes while too many HTTP/2 connections hold requests that never end."""
    with in_memory(subject) as copy, Backend(hbench, "blackhole") as backend, Sidecar(copy, backend) as sidecar:
        hbench("flood", "-addr", sidecar.address)
        return sidecar.peak()


@contextmanager
def in_memory(subject):
    """Copies the file into tmpfs. From a disk, its resident pages depend on the pieces of the page cache: the
    same bytes can differ by 130 kB."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield replace(subject, binary=Path(shutil.copy(subject.binary, folder)))


def traffic(hbench, subject, probes=200):
    """Returns the log lines, and the calls at the target, of one healthy probe."""
    with tempfile.TemporaryFile() as log, Backend(hbench) as backend:
        with Sidecar(subject, backend, stderr=log) as sidecar:
            hbench.probe(sidecar, "-n", 1)
            lines, calls = log_lines(log), backend.calls()
            hbench.probe(sidecar, "-n", probes, "-close")
            return (log_lines(log) - lines) / probes, (backend.calls() - calls) / probes


def log_lines(log):
    log.seek(0)
    return log.read().count(b"\n")


def registration(full):
    """Returns the RSS in bytes with a live registration and after 20,000 probes, and the number of writes.
    A test with a real API server prints them."""
    with in_memory(full) as copy:
        output = build.registry_test("memory", MICRO_HEALTH_SHIPPED=str(copy.binary))
    found = re.search(r"(\d+) KiB registered, (\d+) KiB .* after 20000 probes.*; (\d+) writes", output)
    start, end, writes = map(int, found.groups())
    return start << 10, end << 10, writes


def instructions(hbench, subject, *close):
    """Returns the instructions of one probe under callgrind, which are exact where times are not.
    They are the difference of a short and a long run."""
    if not shutil.which("valgrind"):
        sys.exit("valgrind is needed to count instructions: apt-get install valgrind")
    short, long = 20, 220
    few, many = (callgrind(hbench, subject, probes, *close) for probes in (short, long))
    return round((many - few) / (long - short))


def callgrind(hbench, subject, probes, *close):
    with Backend(hbench, tls=subject.tls) as backend:
        with Sidecar(subject, backend, under=CALLGRIND, stderr=subprocess.PIPE) as sidecar:
            hbench.probe(sidecar, "-n", probes, "-timeout", "30s", *close)
            sidecar.child.terminate()
            return collected(sidecar.child.communicate(timeout=PATIENCE)[1])


def instructions_of_process(hbench, subject):
    """Returns the instructions of a one-shot, from exec to exit."""
    with Backend(hbench) as backend:
        command = [*CALLGRIND, *subject.command("", backend.address)]
        return collected(subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE).stderr)


def collected(report):
    return int(re.search(rb"Collected : (\d+)", report)[1])


def page_faults(hbench, subject, probes=2000):
    """Returns the page faults of one probe, which an allocator causes when it returns memory and maps it again."""
    with Backend(hbench) as backend, Sidecar(subject, backend) as sidecar:
        hbench.probe(sidecar, "-n", probes, "-close")
        before = sidecar.page_faults()
        hbench.probe(sidecar, "-n", probes, "-close")
        return (sidecar.page_faults() - before) / probes


def first_200(hbench, subject, runs=21):
    """Returns the milliseconds from the fork to the first answer."""
    with Backend(hbench) as backend:
        listen = free_address()
        command = subject.command(listen, backend.address)
        return hbench("start", "-url", f"http://{listen}/health", "-runs", runs, "--", *command)["p50_ms"]


def black_hole(hbench, subject, runs=3):
    """Returns the longest time of an answer in ms, with a target that accepts connections and never answers."""
    with Backend(hbench, "blackhole") as backend, Sidecar(subject, backend) as sidecar:
        one = hbench("load", "-url", sidecar.url, "-n", runs, "-close")
        many = hbench("load", "-url", sidecar.url, "-n", MANY, "-c", MANY, "-close")
        return max(one["max_us"], many["max_us"]) / 1e3


# === In turns ===


def cpu(hbench, subjects, *how):
    """Returns the microseconds of user and system time of one probe."""

    def one(sidecar):
        before = sidecar.cpu()
        probes = hbench.probe(sidecar, "-d", "700ms", *how)["n"]
        return (sidecar.cpu() - before) / probes / 1e3

    return turns(hbench, subjects, one)


def latency(hbench, subjects, wire="grpc"):
    """Returns the median microseconds of a probe on a kept connection; the last column has no sidecar."""

    def one(sidecar):
        return hbench.probe(sidecar, "-d", "700ms")["p50_us"]

    def direct(backend):
        return hbench("direct", "-wire", wire, "-addr", backend.address, "-n", 5000)["p50_us"]

    return turns(hbench, subjects, one, wire, direct)


def throughput(hbench, subjects):
    """Returns the probes per second at 16 kept connections."""

    def one(sidecar):
        return hbench.probe(sidecar, "-d", "700ms", "-c", MANY)["rps"]

    return turns(hbench, subjects, one)


def one_shot(hbench, subjects):
    """Returns the median microseconds from exec to exit."""
    with Backend(hbench) as backend:
        commands = [subject.command("", backend.address) for subject in subjects]
        rounds = [[hbench("exec", "-runs", 50, "--", *command)["p50_us"] for command in commands] for _ in range(ROUNDS)]
        return list(zip(*rounds))


def turns(hbench, subjects, measure, wire="grpc", direct=None):
    """Returns a list for each subject, with one figure for each round."""
    with ExitStack() as stack:
        backend = stack.enter_context(Backend(hbench, wire))
        takers = [(measure, stack.enter_context(Sidecar(subject, backend))) for subject in subjects]
        if direct:
            takers.append((direct, backend))
        for take, taken in takers:
            take(taken)
        rounds = [[take(taken) for take, taken in takers] for _ in range(ROUNDS)]
        return list(zip(*rounds))


def ratio(ours, theirs):
    """Returns the median of the rounds' ratios, because a disturbance of a round affects both subjects."""
    return median(our / their for our, their in zip(ours, theirs))
