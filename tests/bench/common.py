"""What measurements of transfers share: bytes to push, turns, and how figures are told."""

import hashlib
import os
import statistics
import sys
import time

MIB = 1024 * 1024
GIB = 1024 * MIB


class Content:
    """One buffer of random bytes that becomes another blob by changing its first bytes."""

    def __init__(self):
        self.buffer = bytearray(os.urandom(64 * MIB) * (GIB // (64 * MIB)))
        self.count = 0

    def next(self, size):
        self.count += 1
        self.buffer[:8] = self.count.to_bytes(8, "big")
        data = memoryview(self.buffer)[:size]
        return data, "sha256:" + hashlib.sha256(data).hexdigest()


def settled():
    """Writes back what the step before left dirty, so that the next one does not pay for it."""
    os.sync()
    time.sleep(0.2)


def timed(action, *args):
    started = time.perf_counter()
    result = action(*args)
    return time.perf_counter() - started, result


def check(digest, server):
    """The bytes that come back are those that were pushed."""
    seen = hashlib.sha256()
    server.pull(digest, seen.update)
    if f"sha256:{seen.hexdigest()}" != digest:
        sys.exit(f"{server.name} returned other bytes than were pushed")


def rate_row(label, ours, theirs):
    """Medians in MB/s, with the slowest and the fastest round."""

    def cell(times):
        low, high = GIB / max(times) / 1e6, GIB / min(times) / 1e6
        return f"{GIB / statistics.median(times) / 1e6:.0f} MB/s ({low:.0f}–{high:.0f})"

    ratio = statistics.median(theirs) / statistics.median(ours)
    return [label, cell(ours), cell(theirs), f"{ratio:.2f} ×"]
