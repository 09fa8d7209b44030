"""Two binaries of the hold, turn by turn. Called by guard.sh; needs nothing but Python's own library."""

import argparse
import json
import statistics
import subprocess
from pathlib import Path

from common import GIB, MIB, Content, settled, timed
from firehose_reader import Subscribers
from machine import load, machine, say
from memory import in_flight
from rate import rate
from records import CREW, Account, member
from servers import Hold, Stack, free_port, target_of

PART_BYTES = 10 * MIB
SMALL_BYTES = 4096
COMMITS = 200
SUBSCRIBERS = 8
# An older binary may not know them all; it has no such limit then.
LIMITS = ("requests_per_address = 0", "requests_per_account = 0", "uploads_per_account = 1000", "commits_per_hour = 0")


def arguments():
    parser = argparse.ArgumentParser()
    for name in ("old", "new", "node", "stack", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    return parser.parse_args()


def known_limits(binary, path):
    """A configuration file with those of LIMITS that this binary knows."""
    def takes(lines):
        path.write_text("\n".join(["[limits]", *lines, ""]))
        environment = {
            "HOLD_PUBLIC_URL": "https://hold.example.com",
            "HOLD_OWNER": "did:plc:" + "a" * 24,
            "HOLD_DATABASE_PATH": str(path.parent / "hold.db"),
            "STORAGE_DRIVER": "filesystem",
            "STORAGE_ROOT_DIR": str(path.parent / "blobs"),
        }
        command = [binary, "check-config", "--config", path]
        return subprocess.run(command, env=environment, capture_output=True, cwd=path.parent).returncode == 0

    known = [line for line in LIMITS if takes([line])]
    if not takes(known):
        raise SystemExit(f"{binary} does not take the configuration that it is measured with")
    return path


class Side:
    """One binary, its hold, and what was measured of it by label."""

    def __init__(self, binary, stack, account, root):
        root.mkdir()
        config = known_limits(binary, root / "guard.toml")
        self.hold = Hold(binary, stack, [account], root, free_port(), {"HOLD_PUBLIC": "true"}, config)
        self.repo = Account(self.hold, self.hold.did, self.hold.tokens[0])
        self.figures = {}

    def note(self, label, figure):
        self.figures.setdefault(label, []).append(figure)

    def transfers(self, content):
        hold = self.hold
        data, digest = content.next(GIB)
        settled()
        seconds, complete_seconds = timed(hold.push, data, digest, PART_BYTES)
        self.note("push 1 GiB in parts of 10 MiB, s", seconds)
        self.note("completeUpload of it, ms", complete_seconds * 1000)
        settled()
        self.note("pull 1 GiB, s", timed(hold.pull, digest)[0])
        hold.remove(digest)
        data, digest = content.next(GIB)
        settled()
        self.note("push 1 GiB in one part, s", timed(hold.push, data, digest, GIB)[0])
        hold.remove(digest)

    def small(self, content):
        hold = self.hold
        data, digest = content.next(SMALL_BYTES)
        hold.push(data, digest, SMALL_BYTES)
        target = f"/xrpc/com.atproto.sync.getBlob?did={hold.did}&cid={digest}"
        for method in ("GET", "HEAD"):
            url = target_of(json.loads(hold.ask("GET", f"{target}&method={method}")[1])["url"])
            self.note(f"{method} of 4 KiB by its URL, 1/s", rate(hold.port, method, url, {}, 200))
        self.note("getBlob, 1/s", rate(hold.port, "GET", target, {}, 200))
        self.note("_health, 1/s", rate(hold.port, "GET", "/xrpc/_health", {}, 200))

    def commits(self):
        self.hold.reconnect()
        subscribers = Subscribers(self.hold.port, SUBSCRIBERS)
        records = [member() for _ in range(COMMITS)]

        def commit_all():
            for record in records:
                self.repo.post("createRecord", {"collection": CREW, "record": record})

        def until_seen():
            seconds = timed(commit_all)[0]
            subscribers.wait_for(COMMITS)
            return seconds

        seen_seconds, seconds = timed(until_seen)
        subscribers.close()
        self.note(f"a commit, with {SUBSCRIBERS} subscribers, ms", seconds * 1000 / COMMITS)
        self.note("a commit until all have its event, ms", seen_seconds * 1000 / COMMITS)

    def memory(self):
        self.note("memory with 64 uploads, MiB", in_flight(self.hold, 64)[0] / 1024)


def rows(old, new):
    """Above 1 favours the new one, whichever way the figure counts."""
    for label, before in old.figures.items():
        after = new.figures[label]
        middles = [statistics.median(figures) for figures in (before, after)]
        ratio = middles[1] / middles[0] if label.endswith("1/s") else middles[0] / middles[1]
        cells = [f"{middle:.4g} ({min(all_):.4g}–{max(all_):.4g})" for middle, all_ in zip(middles, (before, after))]
        yield [label, *cells, f"{ratio:.3f} ×"]


def main():
    given = arguments()
    load_before, content = load(), Content()
    with Stack(given.node, given.stack, given.work) as stack:
        account = stack.account("alice.test")
        sides = [Side(binary, stack, account, given.work / name) for name, binary in (("old", given.old), ("new", given.new))]
        for number in range(given.rounds):
            say(f"round {number + 1} of {given.rounds}")
            # Nobody always goes first.
            turns = sides if number % 2 == 0 else sides[::-1]
            for measure in (lambda side: side.transfers(content), lambda side: side.small(content), Side.commits):
                for side in turns:
                    measure(side)
        for side in sides:
            side.memory()
            side.hold.__exit__()
    print(f"Machine: {machine(given.work)}. Load before {load_before}, after {load()}.")
    print(f"Medians of {given.rounds} rounds, least and most in brackets. Ratio above 1: the new one is better.\n")
    print("| | old | new | ratio |\n|---|---|---|---|")
    for row in rows(*sides):
        print(f"| {' | '.join(row)} |")


main()
