"""Blobs of 4 KiB by signed URL, beside nginx and docker-registry. Called by small.sh."""

import hashlib
import json
import os
import re
import statistics
import subprocess
from contextlib import ExitStack
from pathlib import Path

from machine import load, machine, say
from servers import NO_LIMITS, Hold, Nginx, Registry, Stack, beside_peers, free_port, target_of

SMALL_BYTES = 4096
CONNECTIONS = (64, 512)
SECONDS = 3



def ask(server, method, target, connections):
    """Answers a second, and the time within which 99 of 100 came, in milliseconds. wrk waits for the body of a HEAD."""
    url, kept = f"http://127.0.0.1:{server.port}{target}", [f"-c{connections}"]
    if method == "GET":
        text = run(["wrk", "-t1", *kept, f"-d{SECONDS}s", "--latency", "--timeout", "30s", url])
        number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
        p99_ms = float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
        rate, failed = re.search(r"Requests/sec:\s+([\d.]+)", text)[1], "Non-2xx" in text
    else:
        text = run(["ab", "-q", "-k", "-i", "-r", *kept, f"-t{SECONDS}", "-n100000000", url])
        p99_ms = float(re.search(r"99%\s+(\d+)", text)[1])
        rate, failed = re.search(r"Requests per second:\s+([\d.]+)", text)[1], "Non-2xx" in text
    if failed:
        raise SystemExit(f"{server.name}: {text}")
    return float(rate), p99_ms


def run(command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main():
    given = beside_peers()
    before, data = load(), os.urandom(SMALL_BYTES)
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    config = given.work / "small.toml"
    config.write_text(NO_LIMITS)
    with Stack(given.node, given.stack, given.work) as stack, ExitStack() as running:
        account, servers = stack.account("alice.test"), []
        for number, binary in enumerate(given.holds):
            root, public = given.work / f"hold{number}", {"HOLD_PUBLIC": "true"}
            hold = running.enter_context(Hold(binary, stack, [account], root, free_port(), public, config))
            hold.push(data, digest, SMALL_BYTES)
            place = f"/xrpc/com.atproto.sync.getBlob?did={hold.did}&cid={digest}"
            urls = {
                method: target_of(json.loads(hold.ask("GET", f"{place}&method={method}")[1])["url"])
                for method in ("GET", "HEAD")
            }
            servers.append((f"{binary.parent.name}/{binary.name}", hold, urls))
        nginx = running.enter_context(Nginx(given.nginx, given.work / "nginx"))
        (nginx.root / "blobs" / "small").write_bytes(data)
        servers.append(("nginx", nginx, dict.fromkeys(("GET", "HEAD"), "/small")))
        registry = running.enter_context(Registry(given.registry, given.work / "registry"))
        registry.push(data, digest)
        place = f"/v2/{registry.repository}/blobs/{digest}"
        servers.append(("docker-registry", registry, dict.fromkeys(("GET", "HEAD"), place)))
        figures = {}
        for number in range(given.rounds):
            say(f"round {number + 1} of {given.rounds}")
            for method in ("GET", "HEAD"):
                for connections in CONNECTIONS:
                    for name, server, targets in servers if number % 2 == 0 else servers[::-1]:
                        figure = ask(server, method, targets[method], connections)
                        figures.setdefault((method, connections), {}).setdefault(name, []).append(figure)
    print(f"Machine: {machine(given.work)}. Load before {before}, after {load()}.\n")
    names = [name for name, _, _ in servers]
    print(f"| | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for (method, connections), found in figures.items():
        cells = []
        for name in names:
            rates, tails = zip(*found[name])
            cells.append(f"{statistics.median(rates):.0f}/s, p99 {statistics.median(tails):.1f} ms")
        print(f"| {method} of 4 KiB, {connections} connections | {' | '.join(cells)} |")


main()
