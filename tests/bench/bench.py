"""The measurements, and the table. Called by run.sh; needs nothing but Python's own library."""

import argparse
import statistics
from pathlib import Path

from common import GIB, MIB, Content, check, rate_row, settled, timed
from machine import load, machine, say
from memory import memory_row
from servers import Hold, Registry, Stack

PART_BYTES = 10 * MIB
COMPLETE_SIZES = (64 * MIB, 256 * MIB)
UPLOADS = (64, 256)
# A hold lets one account have 64 uploads open.
UPLOADS_PER_ACCOUNT = 64


def arguments():
    parser = argparse.ArgumentParser()
    for name in ("hold", "registry", "node", "stack", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    return parser.parse_args()


def transfer_rounds(rounds, hold, registry, content):
    """Seconds of each push and pull of 1 GiB, and of completeUpload."""
    times = {name: [] for name in ("push parts", "push one", "push registry", "pull hold", "pull registry", "complete")}

    def through_hold(part_bytes, name):
        data, digest = content.next(GIB)
        settled()
        seconds, complete_seconds = timed(hold.push, data, digest, part_bytes)
        times[name].append(seconds)
        if part_bytes == PART_BYTES:
            times["complete"].append(complete_seconds)
            settled()
            times["pull hold"].append(timed(hold.pull, digest)[0])
            check(digest, hold)
        hold.remove(digest)

    def through_registry():
        data, digest = content.next(GIB)
        settled()
        times["push registry"].append(timed(registry.push, data, digest)[0])
        settled()
        times["pull registry"].append(timed(registry.pull, digest)[0])
        check(digest, registry)
        registry.remove(digest)

    turns = [
        lambda: through_hold(PART_BYTES, "push parts"),
        through_registry,
        lambda: through_hold(GIB, "push one"),
    ]
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        # Nobody always goes first.
        for turn in turns if number % 2 == 0 else reversed(turns):
            turn()
    return times


def complete_rounds(rounds, hold, content):
    """Seconds of completeUpload by size, parts in order."""
    times = {size: [] for size in COMPLETE_SIZES}
    for _ in range(rounds):
        for size, seconds in times.items():
            data, digest = content.next(size)
            settled()
            seconds.append(hold.push(data, digest, PART_BYTES))
            hold.remove(digest)
    return times


def complete_row(size, times):
    middle, low, high = (1000 * f(times) for f in (statistics.median, min, max))
    return [f"completeUpload of {size // MIB} MiB in order", f"{middle:.1f} ms ({low:.1f}–{high:.1f})", "–", "–"]


def main():
    given = arguments()
    load_before = load()
    content = Content()
    with Stack(given.node, given.stack, given.work) as stack:
        accounts = [stack.account(f"user{number}.test") for number in range(max(UPLOADS) // UPLOADS_PER_ACCOUNT)]
        with Hold(given.hold, stack, accounts, given.work / "hold") as hold:
            with Registry(given.registry, given.work / "registry") as registry:
                times = transfer_rounds(given.rounds, hold, registry, content)
            complete = complete_rounds(given.rounds, hold, content)
        del content
        say("memory")
        with Hold(given.hold, stack, accounts, given.work / "hold-memory") as hold:
            with Registry(given.registry, given.work / "registry-memory") as registry:
                memory = [memory_row(count, hold, registry) for count in (0, *UPLOADS)]

    rows = [
        rate_row("push 1 GiB in parts of 10 MiB / one PATCH", times["push parts"], times["push registry"]),
        rate_row("push 1 GiB in one part / one PATCH", times["push one"], times["push registry"]),
        rate_row("pull 1 GiB", times["pull hold"], times["pull registry"]),
        *(complete_row(size, seconds) for size, seconds in complete.items()),
        complete_row(GIB, times["complete"]),
        *memory,
    ]
    print(f"Machine: {machine(given.work)}. Load before {load_before}, after {load()}.")
    print(f"Medians of {given.rounds} rounds, slowest and fastest in brackets. Ratio above 1: the hold is better.\n")
    print(f"| | atcr-hold | docker-registry {registry.version} | ratio |\n|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


main()
