"""The rows of the table: what is measured, and what it may cost.

The rows of `gate` decide in CI: they count, or are ratios wide enough for a noisy
machine. Those of `rest` are printed.
"""

import build
import measures
from measures import ratio
from table import Row, at_least, at_most

KEPT, CLOSED = (), ("-close",)


def gate(hbench, slim, full, floor, tls, probes):
    yield size(slim, full, floor)
    yield from memory(hbench, slim, full, floor, probes)
    flooded = measures.flooded(hbench, slim)
    yield Row("RSS at most, in a flood of HTTP/2, bytes", flooded, None, None, None, at_most(flooded, mib(24), "24 MiB"))
    yield from registered(full)
    yield from secured(hbench, tls)
    yield from instructions(hbench, slim, floor)
    for how, name in ((CLOSED, "one connection each"), (KEPT, "kept")):
        ours, theirs = measures.cpu(hbench, [slim, floor], *how)
        times = ratio(ours, theirs)
        # The budget is 1.4; the rest is tolerance for noise.
        yield Row(f"CPU time per probe, {name}, µs", ours, None, theirs, times, at_most(times, 1.7, "1.4 × (gate 1.7 ×)"))
    lines, calls = measures.traffic(hbench, slim)
    yield Row("log lines per healthy probe", lines, None, None, None, at_most(lines, 0, "0"))
    yield Row("calls at the target per probe", calls, None, None, None, at_most(calls, 1, "1"))


def size(slim, full, floor):
    sizes = [subject.binary.stat().st_size for subject in (slim, full, floor)]
    within = at_most(sizes[0], mib(2.5), "2.5 / 5.2 MiB") & at_most(sizes[1], mib(5.2), "")
    return Row("static file, bytes", *sizes, None, within)


def memory(hbench, slim, full, floor, probes):
    ours, theirs = (measures.memory(hbench, subject, probes) for subject in (slim, floor))
    fuller = measures.memory(hbench, full, 20_000)
    yield Row("RSS at start, bytes", ours.start, fuller.start, theirs.start, None, at_most(ours.start, mib(2.2), "2.2 MiB"))
    yield Row(f"RSS after {probes:,} probes (full: 20,000)", ours.end, fuller.end, theirs.end, None,
              at_most(ours.end, mib(3.2), "3.2 / 5 MiB") & at_most(fuller.end, mib(5), ""))
    grown = ours.end - ours.half
    yield Row("  of it in the second half", grown, None, theirs.end - theirs.half, None, at_most(grown, mib(0.125), "flat: 128 KiB"))


def registered(full):
    start, end, writes = measures.registration(full)
    yield Row("with a live registration: RSS at start, bytes", None, start, None, None, at_most(start, mib(5), "5 MiB"))
    yield Row("  RSS after 20,000 probes", None, end, None, None, at_most(end, mib(5), "5 MiB"))
    yield Row("  writes to the registry meanwhile", None, writes, None, None, at_most(writes, 0, "0"))


def secured(hbench, tls):
    """The build with TLS alone, with a target over TLS. It has the budgets of the full build."""
    size = tls.binary.stat().st_size
    yield Row("TLS alone: static file, bytes", None, size, None, None, at_most(size, mib(5.2), "5.2 MiB"))
    ours = measures.memory(hbench, tls, 20_000)
    yield Row("  RSS at start, bytes", None, ours.start, None, None, at_most(ours.start, mib(5), "5 MiB"))
    yield Row("  RSS after 20,000 probes", None, ours.end, None, None, at_most(ours.end, mib(5), "5 MiB"))


def instructions(hbench, slim, floor):
    for how, name in ((KEPT, "kept"), (CLOSED, "one connection each")):
        ours, theirs = (measures.instructions(hbench, subject, *how) for subject in (slim, floor))
        times = ours / theirs
        yield Row(f"instructions per probe, {name}", ours, None, theirs, times, at_most(times, 1.35, "1.35 ×"))


def rest(hbench, slim, full, floor, slim_mucp):
    starts = [measures.first_200(hbench, subject) for subject in (slim, full, floor)]
    yield Row("start to first 200, ms", *starts, starts[0] / starts[2], at_most(starts[0], 2, "2 / 3 ms") & at_most(starts[1], 3, ""))
    ours, theirs, direct = measures.latency(hbench, [slim, floor])
    times = ratio(ours, theirs)
    yield Row("p50 of a probe, kept, µs", ours, None, theirs, times, at_most(times, 1.15, "1.15 ×"))
    yield Row("  a direct call beside it (ratio: ours to it)", direct, None, None, ratio(ours, direct), None)
    ours, theirs = measures.throughput(hbench, [slim, floor])
    times = ratio(ours, theirs)
    yield Row("probes a second at 16 connections", ours, None, theirs, times, at_least(times, 0.8, "0.8 ×"))
    ours, direct = measures.latency(hbench, [slim_mucp], "mucp")
    times = ratio(ours, direct)
    yield Row("mucp: p50 of a probe, kept, µs", ours, None, None, None, None)
    yield Row("  a direct mucp call beside it (ratio: ours to it)", direct, None, None, times, at_most(times, 1.5, "1.5 ×"))
    longest = measures.black_hole(hbench, build.health("slim", slim.binary, check_timeout="900ms"))
    yield Row("answer from a black hole, longest, ms", longest, None, None, None, at_most(longest, 910, "900 + 10 ms"))
    yield from one_shots(hbench, slim, floor)


def one_shots(hbench, slim, floor):
    subjects = list(build.one_shots(slim, floor))
    ours, theirs = (measures.instructions_of_process(hbench, subject) for subject in subjects[:2])
    times = ours / theirs
    yield Row("health probe: instructions, whole process", ours, None, theirs, times, at_most(times, 2, "2 ×"))
    ours, theirs, *others = measures.one_shot(hbench, subjects)
    yield Row("health probe: p50, µs", ours, None, theirs, ratio(ours, theirs), None)
    peers = {subject.name: other for subject, other in zip(subjects[2:], others)}
    for name, limit in (("grpc_health_probe", 0.75), ("grpc-health-probe", 0.35)):
        words = f"  {name} beside it (ratio: ours to it)"
        if name not in peers:
            yield Row(words, None, None, None, None, None, note=f"≤ {limit} ×; not installed (README.md)")
            continue
        times = ratio(ours, peers[name])
        yield Row(words, peers[name], None, None, times, at_most(times, limit, f"{limit} ×"))


def mib(count):
    return count * (1 << 20)
