"""Pulls of 1 GiB, beside nginx and docker-registry. Called by pull.sh."""

import json
import os
import re
import socket
import statistics
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from common import GIB, MIB, Content, settled
from machine import load, machine, say
from servers import NO_LIMITS, Hold, Nginx, Registry, Stack, beside_peers, free_port, target_of

STREAMS = (1, 8)
# What every server keeps up with.
PACE = "800M"
PACED_PULLS = 3
READERS = 256
READ_S = 5
PIECE_BYTES = 64 * 1024
SMALL_BYTES = 4096
COLD_S = 4



class Side:
    """A server with the large and the small blob, where they are, and what was measured of it by label."""

    def __init__(self, name, server, large, small, file):
        self.name, self.server, self.file, self.figures = name, server, file, {}
        self.large, self.small = (f"http://127.0.0.1:{server.port}{target}" for target in (large, small))

    def note(self, label, figure):
        self.figures.setdefault(label, []).append(figure)

    def curls(self, streams, *options, under=()):
        command = [*under, "curl", "-sf", "-o", "/dev/null", *options, self.large]
        return [subprocess.Popen(command) for _ in range(streams)]

    def pulls(self, streams):
        started, processor = time.perf_counter(), self.server.processor_s()
        if any(curl.wait() for curl in self.curls(streams)):
            raise SystemExit(f"{self.name} broke a pull off")
        seconds, processor = time.perf_counter() - started, self.server.processor_s() - processor
        self.note(f"pull 1 GiB, {plural(streams)}, MB/s", streams * GIB / seconds / 1e6)
        self.note(f"processor time a GiB, {plural(streams)}, s", processor / streams)

    def paced(self):
        """
        Processor time at a speed that all keep, with the server on one core and the reader on the same or another: where the
        kernel happens to run the two makes more of a difference than the server.
        """
        core, *others = sorted(os.sched_getaffinity(0))
        for place, reader in (("its reader on the same core", core), ("its reader on another core", others[0])):
            self.server.run_on({core})
            processor = self.server.processor_s()
            for _ in range(PACED_PULLS):
                if self.curls(1, "--limit-rate", PACE, under=("taskset", "-c", str(reader)))[0].wait():
                    raise SystemExit(f"{self.name} broke a pull off")
            processor = (self.server.processor_s() - processor) / PACED_PULLS
            self.note(f"processor time a GiB, 1 stream at {PACE}B/s, {place}, s", processor)
        self.server.run_on({core, *others})

    def slow_readers(self):
        """The largest resident memory while many connections read slowly."""
        before, largest = self.server.resident_kib(), 0
        target = self.large.split("/", 3)[3]
        readers = []
        for _ in range(READERS):
            reader = socket.create_connection(("127.0.0.1", self.server.port), timeout=60)
            reader.sendall(f"GET /{target} HTTP/1.1\r\nHost: localhost:{self.server.port}\r\n\r\n".encode())
            readers.append(reader)
        deadline = time.monotonic() + READ_S
        while time.monotonic() < deadline:
            for reader in readers:
                reader.recv(PIECE_BYTES)
            largest = max(largest, self.server.resident_kib())
        for reader in readers:
            reader.close()
        self.note("resident memory before, MiB", before / 1024)
        self.note(f"resident memory, {READERS} slow readers, MiB", largest / 1024)

    def small_answers(self, label):
        command = ["wrk", "-t1", "-c16", f"-d{COLD_S}s", "--latency", "--timeout", "30s", self.small]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
        self.note(f"small answers {label}, a second", float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]))
        self.note(f"small answers {label}, p99 in ms", float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit])

    def cold(self):
        """Small answers while others pull what only the disk has; it is thrown out of the page cache again and again."""
        self.small_answers("alone")
        descriptor = os.open(self.file, os.O_RDONLY)
        settled()
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        curls = self.curls(8)
        self.small_answers("beside cold pulls")
        for curl in curls:
            curl.terminate()
            curl.wait()
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
        os.close(descriptor)
        subprocess.run(["cat", self.file], stdout=subprocess.DEVNULL, check=True)


def plural(streams):
    return "1 stream" if streams == 1 else f"{streams} streams"


def blob(root, digest):
    algorithm, value = digest.split(":")
    return next(root.glob(f"**/blobs/{algorithm}/{value[:2]}/{value}/data"))


def sides(given, stack, running):
    account, content = stack.account("alice.test"), Content()
    small, digest = content.next(SMALL_BYTES)
    # Copied: the next blob is made in the same buffer.
    small = bytes(small), digest
    blobs = [content.next(GIB), small]
    config = given.work / "pull.toml"
    config.write_text(NO_LIMITS)
    for number, binary in enumerate(given.holds):
        root, public = given.work / f"hold{number}", {"HOLD_PUBLIC": "true"}
        hold = running.enter_context(Hold(binary, stack, [account], root, free_port(), public, config))
        urls = []
        for data, digest in blobs:
            hold.push(data, digest, 16 * MIB)
            answer = hold.ask("GET", f"/xrpc/com.atproto.sync.getBlob?did={hold.did}&cid={digest}&method=GET")[1]
            urls.append(target_of(json.loads(answer)["url"]))
        yield Side(f"{binary.parent.name}/{binary.name}", hold, *urls, blob(root, blobs[0][1]))
    nginx = running.enter_context(Nginx(given.nginx, given.work / "nginx"))
    folder = nginx.root / "blobs"
    for name, (data, _) in zip(("large", "small"), blobs):
        (folder / name).write_bytes(data)
    yield Side("nginx", nginx, "/large", "/small", folder / "large")
    registry = running.enter_context(Registry(given.registry, given.work / "registry"))
    places = []
    for data, digest in blobs:
        registry.push(data, digest)
        places.append(f"/v2/{registry.repository}/blobs/{digest}")
    yield Side("docker-registry", registry, *places, blob(registry.root, blobs[0][1]))


def main():
    given = beside_peers()
    before = load()
    with Stack(given.node, given.stack, given.work) as stack, ExitStack() as running:
        measured = list(sides(given, stack, running))
        settled()
        for side in measured:
            side.slow_readers()
        for number in range(given.rounds):
            say(f"round {number + 1} of {given.rounds}")
            for side in measured if number % 2 == 0 else measured[::-1]:
                side.paced()
                for streams in STREAMS:
                    side.pulls(streams)
                side.cold()
    print(f"Machine: {machine(given.work)}. Load before {before}, after {load()}.\n")
    print(f"| | {' | '.join(side.name for side in measured)} |\n|---|{'---|' * len(measured)}")
    for label in measured[0].figures:
        medians = [statistics.median(side.figures[label]) for side in measured]
        digits = 3 if PACE in label else 2 if "processor" in label else 1 if medians[0] < 100 else 0
        cells = [f"{median:.{digits}f} ({medians[0] / median:.2f} ×)" for median in medians[1:]]
        print(f"| {label} | {medians[0]:.{digits}f} | {' | '.join(cells)} |")
    print("\nIn brackets: the first column in parts of that one.")


if __name__ == "__main__":
    main()
