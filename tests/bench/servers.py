"""The servers that are measured, each with the same small client: push, pull, and uploads that can be held open."""

import argparse
import base64
import http.client
import json
import os
import re
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

READ_BYTES = 1024 * 1024
READY_WITHIN_S = 30
# The one method that registry front ends may ask tokens for; with a method, the PDS gives a token for an hour.
TOKEN_LXM = "com.atproto.repo.getRecord"
TOKEN_S = 3500
# Of a hold's limits those that would end the load of one client that is many.
NO_LIMITS = """[limits]
requests_per_address = 0
requests_per_account = 0
connections_per_address = 1024
uploads_per_account = 1000
"""


def beside_peers():
    """The arguments of a measurement of holds beside nginx and docker-registry, as peer.sh calls it."""
    parser = argparse.ArgumentParser()
    for name in ("registry", "nginx", "node", "stack", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("holds", type=Path, nargs="+")
    return parser.parse_args()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Stack:
    """The PLC directory and the PDS."""

    def __init__(self, node, folder, work):
        self.node, self.folder = node, folder
        data = work / "pds"
        data.mkdir()
        # It ends when its stdin closes, so it cannot outlive us.
        command = [node, folder / "start.mjs", data]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.urls = json.loads(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def _account_command(self, *args):
        command = [self.node, self.folder / "account.mjs", *args]
        return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)

    def account(self, handle):
        return self._account_command("create", self.urls["pds"], handle)

    def app_password(self, account):
        """What clients of a registry sign in with."""
        headers = {"content-type": "application/json", "authorization": f"Bearer {account['accessJwt']}"}
        request = urllib.request.Request(
            f"{self.urls['pds']}/xrpc/com.atproto.server.createAppPassword",
            json.dumps({"name": f"bench {time.monotonic_ns()}"}).encode(), headers,
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())["password"]

    def token(self, account, audience):
        pds, jwt = self.urls["pds"], account["accessJwt"]
        return self._account_command("token", pds, jwt, audience, TOKEN_LXM, str(TOKEN_S))["token"]


class Server:
    """A process that listens on a port of 127.0.0.1, and one kept-alive connection to it."""

    name = ""
    ready_path = "/"
    # What each request of an upload has, besides what it is about.
    headers = {}

    def __init__(self, command, port, root, environment):
        self.port, self.root = port, root
        self.log = open(f"{root}.log", "wb")
        # setpriv: the kernel kills the server when this process is gone.
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            cwd=root, env={"PATH": os.environ["PATH"], **environment},
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
        )
        self.connect()
        self._wait_until_ready()

    def connect(self):
        self.connection = http.client.HTTPConnection("localhost", self.port, timeout=120)

    def _wait_until_ready(self):
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                self.ask("GET", self.ready_path)
                return
            except OSError as error:
                self.connection.close()
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{self.name} does not answer: {Path(self.log.name).read_text()}") from error
                time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def reconnect(self):
        """For the first request after a pause: the server may have closed the idle connection."""
        self.connection.close()

    def ask(self, method, target, body=None, headers=None):
        """One request on the kept-alive connection; the answer's headers and body, or the end of the run."""
        self.connection.request(method, target, body=body, headers=headers or {})
        response = self.connection.getresponse()
        text = response.read()
        if response.status >= 400:
            raise SystemExit(f"{self.name}: {method} {target.split('?')[0]}: {response.status} {text[:500]!r}")
        return response.headers, text

    def _read(self, target, on_chunk):
        """Reads a blob piece by piece, wherever it is said to be; without `on_chunk` the bytes are only counted."""
        self.connection.request("GET", target, headers=self.headers)
        response = self.connection.getresponse()
        if response.status == 307:
            response.read()
            place = urlsplit(response.headers["location"])
            elsewhere = http.client.HTTPConnection(place.hostname, place.port, timeout=120)
            elsewhere.request("GET", target_of(response.headers["location"]))
            response = elsewhere.getresponse()
        assert response.status == 200, f"{self.name}: {response.status}"
        buffer = memoryview(bytearray(READ_BYTES))
        total = 0
        while count := response.readinto(buffer):
            total += count
            if on_chunk:
                on_chunk(buffer[:count])
        assert total == int(response.headers["content-length"])

    def remove(self, digest):
        """Frees the disk behind the server's back: both keep blobs where the reference registry does."""
        algorithm, value = digest.split(":")
        for data in self.root.glob(f"**/blobs/{algorithm}/{value[:2]}/{value}/data"):
            data.unlink()

    def memory_kib(self, field):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE).group(1))

    def _processes(self):
        """The server and its workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [str(self.process.pid), *children]

    def run_on(self, cores):
        """Keeps all its threads, and those that they start, on these cores."""
        for process in self._processes():
            for thread in Path(f"/proc/{process}/task").iterdir():
                os.sched_setaffinity(int(thread.name), cores)

    def processor_s(self):
        """The seconds of processor time that it has taken so far, the kernel's for it among them."""
        # By the processes' own clocks, which count nanoseconds: /proc has hundredths of a second. clock_getcpuclockid(3).
        return sum(time.clock_gettime(~int(process) << 3 | 2) for process in self._processes())

    def resident_kib(self):
        """Resident memory of all its processes; what workers share counts for each."""
        statuses = (Path(f"/proc/{process}/status").read_text() for process in self._processes())
        return sum(int(re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)[1]) for status in statuses)

    def forget_peak(self):
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


