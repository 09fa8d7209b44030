"""The servers that are measured, each with the same small client: push, pull, and uploads that can be held open."""

import http.client
import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

READ_BYTES = 1024 * 1024
READY_WITHIN_S = 30
# The one method that registry front ends may ask tokens for; with a method, the PDS gives a token for an hour.
TOKEN_LXM = "com.atproto.repo.getRecord"
TOKEN_S = 3500


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

    def token(self, account, audience):
        pds, jwt = self.urls["pds"], account["accessJwt"]
        return self._account_command("token", pds, jwt, audience, TOKEN_LXM, str(TOKEN_S))["token"]


class Server:
    """A process that listens on a port of 127.0.0.1, and one kept-alive connection to it."""

    name = ""
    ready_path = "/"

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
        """Reads a blob piece by piece; without `on_chunk` the bytes are only counted."""
        self.connection.request("GET", target)
        response = self.connection.getresponse()
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

    def forget_peak(self):
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


def target_of(url):
    """Path and query of a URL on the server that we are connected to."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


class Hold(Server):
    name = "atcr-hold"
    ready_path = "/xrpc/_health"

    def __init__(self, binary, stack, accounts, root, port=None, environment=None):
        port = port or free_port()
        (root / "blobs").mkdir(parents=True, exist_ok=True)
        self.did = f"did:web:localhost%3A{port}"
        super().__init__([binary, "serve"], port, root, {
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

    def _start_upload(self):
        headers, _ = self.ask("POST", "/v2/bench/blobs/uploads/")
        return target_of(headers["location"])

    def push(self, data, digest):
        self.reconnect()
        headers = {"content-type": "application/octet-stream", "content-length": str(len(data))}
        answer, _ = self.ask("PATCH", self._start_upload(), data, headers)
        self.ask("PUT", f"{target_of(answer['location'])}&digest={digest}", headers={"content-length": "0"})

    def pull(self, digest, on_chunk=None):
        self.reconnect()
        self._read(f"/v2/bench/blobs/{digest}", on_chunk)

    def open_upload(self, _number):
        return "PATCH", self._start_upload()
