"""A whole registry, front end and hold, beside Debian's docker-registry. Called by registry.sh; needs skopeo as well."""

import argparse
import hashlib
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import GIB, MIB, Content, check, rate_row, settled, timed
from machine import load, machine, say
from memory import in_flight
from rate import rate
from servers import NO_LIMITS, Appview, Hold, Registry, Stack, target_of, with_digest

LAYERS, LAYER_BYTES, STREAMS = 64, 4 * MIB, 8
IMAGE_LAYERS, IMAGE_LAYER_BYTES = 12, 8 * MIB
LARGE_BYTES = 5 * GIB
OCI = "application/vnd.oci.image"


def arguments():
    parser = argparse.ArgumentParser()
    for name in ("hold", "appview", "registry", "node", "stack", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    return parser.parse_args()


# --- transfers


def push_and_pull(server, content, times):
    data, digest = content.next(GIB)
    settled()
    times["push"].append(timed(server.push, data, digest)[0])
    settled()
    times["pull"].append(timed(server.pull, digest)[0])
    check(digest, server)
    server.remove(digest)


def push_layers(server, content):
    """64 layers by 8 connections at once; seconds for all of them."""
    layers = []
    for _ in range(LAYERS):
        data, digest = content.next(LAYER_BYTES)
        layers.append((bytes(data), digest))
    server.reconnect()
    settled()

    def stream(own):
        connection = http.client.HTTPConnection("localhost", server.port, timeout=120)

        def ask(method, target, body=None):
            connection.request(method, target, body, {**server.headers, "content-length": str(len(body or b""))})
            answer = connection.getresponse()
            answer.read()
            assert answer.status in (201, 202), f"{server.name}: {method}: {answer.status}"
            return target_of(answer.headers.get("location", ""))

        for data, digest in own:
            place = ask("POST", f"/v2/{server.repository}/blobs/uploads/")
            place = ask("PATCH", place, data)
            ask("PUT", with_digest(place, digest))

    with ThreadPoolExecutor(STREAMS) as pool:
        started = time.perf_counter()
        list(pool.map(stream, [layers[number::STREAMS] for number in range(STREAMS)]))
        seconds = time.perf_counter() - started
    for _, digest in layers:
        server.remove(digest)
    return seconds


# --- an image by a real client


def make_layout(folder):
    """An image of 12 layers, new ones each time, as an OCI layout."""
    shutil.rmtree(folder, ignore_errors=True)
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(data, media_type):
        value = hashlib.sha256(data).hexdigest()
        (blobs / value).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{value}", "size": len(data)}

    layers = [put(os.urandom(IMAGE_LAYER_BYTES), f"{OCI}.layer.v1.tar+gzip") for _ in range(IMAGE_LAYERS)]
    ids = [layer["digest"] for layer in layers]
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ids}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": put(json.dumps(config).encode(), f"{OCI}.config.v1+json"),
        "layers": layers,
    }
    top = put(json.dumps(manifest).encode(), manifest["mediaType"])
    top["annotations"] = {"org.opencontainers.image.ref.name": "it"}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return top["digest"]


def skopeo_round(server, work, times):
    layout, pulled = work / "layout", work / "pulled"
    digest = make_layout(layout)
    place = f"docker://localhost:{server.port}/{server.repository}:skopeo"
    copy = ["skopeo", "--insecure-policy", "copy", "--quiet", "--preserve-digests"]
    who = ["--dest-creds", f"{server.account['handle']}:{server.password}"] if isinstance(server, Appview) else []
    settled()
    push = [*copy, "--dest-tls-verify=false", *who, f"oci:{layout}:it", place]
    times["skopeo push"].append(timed(subprocess.check_call, push)[0])
    settled()
    pull = [*copy, "--src-tls-verify=false", "--src-no-creds", place, f"dir:{pulled}"]
    times["skopeo pull"].append(timed(subprocess.check_call, pull)[0])
    shutil.rmtree(pulled)
    return digest


# --- memory