def target_of(url):
    """Path and query of a URL on the server that we are connected to."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def with_digest(target, digest):
    """The target that finishes an upload."""
    path, _, query = target.partition("?")
    return f"{path}?{query}&digest={digest}" if query else f"{path}?digest={digest}"


class Hold(Server):
    name = "atcr-hold"
    ready_path = "/xrpc/_health"

    def __init__(self, binary, stack, accounts, root, port=None, environment=None, config=None):
        port = port or free_port()
        (root / "blobs").mkdir(parents=True, exist_ok=True)
        self.did = f"did:web:localhost%3A{port}"
        arguments = ["--config", config] if config else []
        super().__init__([binary, "serve", *arguments], port, root, {
            "HOLD_PUBLIC_URL": f"http://localhost:{port}",
            "HOLD_SERVER_ADDR": f"127.0.0.1:{port}",
            "HOLD_OWNER": accounts[0]["did"],
            "HOLD_ALLOW_ALL_CREW": "true",
            "HOLD_DATABASE_PATH": str(root / "hold.db"),
            "HOLD_PLC_DIRECTORY_URL": stack.urls["plc"],
            "STORAGE_DRIVER": "filesystem",
            "STORAGE_ROOT_DIR": str(root / "blobs"),
            "TEST_MODE": "true",
            **(environment or {}),
        })
        self.uploads = {}
        self.tokens = [stack.token(account, self.did) for account in accounts]
        for token in self.tokens[1:]:
            self.call("io.atcr.hold.requestCrew", {"permissions": ["blob:read", "blob:write"]}, token)

    def call(self, method, value, token=None):
        headers = {"authorization": f"Bearer {token or self.tokens[0]}", "content-type": "application/json"}
        return json.loads(self.ask("POST", f"/xrpc/{method}", json.dumps(value), headers)[1])

    def _part_target(self, upload_id, number, token=None):
        answer = self.call("io.atcr.hold.getPartUploadUrl", {"uploadId": upload_id, "partNumber": number}, token)
        return target_of(answer["url"])

    def push(self, data, digest, part_bytes):
        """Pushes one blob in order; the seconds that completeUpload took."""
        self.reconnect()
        upload_id = self.call("io.atcr.hold.initiateUpload", {"digest": "uploads/temp-bench"})["uploadId"]
        parts = []
        for offset in range(0, len(data), part_bytes):
            number = len(parts) + 1
            body = data[offset : offset + part_bytes]
            answer = self.ask("PUT", self._part_target(upload_id, number), body, {"content-length": str(len(body))})[1]
            parts.append({"partNumber": number, "etag": json.loads(answer)["etag"]})
        started = time.perf_counter()
        self.call("io.atcr.hold.completeUpload", {"uploadId": upload_id, "digest": digest, "parts": parts})
        return time.perf_counter() - started

    def pull(self, digest, on_chunk=None):
        self.reconnect()
        headers = {"authorization": f"Bearer {self.tokens[0]}"}
        answer = self.ask("GET", f"/xrpc/com.atproto.sync.getBlob?did={self.did}&cid={digest}", headers=headers)[1]
        self._read(target_of(json.loads(answer)["url"]), on_chunk)

    def open_upload(self, number):
        """Method and target of the first part of the upload with this number; uploads are spread over the accounts."""
        token = self.tokens[number % len(self.tokens)]
        if number not in self.uploads:
            answer = self.call("io.atcr.hold.initiateUpload", {"digest": "uploads/temp-bench"}, token)
            self.uploads[number] = answer["uploadId"]
        return "PUT", self._part_target(self.uploads[number], 1, token)


class Registry(Server):
    name = "docker-registry"
    ready_path = "/v2/"
    repository = "bench"

    def __init__(self, binary, root):
        port = free_port()
        (root / "blobs").mkdir(parents=True)
        version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
        self.version = version.split()[-1]
        config = root / "config.yml"
        config.write_text(
            "version: 0.1\n"
            "log: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {root / 'blobs'}}}}}\n"
            f"http: {{addr: '127.0.0.1:{port}'}}\n"
        )
        super().__init__([binary, "serve", config], port, root, {"OTEL_TRACES_EXPORTER": "none"})

    def start_upload(self):
        headers, _ = self.ask("POST", f"/v2/{self.repository}/blobs/uploads/", headers=self.headers)
        return target_of(headers["location"])

    def push(self, data, digest):
        self.reconnect()
        headers = {**self.headers, "content-type": "application/octet-stream", "content-length": str(len(data))}
        answer, _ = self.ask("PATCH", self.start_upload(), data, headers)
        self.finish_upload(answer["location"], digest)

    def finish_upload(self, location, digest):
        target = with_digest(target_of(location), digest)
        self.ask("PUT", target, headers={**self.headers, "content-length": "0"})

    def pull(self, digest, on_chunk=None):
        self.reconnect()
        self._read(f"/v2/{self.repository}/blobs/{digest}", on_chunk)

    def open_upload(self, _number):
        return "PATCH", self.start_upload()


class Nginx(Server):
    """One worker a core, sendfile and an open file cache: as fast as it serves files. It logs each request too."""

    name = "nginx"
    ready_path = "/ready"

    def __init__(self, binary, root):
        port = free_port()
        (root / "blobs").mkdir(parents=True)
        (root / "blobs" / "ready").write_bytes(b"")
        config, uses = root / "nginx.conf", ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        folders = "".join(f"{use}_temp_path {root}/{use};\n" for use in uses)
        config.write_text(
            f"daemon off; pid {root}/pid; error_log {root}/error.log; worker_processes auto; user root;\n"
            "events { worker_connections 2048; }\n"
            f"http {{ access_log {root}/access.log combined buffer=64k flush=1s; sendfile on; tcp_nopush on;\n"
            f"{folders}keepalive_requests 1000000000; open_file_cache max=1000;\n"
            f"server {{ listen 127.0.0.1:{port}; root {root}/blobs; }} }}\n"
        )
        super().__init__([binary, "-p", root, "-c", config, "-e", root / "error.log"], port, root, {})


class Appview(Registry):
    """The front end before a hold, which has the bytes."""

    name = "atcr-appview"
    ready_path = "/_health"

    def __init__(self, binary, stack, account, hold, root):
        port = free_port()
        root.mkdir(parents=True)
        self.account, self.hold, self.repository = account, hold, f"{account['handle']}/bench"
        config = root / "appview.toml"
        config.write_text("[limits]\nrequests_per_address = 0\nuploads_per_account = 1000\n")
        Server.__init__(self, [binary, "serve", "--config", config], port, root, {
            "ATCR_BASE_URL": f"http://localhost:{port}",
            "ATCR_HTTP_ADDR": f"127.0.0.1:{port}",
            "ATCR_DATABASE_PATH": str(root / "appview.db"),
            "ATCR_DEFAULT_HOLD_DID": hold.did,
            "ATCR_PLC_DIRECTORY_URL": stack.urls["plc"],
            "ATCR_HANDLE_RESOLVER_URL": stack.urls["pds"],
            "TEST_MODE": "true",
            "ATCR_LOG_LEVEL": "warn",
        })
        self.password = stack.app_password(account)
        self.sign_in()

    def token_request(self):
        """Target and headers of a request for a token, which is good for five minutes."""
        credentials = base64.b64encode(f"{self.account['handle']}:{self.password}".encode()).decode()
        target = f"/auth/token?service=localhost:{self.port}&scope=repository:{self.repository}:pull,push"
        return target, {"authorization": f"Basic {credentials}"}

    def sign_in(self):
        target, headers = self.token_request()
        token = json.loads(self.ask("GET", target, headers=headers)[1])["token"]
        self.headers = {"authorization": f"Bearer {token}"}

    def reconnect(self):
        super().reconnect()
        self.sign_in()

    def remove(self, digest):
        self.hold.remove(digest)
