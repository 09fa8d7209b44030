"""A whole registry for hours, front end and hold. Called by registry_soak.sh."""

import argparse
import base64
import hashlib
import http.client
import json
import os
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from servers import NO_LIMITS, Appview, Hold, Stack, target_of, with_digest

WORKERS, REPOSITORIES, TAGS = 8, 20, 10
LAYER_BYTES = (100, 5_000, 300_000)
# What a program may grow by after the first quarter: caches that fill late, connections that are open just then.
GROWTH_KIB, GROWTH_FILES = 16 * 1024, 64
SAMPLE_EVERY_S = 300
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI = "application/vnd.oci.image"


def arguments():
    parser = argparse.ArgumentParser()
    for name in ("hold", "appview", "node", "stack", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    return parser.parse_args()


def digest_of(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Worker:
    """One client with repositories of its own. What was acknowledged is in `pushed`: manifests by repository and tag."""

    def __init__(self, number, appview, counts):
        self.number, self.appview, self.counts = number, appview, counts
        self.random = random.Random(number)
        self.pushed = {}
        self.connection = None

    def ask(self, expected, method, target, body=None, headers=None):
        """One request; an answer of no expected status ends the run."""
        self.connection.request(method, target, body=body, headers=headers or {})
        answer = self.connection.getresponse()
        data = answer.read()
        self.counts[f"{method} {answer.status}"] += 1
        if answer.status not in expected:
            raise SystemExit(f"{method} {target.split('?')[0]}: {answer.status} {data[:500]!r}")
        return answer.headers, data

    def connect(self):
        """A connection of its own, as a client that comes and goes."""
        if self.connection:
            self.connection.close()
        self.connection = http.client.HTTPConnection("localhost", self.appview.port, timeout=120)

    def sign_in(self, repository, password=None, expected=(200,)):
        credentials = f"{self.appview.account['handle']}:{password or self.appview.password}"
        target = f"/auth/token?service=localhost:{self.appview.port}&scope=repository:{repository}:pull,push"
        basic = base64.b64encode(credentials.encode()).decode()
        data = self.ask(expected, "GET", target, headers={"authorization": f"Basic {basic}"})[1]
        return {"authorization": f"Bearer {json.loads(data).get('token')}"}

    def push_blob(self, repository, headers, data):
        begun, _ = self.ask((202,), "POST", f"/v2/{repository}/blobs/uploads/", headers={**headers, "content-length": "0"})
        target = target_of(begun["location"])
        if self.random.random() < 0.02:
            # Given up half-way.
            self.ask((202,), "PATCH", target, data[: len(data) // 2], headers)
            self.ask((204,), "DELETE", target, headers=headers)
            return self.push_blob(repository, headers, data)
        self.ask((201,), "PUT", with_digest(target, digest_of(data)), data, headers)
        return {"digest": digest_of(data), "size": len(data)}

    def push(self, repository, headers, round_number):
        layer = self.random.randbytes(self.random.choice(LAYER_BYTES))
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Labels": {"round": str(round_number)}},
                             "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]}}).encode()
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": f"{OCI}.config.v1+json", **self.push_blob(repository, headers, config)},
            "layers": [{"mediaType": f"{OCI}.layer.v1.tar", **self.push_blob(repository, headers, layer)}],
        }).encode()
        tag = f"v{round_number % TAGS}"
        self.ask((201,), "PUT", f"/v2/{repository}/manifests/{tag}", manifest, {**headers, "content-type": MANIFEST})
        replaced, self.pushed[repository, tag] = self.pushed.get((repository, tag)), manifest
        if replaced:
            # What an account has, and with it what is kept in memory of it, stays as much.
            self.ask((202,), "DELETE", f"/v2/{repository}/manifests/{digest_of(replaced)}", headers=headers)

    def pull(self, repository, tag):
        """Pulls as a client without a login; every byte must be what was pushed."""
        headers = {"accept": MANIFEST, **self.anonymous(repository)}
        manifest = self.ask((200,), "GET", f"/v2/{repository}/manifests/{tag}", headers=headers)[1]
        if manifest != self.pushed[repository, tag]:
            raise SystemExit(f"{repository}:{tag} is not the manifest that was pushed last")
        content = json.loads(manifest)
        for blob in (content["config"], *content["layers"]):
            answer, _ = self.ask((307,), "GET", f"/v2/{repository}/blobs/{blob['digest']}", headers=headers)
            elsewhere = http.client.HTTPConnection("localhost", self.appview.hold.port, timeout=120)
            elsewhere.request("GET", target_of(answer["location"]))
            if digest_of(elsewhere.getresponse().read()) != blob["digest"]:
                raise SystemExit(f"{repository}: the bytes of {blob['digest']} are others")
            elsewhere.close()

    def anonymous(self, repository):
        target = f"/auth/token?service=localhost:{self.appview.port}&scope=repository:{repository}:pull"
        return {"authorization": f"Bearer {json.loads(self.ask((200,), 'GET', target)[1])['token']}"}

    def look_around(self, repository, headers, round_number):
        """What people, crawlers and clients with mistakes ask beside that."""
        owner = self.appview.account["handle"]
        for page in (f"/{repository}", f"/{owner}", f"/search?q={repository.rpartition('/')[2]}"):
            self.ask((200, 303), "GET", page)
        self.ask((200,), "GET", f"/v2/{repository}/tags/list", headers=headers)
        self.ask((404,), "GET", f"/nothing-{self.number}/of-round-{round_number}")
        self.ask((404,), "GET", f"/v2/{repository}/manifests/absent", headers=headers)
        if round_number % 50 == 0:
            self.sign_in(repository, "wrong", (401,))

    def work(self, until):
        round_number = 0
        while time.monotonic() < until:
            repository = f"{self.appview.account['handle']}/r{self.number}-{round_number % REPOSITORIES}"
            self.connect()
            headers = self.sign_in(repository)
            self.push(repository, headers, round_number)
            self.pull(*self.random.choice(list(self.pushed)))
            self.look_around(repository, headers, round_number)
            round_number += 1

    def pull_all(self):
        self.connect()
        for repository, tag in self.pushed:
            self.pull(repository, tag)
        return len(self.pushed)


def sample(servers):
    """Resident KiB and open files of each."""
    return [(server.memory_kib("VmRSS"), len(os.listdir(f"/proc/{server.process.pid}/fd"))) for server in servers]


def shown(servers, found):
    return "; ".join(f"{server.name} {kib / 1024:.1f} MiB, {files} files" for server, (kib, files) in zip(servers, found))


def watch(servers, workers, began, until):
    """Prints a line from time to time; returns the sample after the first quarter and the last one."""
    first = None
    while any(not worker.done() for worker in workers):
        time.sleep(min(SAMPLE_EVERY_S, (until - began) / 8))
        found = sample(servers)
        if first is None and time.monotonic() - began >= (until - began) / 4:
            first = found
        print(f"{time.monotonic() - began:7.0f} s: {shown(servers, found)}", flush=True)
    for worker in workers:
        worker.result()
    return first, sample(servers)


def main():
    given = arguments()
    (given.work / "hold.toml").write_text(NO_LIMITS)
    with Stack(given.node, given.stack, given.work) as stack:
        account = stack.account("soaker.test")
        public = {"HOLD_PUBLIC": "true"}
        with Hold(given.hold, stack, [account], given.work / "hold", None, public, given.work / "hold.toml") as hold, \
                Appview(given.appview, stack, account, hold, given.work / "appview") as appview:
            counts, servers = Counter(), (hold, appview)
            workers = [Worker(number, appview, counts) for number in range(WORKERS)]
            began = time.monotonic()
            with ThreadPoolExecutor(WORKERS) as pool:
                jobs = [pool.submit(worker.work, began + given.seconds) for worker in workers]
                first, last = watch(servers, jobs, began, began + given.seconds)
            images = sum(worker.pull_all() for worker in workers)
            print(", ".join(f"{count} × {what}" for what, count in sorted(counts.items())))
            for server, (kib, files), (kib_then, files_then) in zip(servers, last, first):
                if kib > kib_then + GROWTH_KIB or files > files_then + GROWTH_FILES:
                    raise SystemExit(f"{server.name} grew from {kib_then} to {kib} KiB, {files_then} to {files} files")
            print(f"registry soak: passed; {images} images are as they were pushed")


if __name__ == "__main__":
    main()
