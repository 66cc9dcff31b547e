"""The processes of a measurement: the service, the sidecar and the prober.

Everything stays on 127.0.0.1, and only processes started here are signalled.
"""

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time

# The time limit of every wait.
PATIENCE = 60


class Hbench:
    """The Go half of the benches, as functions."""

    def __init__(self, binary):
        self.binary = str(binary)

    def __call__(self, *arguments):
        command = [self.binary, *map(str, arguments)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=10 * PATIENCE)
        if done.returncode != 0:
            raise RuntimeError(f"hbench {' '.join(map(str, arguments))} failed: {done.stdout}")
        return json.loads(done.stdout)

    def probe(self, sidecar, *arguments):
        """Probes. An answer other than 200 ends the run, because its time is not comparable."""
        result = self("load", "-url", sidecar.url, *arguments)
        if result["not_200"] or not result["n"]:
            raise RuntimeError(f"{sidecar.name}: {result['not_200']} of {result['n']} answers were not 200")
        return result


class Process:
    """A child process that ends with its `with` block."""

    def __init__(self, command, **options):
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait(PATIENCE)
        for pipe in (self.child.stdout, self.child.stderr):
            if pipe:
                pipe.close()


class Backend(Process):
    """A healthy service, with or without TLS, or a service that never answers."""

    def __init__(self, hbench, wire="grpc", tls=False):
        self.address, self.certificate = free_address(), ""
        kind = ["blackhole"] if wire == "blackhole" else ["backend", "-wire", wire]
        if tls:
            self.folder = tempfile.TemporaryDirectory()
            self.certificate = f"{self.folder.name}/certificate.pem"
            kind += ["-certificate", self.certificate]
        super().__init__([hbench.binary, *kind, "-listen", self.address], stdout=subprocess.PIPE, text=True)
        if self.child.stdout.readline() != "ready\n":
            raise RuntimeError("the backend did not start")

    def calls(self):
        self.child.send_signal(signal.SIGHUP)
        return json.loads(self.child.stdout.readline())["calls"]


class Sidecar(Process):
    """A started subject that accepts connections."""

    def __init__(self, subject, backend, under=(), stderr=subprocess.DEVNULL):
        self.name, self.address = subject.name, free_address()
        address, self.url = self.address, f"http://{self.address}/health"
        super().__init__([*under, *subject.command(address, backend.address, backend.certificate)], stderr=stderr)
        self.wait_until_it_accepts(address)

    def wait_until_it_accepts(self, address):
        host, port = address.split(":")
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.child.poll() is None:
            try:
                return socket.create_connection((host, int(port)), 1).close()
            except OSError:
                time.sleep(0.005)
        raise RuntimeError(f"{self.name} does not listen")

    def rss(self):
        """Returns the resident memory in bytes."""
        with open(f"/proc/{self.child.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def peak(self):
        """Returns the peak of the resident memory in bytes."""
        with open(f"/proc/{self.child.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1]) << 10

    def page_faults(self):
        """Returns the minor page faults so far, which are those without disk access."""
        with open(f"/proc/{self.child.pid}/stat", encoding="ascii") as stat:
            return int(stat.read().rsplit(") ", 1)[1].split()[7])

    def cpu(self):
        """Returns user and system time of its threads in nanoseconds; /proc/PID/stat has ticks of 10 ms only."""
        tasks = f"/proc/{self.child.pid}/task"
        total = 0
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/schedstat", encoding="ascii") as schedstat:
                total += int(schedstat.read().split()[0])
        return total


def free_address():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{held.getsockname()[1]}"