def memory_of_large(server):
    """The peak, in KiB, while one upload of 5 GiB comes in one PATCH; it is given up in the end."""
    server.reconnect()
    target = server.start_upload()
    server.forget_peak()
    piece = memoryview(os.urandom(MIB))
    stream = socket.create_connection(("127.0.0.1", server.port), timeout=300)
    headers = {**server.headers, "content-type": "application/octet-stream", "content-length": str(LARGE_BYTES)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    stream.sendall(f"PATCH {target} HTTP/1.1\r\nhost: localhost:{server.port}\r\n{lines}\r\n".encode())
    for _ in range(LARGE_BYTES // MIB):
        stream.sendall(piece)
    answer = stream.recv(65536)
    assert answer.startswith(b"HTTP/1.1 202"), answer[:300]
    stream.close()
    peak = server.memory_kib("VmHWM")
    server.reconnect()
    server.ask("DELETE", target, headers=server.headers)
    return peak


def memory_rows(appview, registry):
    idle = [server.memory_kib("VmRSS") for server in (appview, registry)]
    many = [in_flight(server, 64)[0] for server in (appview, registry)]
    rows = []
    for label, (ours, theirs) in (("idle", idle), ("64 uploads in flight", many)):
        cells = [f"{kib / 1024:.1f} MiB" for kib in (ours, theirs)]
        rows.append([f"resident memory, {label}", *cells, f"{theirs / ours:.2f} ×"])
    large = memory_of_large(appview)
    rows.append(["resident memory at most, one upload of 5 GiB", f"{large / 1024:.1f} MiB", "–", "–"])
    return rows


# --- the table


def seconds_row(label, ours, theirs):
    cells = [f"{statistics.median(times):.2f} s ({min(times):.2f}–{max(times):.2f})" for times in (ours, theirs)]
    return [label, *cells, f"{statistics.median(theirs) / statistics.median(ours):.2f} ×"]


def per_second_row(label, ours, theirs):
    cells = [f"{statistics.median(rates):.0f}/s" if rates else "–" for rates in (ours, theirs)]
    return [label, *cells, f"{statistics.median(ours) / statistics.median(theirs):.2f} ×" if theirs else "–"]


def measure(given, servers, content):
    names = ("push", "pull", "layers", "skopeo push", "skopeo pull", "HEAD blob", "HEAD manifest", "GET manifest", "token")
    times = [{name: [] for name in names} for _ in servers]
    for number in range(given.rounds):
        say(f"round {number + 1} of {given.rounds}")
        turns = list(zip(servers, times))
        # Nobody always goes first.
        for server, own in turns if number % 2 == 0 else reversed(turns):
            push_and_pull(server, content, own)
            own["layers"].append(push_layers(server, content))
            digest = skopeo_round(server, given.work, own)
            config = json.loads((given.work / "layout" / "blobs" / "sha256" / digest[7:]).read_text())["config"]["digest"]
            server.reconnect()
            base, found = f"/v2/{server.repository}", 307 if isinstance(server, Appview) else 200
            headers = {**server.headers, "accept": f"{OCI}.manifest.v1+json"}
            own["HEAD blob"].append(rate(server.port, "HEAD", f"{base}/blobs/{config}", headers, found))
            own["HEAD manifest"].append(rate(server.port, "HEAD", f"{base}/manifests/skopeo", headers, 200))
            own["GET manifest"].append(rate(server.port, "GET", f"{base}/manifests/{digest}", headers, 200))
            if isinstance(server, Appview):
                own["token"].append(rate(server.port, "GET", *server.token_request(), 200))
    ours, theirs = times
    return [
        rate_row("push 1 GiB in one PATCH", ours["push"], theirs["push"]),
        rate_row("pull 1 GiB", ours["pull"], theirs["pull"]),
        seconds_row("push 64 layers of 4 MiB by 8 streams", ours["layers"], theirs["layers"]),
        seconds_row("skopeo pushes 12 layers of 8 MiB", ours["skopeo push"], theirs["skopeo push"]),
        seconds_row("skopeo pulls them", ours["skopeo pull"], theirs["skopeo pull"]),
        per_second_row("HEAD of a blob", ours["HEAD blob"], theirs["HEAD blob"]),
        per_second_row("HEAD of a manifest by tag", ours["HEAD manifest"], theirs["HEAD manifest"]),
        per_second_row("GET of a manifest by digest", ours["GET manifest"], theirs["GET manifest"]),
        per_second_row("tokens, by app password", ours["token"], theirs["token"]),
    ]


def main():
    given = arguments()
    load_before = load()
    content = Content()
    limits = given.work / "hold.toml"
    limits.write_text(NO_LIMITS)
    with Stack(given.node, given.stack, given.work) as stack:
        account = stack.account("alice.test")
        place = given.work / "hold"
        with Hold(given.hold, stack, [account], place, environment={"HOLD_PUBLIC": "true"}, config=limits) as hold:
            with Appview(given.appview, stack, account, hold, given.work / "appview") as appview:
                with Registry(given.registry, given.work / "registry") as registry:
                    rows = measure(given, (appview, registry), content)
            say("memory")
            with Appview(given.appview, stack, account, hold, given.work / "appview-memory") as appview:
                with Registry(given.registry, given.work / "registry-memory") as registry:
                    rows += memory_rows(appview, registry)
    print(f"Machine: {machine(given.work)}. Load before {load_before}, after {load()}.")
    print(f"Medians of {given.rounds} rounds, slowest and fastest in brackets. Ratio above 1: ours is better.\n")
    print(f"| | atcr-appview and atcr-hold | docker-registry {registry.version} | ratio |\n|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


main()
