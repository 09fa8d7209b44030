"""Pushes to a bucket by a hold, in each of its ways, beside the same server driven directly. Called by bucket.sh."""

import argparse
import hashlib
import hmac
import http.client
import re
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from common import GIB, MIB, Content, timed
from machine import load, machine, say
from servers import NO_LIMITS, Hold, Stack, free_port, target_of

PART_BYTES = 16 * MIB
SIZES = (64 * MIB, 256 * MIB, GIB)
# Over the shaping proxy, whose rate is the least that any way can take.
FAR_BYTES = 128 * MIB
DELAY_MS, RATE_MB = 40, 20
COUNTED_BYTES = 64 * MIB
WAYS = ("all", "downloads")


def arguments():
    parser = argparse.ArgumentParser()
    for name in ("hold", "node", "stack", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("server", nargs=6, help="a line of the list that tests/s3/servers.sh makes")
    return parser.parse_args()


class Connections:
    """One kept-alive connection a host."""

    def __init__(self):
        self.open = {}

    def ask(self, method, url, body=None):
        host = urlsplit(url).netloc
        connection = self.open.setdefault(host, http.client.HTTPConnection(host, timeout=120))
        # The store may have closed it meanwhile.
        if connection.sock and time.monotonic() - connection.used > 5:
            connection.close()
        headers = {"content-length": str(len(body))} if body is not None else {}
        connection.request(method, target_of(url), body=body, headers=headers)
        response = connection.getresponse()
        text = response.read()
        connection.used = time.monotonic()
        if response.status >= 400:
            sys.exit(f"{method} {target_of(url).split('?')[0]}: {response.status} {text[:500]!r}")
        return response.headers, text


class Store:
    """The server, driven by URLs that are signed here."""

    name = "server"

    def __init__(self, line):
        _, self.endpoint, self.region, self.bucket, key, secret = line
        self.key, self.secret = Path(key).read_text().strip(), Path(secret).read_text().strip()
        self.connections, self.count = Connections(), 0

    @property
    def port(self):
        return urlsplit(self.endpoint).port

    def at(self, endpoint):
        """The same by another address."""
        other = object.__new__(Store)
        other.__dict__ = {**self.__dict__, "endpoint": endpoint, "connections": Connections()}
        return other

    def url(self, method, key, **query):
        """A presigned URL, signature version 4."""
        moment = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{moment[:8]}/{self.region}/s3/aws4_request"
        host, path = urlsplit(self.endpoint).netloc, f"/{self.bucket}/{quote(key)}"
        query = {
            **query, "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{self.key}/{scope}",
            "X-Amz-Date": moment, "X-Amz-Expires": "3600", "X-Amz-SignedHeaders": "host",
        }
        text = urlencode(sorted(query.items()), quote_via=quote, safe="")
        request = f"{method}\n{path}\n{text}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
        signed = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = f"AWS4{self.secret}".encode()
        for word in (*scope.split("/"), signed):
            signature = hmac.new(signature, word.encode(), hashlib.sha256).digest()
        return f"{self.endpoint}{path}?{text}&X-Amz-Signature={signature.hex()}"

    def push(self, data, _digest):
        """One object in parts, in order; the seconds that completing took."""
        self.count += 1
        key = f"bench/direct-{self.count}"
        answer = self.connections.ask("POST", self.url("POST", key, uploads=""), b"")[1]
        upload = re.search(rb"<UploadId>(.*?)</UploadId>", answer)[1].decode()
        listed = ""
        for number, body in parts_of(data):
            url = self.url("PUT", key, partNumber=str(number), uploadId=upload)
            etag = self.connections.ask("PUT", url, body)[0]["etag"]
            listed += f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        seconds, _ = timed(self.connections.ask, "POST", self.url("POST", key, uploadId=upload), body)
        return seconds

    def delete(self, key):
        self.connections.ask("DELETE", self.url("DELETE", key))

    def remove(self, _digest):
        self.delete(f"bench/direct-{self.count}")


def parts_of(data):
    return enumerate((data[at : at + PART_BYTES] for at in range(0, len(data), PART_BYTES)), 1)


class BucketHold(Hold):
    """A hold in the bucket, and a client that sends parts where it is told to, one after the other."""

    def __init__(self, given, stack, account, root, way, store, seen_by_clients):
        self.connections, self.store = Connections(), seen_by_clients
        # Each hold knows a storage that is another's.
        self.prefix = f"bench/{root.name}-{time.time_ns()}"
        root.mkdir()
        config = root / "hold.toml"
        config.write_text(NO_LIMITS)
        super().__init__(given.hold, stack, [account], root, config=config, environment={
            "STORAGE_DRIVER": "s3", "STORAGE_PRESIGNED": way, "S3_ENDPOINT": store.endpoint,
            "S3_PUBLIC_ENDPOINT": seen_by_clients.endpoint, "S3_BUCKET": store.bucket, "S3_PREFIX": self.prefix,
            "AWS_REGION": store.region, "AWS_ACCESS_KEY_ID": store.key, "AWS_SECRET_ACCESS_KEY": store.secret,
        })

    def push(self, data, digest, part_bytes=PART_BYTES):
        self.reconnect()
        upload = self.call("io.atcr.hold.initiateUpload", {"digest": "uploads/temp-bench"})["uploadId"]
        parts = []
        for number, body in parts_of(data):
            url = self.call("io.atcr.hold.getPartUploadUrl", {"uploadId": upload, "partNumber": number})["url"]
            etag = self.connections.ask("PUT", url, body)[0]["etag"]
            parts.append({"partNumber": number, "etag": etag})
        started = time.perf_counter()
        self.call("io.atcr.hold.completeUpload", {"uploadId": upload, "digest": digest, "parts": parts})
        return time.perf_counter() - started

    def remove(self, digest):
        self.store.delete(f"{self.prefix}/docker/registry/v2/blobs/sha256/{digest[7:9]}/{digest[7:]}/data")

    def __exit__(self, *of):
        super().__exit__(*of)
        self.store.delete(f"{self.prefix}/docker/atcr-hold.json")


class Proxy:
    """shape.py before the server."""

    def __init__(self, store, delay_ms=0, rate_mb=0):
        port = free_port()
        command = [sys.executable, "-B", Path(__file__).parent / "shape.py", port, store.port, delay_ms, rate_mb]
        self.process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.process.stdout.readline()
        self.store = store.at(f"http://127.0.0.1:{port}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def totals(self):
        """Bytes to the server and from it."""
        self.process.stdin.write("\n")
        return tuple(map(int, self.process.stdout.readline().split()))


def measure(pushers, content, sizes, rounds):
    """Seconds of whole pushes and of completing: {size: {way: [(whole, completing)]}}."""
    seen = {size: {way: [] for way in pushers} for size in sizes}
    for round_ in range(rounds):
        for size in sizes:
            # Nobody always goes first.
            for way in sorted(pushers, reverse=bool(round_ % 2)):
                data, digest = content.next(size)
                seen[size][way].append(timed(pushers[way].push, data, digest))
                pushers[way].remove(digest)
                say(f"{way}: {size // MIB} MiB in {seen[size][way][-1][0]:.2f} s")
    return seen


def median(times, index):
    return statistics.median(both[index] for both in times)


def row(label, cells):
    print(f"| {label} | {' | '.join(cells)} |")


def count_bytes(given, stack, account, store, content):
    """Bytes that moved per pushed byte, a way: to the store and from it by the hold, and to the hold."""
    cells = []
    for way in WAYS:
        with Proxy(store) as proxy:
            with BucketHold(given, stack, account, given.work / f"counted-{way}", way, proxy.store, store) as hold:
                data, digest = content.next(COUNTED_BYTES)
                before = proxy.totals()
                hold.push(data, digest)
                to_store, from_store = (after - first for first, after in zip(before, proxy.totals()))
                hold.remove(digest)
        past = way == "all"
        cells.append(
            f"client → {'store' if past else 'hold'} 1.00, hold → store {to_store / COUNTED_BYTES:.2f}, "
            f"store → hold {from_store / COUNTED_BYTES:.2f}"
        )
    return cells


def holds(given, stack, account, store, opened, label):
    """The ways to push: the server alone, and a hold a way."""
    pushers = {"server": store}
    for way in WAYS:
        hold = BucketHold(given, stack, account, given.work / f"{label}-{way}", way, store, store)
        pushers[way] = opened.enter_context(hold)
    return pushers


def main():
    given = arguments()
    before, store, content = load(), Store(given.server), Content()
    with ExitStack() as opened:
        stack = opened.enter_context(Stack(given.node, given.stack, given.work))
        account = stack.account("alice.test")
        near = measure(holds(given, stack, account, store, opened, "near"), content, SIZES, given.rounds)
        proxy = opened.enter_context(Proxy(store, DELAY_MS, RATE_MB))
        pushers = holds(given, stack, account, proxy.store, opened, "far")
        far = measure(pushers, content, [FAR_BYTES], given.rounds)[FAR_BYTES]
        counted = count_bytes(given, stack, account, store, content)
    print(f"{machine(given.work)}; the client and the server on the same processors. Load before {before}, after {load()}.")
    print(f"Medians of {given.rounds} rounds; parts of {PART_BYTES // MIB} MiB, one after the other.\n")
    ways = ("server", *WAYS)
    row(given.server[0], ["server alone", *(f"`{way}`" for way in WAYS)])
    row("---", ["---"] * len(ways))
    for size in SIZES:
        alone = median(near[size]["server"], 0)
        rates = {way: size / median(near[size][way], 0) / 1e6 for way in ways}
        row(f"push {size // MIB} MiB", [f"{rates[w]:.0f} MB/s ({alone / median(near[size][w], 0):.2f} ×)" for w in ways])
    for size in SIZES:
        row(f"completing {size // MIB} MiB", [f"{median(near[size][way], 1):.2f} s" for way in ways])
    shaped = f"{FAR_BYTES // MIB} MiB over {DELAY_MS} ms and {RATE_MB} MB/s"
    row(f"push {shaped}", [f"{median(far[way], 0):.1f} s" for way in ways])
    row(f"completing {shaped}", [f"{median(far[way], 1):.2f} s" for way in ways])
    row("bytes moved per pushed byte", ["client → store 1.00", *counted])


main()
