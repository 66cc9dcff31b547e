#!/usr/bin/env python3
"""Measures the shipped file; README.md in this folder explains the figures.

  bench.py table              every row, for a person
  bench.py budgets            the rows that gate; exit 1 if one is over its budget
  bench.py profiles           opt-level and allocator
  bench.py soak N DURATION    N probes while the service comes and goes
"""

import argparse
import itertools
import subprocess
import sys

sys.dont_write_bytecode = True

import budgets
import build
import profiles
import table
from processes import Hbench


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for command in (show_table, show_budgets, show_profiles, soak):
        name = command.__name__.removeprefix("show_")
        commands.add_parser(name).set_defaults(run=command)
    commands.choices["soak"].add_argument("probes", type=int)
    commands.choices["soak"].add_argument("duration")
    arguments = parser.parse_args()
    sys.exit(arguments.run(arguments))


def show_table(_):
    hbench, slim, full, floor, tls = subjects()
    gate = budgets.gate(hbench, slim, full, floor, tls, probes=1_000_000)
    rest = budgets.rest(hbench, slim, full, floor, build.health("mucp", slim.binary, "mucp"))
    table.show(itertools.chain(gate, rest))


def show_budgets(_):
    kept = table.show(budgets.gate(*subjects(), probes=100_000))
    return 0 if kept else "over budget"


def show_profiles(_):
    profiles.show(Hbench(build.build_hbench()))


def soak(arguments):
    hbench = build.build_hbench()
    sidecar = build.health("slim", build.build_health("slim", "health-slim"), check_timeout="900ms")
    command = sidecar.command("{listen}", "{backend}")
    return subprocess.run([hbench, "soak", "-n", str(arguments.probes), "-over", arguments.duration, "--", *command]).returncode


def subjects():
    slim, full, tls = (build.health(name, build.build_health(name, f"health-{name}")) for name in build.FEATURES)
    return Hbench(build.build_hbench()), slim, full, build.floor(build.build_floor()), build.secured(tls)


if __name__ == "__main__":
    main()
