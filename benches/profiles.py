"""Compares build profiles. `[profile.release]`, the allocator and .cargo/config.toml were chosen by it."""

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import build
import measures

# The crates in which a probe spends its time.
HOT = ("bytes", "h2", "http", "hyper", "hyper-util", "tokio", "tonic")

HEAD = "| opt-level | allocator | position | bytes | instructions kept | each | × floor | CPU µs each | × floor | RSS KiB at start | after 20,000 |"


@dataclass(frozen=True)
class Profile:
    level: str
    hot: bool = False
    allocator: str = "dlmalloc"
    position: str = "static"

    def name(self):
        return f"{self.level}{'-hot' if self.hot else ''}-{self.allocator}-{self.position}"

    def cells(self):
        return (f"{self.level}{', hot crates 3' if self.hot else ''}", self.allocator, self.position)

    def build(self, trees):
        config = [f"profile.release.opt-level={quoted(self.level)}"]
        if self.hot:
            config += [f'profile.release.package."{crate}".opt-level=3' for crate in HOT]
        flags = f"-C relocation-model={self.position}"
        return build.build_health("slim", f"profile-{self.name()}", trees[self.allocator], config, flags)


PROFILES = [
    *(Profile(level, hot, allocator) for level, hot in (("z", 0), ("s", 0), ("s", 1), ("2", 0), ("3", 0))
      for allocator in ("dlmalloc", "musl")),
    Profile("s", position="pic"),
]


def show(hbench):
    with tempfile.TemporaryDirectory() as ours, tempfile.TemporaryDirectory() as musl:
        trees = {"dlmalloc": copy_tree(Path(ours)), "musl": without_allocator(copy_tree(Path(musl)))}
        subjects = [build.health(profile.name(), profile.build(trees)) for profile in PROFILES]
    floors = {level: floor(level) for level in {profile.level for profile in PROFILES}}
    limits = {level: measures.instructions(hbench, floor, "-close") for level, floor in floors.items()}
    *times, limit = measures.cpu(hbench, [*subjects, floors["s"]], "-close", "-c", measures.MANY)
    print(HEAD, "|" + " --- |" * HEAD.count(" |"), sep="\n")
    for profile, subject, time in zip(PROFILES, subjects, times):
        kept, each = (measures.instructions(hbench, subject, *how) for how in ((), ("-close",)))
        memory = measures.memory(hbench, subject, 20_000)
        row = (*profile.cells(), f"{subject.binary.stat().st_size:,}", f"{kept:,}", f"{each:,}", f"{each / limits[profile.level]:.2f}",
               f"{median(time):.0f}", f"{measures.ratio(time, limit):.2f}", f"{memory.start >> 10:,}", f"{memory.end >> 10:,}")
        print("| " + " | ".join(row) + " |", flush=True)


def copy_tree(to):
    """Copies the sources, so that an edit during the run does not mix two versions in one table."""
    for part in ("Cargo.toml", "Cargo.lock", "build.rs", "rust-toolchain.toml"):
        shutil.copy(build.ROOT / part, to)
    for part in ("crates", "src", "proto", "examples", "tests"):
        shutil.copytree(build.ROOT / part, to / part)
    return to


def without_allocator(tree):
    """Removes the three lines that declare the allocator."""
    main = tree / "src" / "main.rs"
    text, cut = re.subn(r"#\[cfg.*\n#\[global_allocator\]\n.*\n", "", main.read_text())
    if not cut:
        raise RuntimeError("main.rs declares no allocator")
    main.write_text(text)
    return tree


def floor(level):
    aside = build.target_directory() / "bench" / f"floor-{level}"
    return build.floor(build.put_aside(build.build_floor(quoted(level)), aside))


def quoted(level):
    return level if level.isdigit() else f'"{level}"'
