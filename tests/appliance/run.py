"""Boots a machine for each test of nixos/tests and runs its script there.

    run.py --binary PATH [--appview PATH] --machines RENDERED [--kind container|emulated] [TEST...]

A machine that cannot be started here says so: `skipped: machine NAME: WHY`.
The last line counts subtests: `appliance: N passed, N failed`. Exit 1 when one failed. When all tests run, the one that mostly
waits does so beside the others, and has such a line of its own.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import module
import roots
from emulated import Emulated
from machine import Machine
from nspawn import Container, cannot

WAITS_FOR_MINUTES = "late-store"
KINDS = {kind.kind: kind for kind in (Container, Emulated)}


class Count:
    passed = 0
    failed = 0


def run(test: str, machine: Machine, count: Count) -> None:
    began = time.monotonic()

    @contextlib.contextmanager
    def subtest(name: str) -> Iterator[None]:
        since = time.monotonic()
        try:
            yield
        except BaseException:
            print(f"  FAILED  {name}", flush=True)
            raise
        count.passed += 1
        print(f"  ok      {name} ({time.monotonic() - since:.1f} s)", flush=True)

    print(f"{test}, on a machine that is {machine.kind}:", flush=True)
    scope = {"machine": machine, "subtest": subtest, "start_all": machine.start, "__name__": "test"}
    try:
        exec(compile(module.script(test), f"nixos/tests/{test}.py", "exec"), scope)  # noqa: S102
    except Exception:
        count.failed += 1
        traceback.print_exc()
        report(machine)
    print(f"  {time.monotonic() - began:.1f} s, of which boot {machine.boot_s:.1f} s", flush=True)


def report(machine: Machine) -> None:
    """What somebody wants to see who reads only the log."""
    if not machine.booted:
        return
    with contextlib.suppress(Exception):
        print(machine.execute("journalctl -b --no-pager -n 60 -o short-monotonic", timeout=30)[1], file=sys.stderr)


class Beside:
    """This program with one test more, in a process of its own."""

    def __init__(self, test: str):
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen([sys.executable, *sys.argv, test], stdout=self.output, stderr=subprocess.STDOUT)

    def close(self) -> int:
        """Waits for its end, prints what it has printed, and returns its exit code."""
        code = self.process.wait()
        self.output.seek(0)
        sys.stdout.write(self.output.read().decode(errors="replace"))
        self.output.close()
        return code

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--binary", type=Path, required=True)
    options.add_argument("--appview", type=Path, help="the registry front end, for the tests that have one")
    options.add_argument("--machines", type=Path, required=True)
    options.add_argument("--kind", choices=KINDS, default=Container.kind)
    options.add_argument("tests", nargs="*")
    given = options.parse_args()
    # An end by a signal passes through every `finally` too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    why = cannot() if given.kind == Container.kind else None
    if given.tests or why:
        return run_all(given, given.tests or module.names(), why)
    # Made before two processes would.
    roots.tree("machine")
    beside = Beside(WAITS_FOR_MINUTES)
    try:
        failed = run_all(given, [test for test in module.names() if test != WAITS_FOR_MINUTES], why)
        return beside.close() or failed
    finally:
        beside.end()


def run_all(given: argparse.Namespace, tests: list[str], why: str | None) -> int:
    """Runs these tests one after the other, unless `why` says that no machine can be had; returns the exit code."""
    count = Count()
    for test in tests:
        files = module.files(given.machines, test, given.binary, given.appview)
        lacking = why or module.lacking(files)
        if lacking:
            print(f"skipped: machine {test}: {lacking}", flush=True)
            continue
        machine = KINDS[given.kind](f"{test}-{os.getpid()}", files)
        try:
            run(test, machine, count)
        finally:
            machine.close()
    print(f"appliance: {count.passed} passed, {count.failed} failed", flush=True)
    return 1 if count.failed else 0


if __name__ == "__main__":
    sys.exit(main())
