"""Holds that differ in the size of their repository, and the table. Called by scale.sh; needs only Python's library."""

import argparse
import json
import os
import random
import socket
import statistics
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import quote

from common import timed
from machine import load, machine, say
from records import CREW, Account, member
from servers import Hold, Server, Stack, free_port

ROUNDS = 5
# Requests of each kind in a round.
REQUESTS = 40
STARTS = 5
COMMITS_FOR_MEMORY = 1000
READ_BYTES = 256 * 1024
PEER_SIZES = (1000, 10000)
LAYER = "io.atcr.hold.layer"
TID_DIGITS = "234567abcdefghijklmnopqrstuvwxyz"


def tid_number(tid):
    number = 0
    for digit in tid:
        number = number * 32 + TID_DIGITS.index(digit)
    return number


def tid_text(number):
    return "".join(TID_DIGITS[(number >> (5 * place)) & 31] for place in reversed(range(13)))


class SizedHold:
    """A hold on a repository of `size` layers, and what is measured of it, in seconds by label."""

    def __init__(self, given, stack, account, size):
        self.given, self.stack, self.owner, self.size = given, stack, account, size
        self.root, self.port = given.work / str(size), free_port()
        self.root.mkdir()
        self.times, self.facts = {}, {}
        url = f"http://localhost:{self.port}"
        self.facts["seed"] = timed(
            subprocess.run, [given.seed, self.root / "hold.db", self.root / "keys", url, str(size)]
        )[0]
        say(f"{size} layers in {self.facts['seed']:.0f} s")
        # The first one adds the captain; it is not counted.
        self.start()
        self.stop()
        for _ in range(STARTS):
            self.start()
            self.stop()
            self.note("start to READY", self.ready_s)
        self.start()
        self.facts["idle"] = self.hold.memory_kib("VmRSS")
        self.learn()

    def start(self):
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = self.root / "notify.sock"
        path.unlink(missing_ok=True)
        notify.bind(str(path))
        started = time.perf_counter()

        class Notifying(Hold):
            def _wait_until_ready(hold):
                notify.settimeout(60)
                while b"READY=1" not in notify.recv(4096):
                    pass
                self.ready_s = time.perf_counter() - started

        environment = {"NOTIFY_SOCKET": str(path)}
        self.hold = Notifying(self.given.hold, self.stack, [self.owner], self.root, self.port, environment)
        self.repo = Account(self.hold, self.hold.did, self.hold.tokens[0])
        self.query = f"did={quote(self.hold.did)}"
        notify.close()

    def stop(self):
        self.hold.__exit__()

    def note(self, label, *seconds):
        self.times.setdefault(label, []).extend(seconds)

    def learn(self):
        """Keys and CIDs of records from all over the repository, and revisions."""
        newest, oldest = self.repo.list(LAYER, limit=1)[0], self.repo.list(LAYER, limit=1, reverse="true")[0]
        self.range = [tid_number(record["uri"].split("/")[-1]) for record in (oldest, newest)]
        self.known = [self.repo.list(LAYER, limit=1, cursor=self.cursor())[0] for _ in range(100)]

    def cursor(self):
        """A place in the older nine tenths, so that a page follows it in either direction."""
        low, high = self.range
        return tid_text(random.randrange(low + (high - low) // 10, high))

    def get(self, method, query):
        return self.hold.ask("GET", f"/xrpc/com.atproto.{method}?{query}")[1]

    def create(self):
        return self.repo.post("createRecord", {"collection": CREW, "record": member()})

    def round(self):
        def record():
            return random.choice(self.known)

        def rkey():
            return record()["uri"].split("/")[-1]

        reads = {
            "listRecords, first 100": lambda: self.repo.list(LAYER, limit=100),
            "listRecords, 100 from anywhere": lambda: self.repo.list(LAYER, limit=100, cursor=self.cursor()),
            "listRecords, oldest 100": lambda: self.repo.list(LAYER, limit=100, reverse="true"),
            "getRecord": lambda: self.get("repo.getRecord", f"repo={quote(self.hold.did)}&collection={LAYER}&rkey={rkey()}"),
            "sync.getRecord (proof)": lambda: self.get("sync.getRecord", f"{self.query}&collection={LAYER}&rkey={rkey()}"),
            "sync.getBlocks, one": lambda: self.get("sync.getBlocks", f"{self.query}&cids={record()['cid']}"),
            "describeRepo": lambda: self.get("repo.describeRepo", f"repo={quote(self.hold.did)}"),
        }
        self.hold.reconnect()
        for label, read in reads.items():
            self.note(label, *(timed(read)[0] for _ in range(REQUESTS)))
        rev = json.loads(self.get("sync.getLatestCommit", self.query))["rev"]
        cursor = time.time_ns() // 1000
        self.note("commit (createRecord)", *(timed(self.create)[0] for _ in range(REQUESTS)))
        self.note(f"getRepo since {REQUESTS} commits ago", timed(self.get, "sync.getRepo", f"{self.query}&since={rev}")[0])
        self.note(f"firehose, backfill of {REQUESTS} commits", timed(self.backfill, cursor)[0])

    def backfill(self, cursor):
        """Reads as many events as there were commits in a round."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as stream:
            stream.sendall(
                f"GET /xrpc/com.atproto.sync.subscribeRepos?cursor={cursor} HTTP/1.1\r\nhost: localhost:{self.port}\r\n"
                "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
                "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
            )
            reader = stream.makefile("rb")
            while reader.readline() != b"\r\n":
                pass
            for _ in range(REQUESTS):
                first, length = reader.read(2)
                assert first == 0x82, f"frame {first:#x}"
                if length >= 126:
                    length = int.from_bytes(reader.read(2 if length == 126 else 8))
                assert len(reader.read(length)) == length

    def export(self):
        """Reads the whole repository; its bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as stream:
            stream.sendall(
                f"GET /xrpc/com.atproto.sync.getRepo?{self.query} HTTP/1.1\r\nhost: localhost:{self.port}\r\n"
                "connection: close\r\n\r\n".encode()
            )
            buffer, total, end = bytearray(READ_BYTES), 0, b""
            while count := stream.recv_into(buffer):
                total += count
                end = (end + buffer[:count])[-5:]
            assert end == b"0\r\n\r\n", "the export broke off"
            return total

    def long_things(self):
        """Exports alone, then one with writes beside it, then commits: speed and the most memory of each."""
        for _ in range(3):
            seconds, self.facts["export bytes"] = timed(self.export)
            self.note("getRepo", seconds)
        self.hold.reconnect()
        self.hold.forget_peak()
        exporting = threading.Thread(target=self.export)
        exporting.start()
        log = Path(f"{self.root}/hold.db-wal")
        commits, largest = [], 0
        while exporting.is_alive():
            commits.append(timed(self.create)[0])
            largest = max(largest, log.stat().st_size)
        self.facts["commits beside"], self.facts["log"] = len(commits), largest
        self.note("commit during a getRepo", *commits)
        self.facts["export peak"] = self.hold.memory_kib("VmHWM")
        self.hold.forget_peak()
        for _ in range(COMMITS_FOR_MEMORY):
            self.create()
        self.facts["commits peak"] = self.hold.memory_kib("VmHWM")


def peer_times(stack, account):
    """The same writes and pages against the PDS, at sizes that it is filled to in a minute."""
    pds = Server.__new__(Server)
    pds.name, pds.port = "PDS", int(stack.urls["pds"].rsplit(":", 1)[1])
    pds.connect()
    repo, filled, times = Account(pds, account["did"], account["accessJwt"]), 0, {}
    layer = {"$type": LAYER, "digest": "sha256:" + 64 * "0", "userDid": account["did"]}
    for size in PEER_SIZES:
        while filled < size:
            writes = [
                {"$type": "com.atproto.repo.applyWrites#create", "collection": LAYER, "value": {**layer, "size": filled + n}}
                for n in range(200)
            ]
            repo.post("applyWrites", {"writes": writes, "validate": False})
            filled += len(writes)
        create = {"collection": CREW, "record": member(), "validate": False}
        times[size] = {
            "commit (createRecord)": [timed(repo.post, "createRecord", create)[0] for _ in range(ROUNDS * REQUESTS)],
            "listRecords, first 100": [timed(lambda: repo.list(LAYER, limit=100))[0] for _ in range(ROUNDS * REQUESTS)],
        }
    pds.reconnect()
    return times


def milliseconds(times):
    return f"{1000 * statistics.median(times):.2f} ms"


def rows(holds):
    first = holds[0]
    for label, smallest in first.times.items():
        if label == "getRepo":
            continue
        cells = [milliseconds(hold.times[label]) for hold in holds]
        ratios = (statistics.median(hold.times[label]) / statistics.median(smallest) for hold in holds[1:])
        yield [label, *cells, " / ".join(f"{ratio:.2f} ×" for ratio in ratios)]

    def facts(label, cell):
        return [label, *(cell(hold) for hold in holds), ""]

    def export_speed(hold):
        seconds, size = statistics.median(hold.times["getRepo"]), hold.facts["export bytes"]
        return f"{size / seconds / 1e6:.0f} MB/s, {hold.size / seconds / 1000:.0f} k records/s"

    yield facts("getRepo, all of it", export_speed)
    yield facts("its size", lambda hold: f"{hold.facts['export bytes'] / 1e6:.1f} MB")
    yield facts("commits during a getRepo", lambda hold: str(hold.facts["commits beside"]))
    yield facts("write-ahead log then, at most", lambda hold: f"{hold.facts['log'] / 1e6:.1f} MB")
    for label, name in [("idle", "idle"), ("export peak", "peak, getRepo and commits"), ("commits peak", "peak, 1,000 commits")]:
        yield facts(f"resident memory, {name}", lambda hold, label=label: f"{hold.facts[label] / 1024:.1f} MiB")
    yield facts("database", lambda hold: f"{(hold.root / 'hold.db').stat().st_size / 1e6:.0f} MB")
    yield facts("seeded in", lambda hold: f"{hold.facts['seed']:.0f} s")


def print_table(head, body):
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in body:
        print(f"| {' | '.join(row)} |")


def main():
    parser = argparse.ArgumentParser()
    for name in ("hold", "seed", "node", "stack", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("sizes", type=int, nargs="+")
    given = parser.parse_args()
    load_before = load()
    with Stack(given.node, given.stack, given.work) as stack:
        captain, user = stack.account("user0.test"), stack.account("user1.test")
        holds = [SizedHold(given, stack, captain, size) for size in sorted(given.sizes)]
        os.sync()
        for number in range(ROUNDS):
            say(f"round {number + 1} of {ROUNDS}")
            # Nobody always goes first.
            for hold in holds if number % 2 == 0 else reversed(holds):
                hold.round()
        say("exports and memory")
        for hold in holds:
            hold.long_things()
        say("the PDS")
        peer = peer_times(stack, user)
        for hold in holds:
            hold.stop()

    print(f"Machine: {machine(given.work)}. Load before {load_before}, after {load()}.")
    print(f"Medians of {ROUNDS} rounds of {REQUESTS} requests, by one client. Ratios to the smallest.\n")
    print_table(["layer records", *(f"{hold.size:,}" for hold in holds), "ratio"], rows(holds))
    print("\nThe reference PDS in the same run:\n")
    body = [[label, *(milliseconds(peer[size][label]) for size in PEER_SIZES)] for label in peer[PEER_SIZES[0]]]
    print_table(["records", *(f"{size:,}" for size in PEER_SIZES)], body)


main()
