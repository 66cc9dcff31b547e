"""Builds the measured programs: the shipped file, the floor and the Go half."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MUSL = "x86_64-unknown-linux-musl"

# The floor uses glibc and is static, because musl's allocator and memcpy would make it slower.
FLOOR_TARGET = "x86_64-unknown-linux-gnu"
FLOOR_FLAGS = "-C target-feature=+crt-static"

FEATURES = {"slim": [], "full": ["--features", "kubernetes,latest,tls"], "tls": ["--features", "tls"]}

# The other one-shot programs, the crate and the Go tool: the path of each, and its arguments.
PEERS = {
    "grpc_health_probe": ("MICRO_HEALTH_PEER_PROBE", "--addr=http://{backend}", "--service=greeter"),
    "grpc-health-probe": ("MICRO_HEALTH_GO_PROBE", "-addr={backend}", "-service=greeter"),
}


@dataclass(frozen=True)
class Subject:
    """A sidecar that answers `GET /health` by a check of `{backend}`, over TLS with `{certificate}` if given."""

    name: str
    binary: Path
    arguments: tuple
    tls: bool = False

    def command(self, listen, backend, certificate=""):
        fill = {"{listen}": listen, "{backend}": backend, "{certificate}": certificate}
        return [str(self.binary), *(fill_in(argument, fill) for argument in self.arguments)]


def fill_in(argument, values):
    for name, value in values.items():
        argument = argument.replace(name, value)
    return argument


def health(name, binary, protocol="grpc", check_timeout="10s"):
    """The sidecar. Its protocol is fixed, so that no row measures detection. Its deadline is long,
    because a busy machine or valgrind makes a target slow."""
    flags = ("--health_address={listen}", "--server_name=greeter", "--server_address={backend}")
    return Subject(name, binary, (*flags, f"--protocol={protocol}", f"--check_timeout={check_timeout}"))


def secured(subject):
    """The sidecar with a target over TLS."""
    flags = ("--tls", "--tls_ca_cert={certificate}")
    return replace(subject, arguments=(*subject.arguments, *flags), tls=True)


def floor(binary):
    return Subject("floor", binary, ("{listen}", "{backend}"))


def one_shots(health, floor):
    """`health probe`, the one-shot of the floor, and the installed peers, all over gRPC."""
    flags = ("--server_name=greeter", "--server_address={backend}", "--protocol=grpc", "--check_timeout=10s")
    yield Subject("health probe", health.binary, ("probe", *flags))
    yield Subject("floor", floor.binary, ("{backend}",))
    for name, (variable, *arguments) in PEERS.items():
        found = os.environ.get(variable) or shutil.which(name)
        if found:
            yield Subject(name, Path(found), tuple(arguments))


def target_directory():
    command = ["cargo", "metadata", "--locked", "--no-deps", "--format-version=1"]
    metadata = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    return Path(json.loads(metadata)["target_directory"])


def build_health(edition, keep_as, tree=ROOT, config=(), rustflags=None):
    """Builds the shipped file and copies it, because the next build overwrites it."""
    target = target_directory()
    command = ["cargo", "build", "--locked", "--release", "--package", "micro-health", "--target", MUSL, "--no-default-features"]
    options = [part for line in config for part in ("--config", line)]
    environment = {"CARGO_TARGET_DIR": str(target)}
    if rustflags:
        environment["RUSTFLAGS"] = rustflags
    run([*command, *FEATURES[edition], *options], tree, environment)
    return put_aside(target / MUSL / "release" / "health", target / "bench" / keep_as)


def build_floor(level='"s"'):
    target = target_directory() / "bench" / "floor-target"
    command = ["cargo", "build", "--locked", "--release", "--target", FLOOR_TARGET]
    level = ["--config", f"profile.release.opt-level={level}"]
    run([*command, *level], ROOT / "benches" / "floor", {"CARGO_TARGET_DIR": str(target), "RUSTFLAGS": FLOOR_FLAGS})
    return target / FLOOR_TARGET / "release" / "floor"


def build_hbench():
    binary = target_directory() / "bench" / "hbench"
    command = ["go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", str(binary), "."]
    run(command, ROOT / "benches" / "hbench", {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"})
    return binary


def registry_test(name, **environment):
    """Returns the output of one test of the registry level, after building the rig as `just registry` does."""
    command = [ROOT / "tests" / "rig" / "build.sh", "kube"]
    rig = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    command = ["cargo", "test", "--locked", "--test", "registry", "--", name]
    environment = {**os.environ, "MICRO_HEALTH_RIG_BIN": rig, **environment}
    ended = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    if ended.returncode:
        raise RuntimeError(f"{name}, of the registry's tests:\n{ended.stdout}")
    return ended.stdout


def run(command, directory, environment):
    subprocess.run(command, cwd=directory, check=True, env={**os.environ, **environment})


def put_aside(binary, aside):
    aside.parent.mkdir(parents=True, exist_ok=True)
    partial = aside.with_suffix(".partial")
    partial.write_bytes(binary.read_bytes())
    partial.chmod(0o755)
    partial.replace(aside)
    return aside
