"""A hold of the binary under test, a PLC directory that knows everybody, and accounts with tokens."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import http.server
import json
import os
import secrets
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from watcher import Watcher

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
HOLD = "io.atcr.hold."


def base58(data: bytes) -> str:
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Account:
    """A did:plc with a K-256 key."""

    def __init__(self, name: str) -> None:
        digest = base64.b32encode(hashlib.sha256(name.encode()).digest()).decode().lower()
        self.did = "did:plc:" + digest[:24]
        self.key = ec.generate_private_key(ec.SECP256K1())

    def document(self) -> dict[str, Any]:
        form = serialization.PublicFormat.CompressedPoint
        point = self.key.public_key().public_bytes(serialization.Encoding.X962, form)
        method = {
            "id": f"{self.did}#atproto",
            "type": "Multikey",
            "controller": self.did,
            "publicKeyMultibase": "z" + base58(b"\xe7\x01" + point),
        }
        return {"id": self.did, "alsoKnownAs": [], "verificationMethod": [method], "service": []}

    def sign(self, text: str) -> str:
        r, s = decode_dss_signature(self.key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        # The low of the two signatures is the one that counts.
        s = min(s, ORDER - s)
        return base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))

    def token(self, audience: str, seconds: int = 600) -> str:
        now = int(time.time())
        claims = {"iss": self.did, "aud": audience, "iat": now, "exp": now + seconds, "jti": secrets.token_hex(8)}
        head = base64url(json.dumps({"typ": "JWT", "alg": "ES256K"}).encode())
        text = head + "." + base64url(json.dumps(claims).encode())
        return text + "." + self.sign(text)


class WebAccount(Account):
    """A did:web of this machine, with the server of its document."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        account = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                body = json.dumps(account.document()).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.did = f"did:web:localhost%3A{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()


class Directory:
    """A PLC directory. Who is not in it gets 404."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}
        # How long each answer takes.
        self.seconds = 0.0
        self.asked: list[str] = []
        self.status: int | None = None
        directory = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                did = self.path.lstrip("/")
                directory.asked.append(did)
                time.sleep(directory.seconds)
                found = directory.documents.get(did)
                status = directory.status or (200 if found else 404)
                body = found if status == 200 and found else b"{}"
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def account(self, name: str) -> Account:
        account = Account(name)
        self.documents[account.did] = json.dumps(account.document()).encode()
        return account


def free_port() -> int:
    """A port that no connection is given for its own end: else one that asks whether the hold listens already may be made
    with itself, and take the hold's port."""
    while True:
        port = secrets.choice(range(20_000, 32_000))
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Hold:
    """A hold with one captain, in a directory of its own. `config` is appended to its configuration."""

    config: str = ""
    public: bool = False
    wrap: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="attacks-")
        root = Path(self.folder.name)
        (root / "blobs").mkdir()
        self.directory = Directory()
        self.captain = self.directory.account("captain")
        self.port = free_port()
        self.did = f"did:web:localhost%3A{self.port}"
        head = [
            f'public_url = "http://localhost:{self.port}"',
            f'owner = "{self.captain.did}"',
            f"public = {str(self.public).lower()}",
            "test_mode = true",
            f'database.path = "{root}/hold.db"',
            f'storage.root_dir = "{root}/blobs"',
            f'admin.socket = "{root}/admin.sock"',
            f'server.addr = "127.0.0.1:{self.port}"',
            f'identity.plc_url = "{self.directory.url}"',
        ]
        (root / "config.toml").write_text("\n".join(head) + "\n" + self.config)
        self.log = root / "log"
        binary = os.environ["ATCR_HOLD_BINARY"]
        command = [*self.wrap, binary, "--config", str(root / "config.toml")]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=root)
        deadline = time.time() + 120
        while True:
            try:
                if self.get("/xrpc/_health").status == 200:
                    break
            except OSError:
                pass
            if self.process.poll() is not None or time.time() > deadline:
                raise RuntimeError(f"the hold did not start:\n{self.log.read_text()}")
            time.sleep(0.05)

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.directory.server.shutdown()
        self.folder.cleanup()

    def path(self, name: str) -> Path:
        return Path(self.folder.name) / name

    def token(self, account: Account) -> str:
        return account.token(self.did)

    def send(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None, timeout: float, source: str = "127.0.0.1"
    ) -> Answer:
        """Asks from the address `source`."""
        began = time.time()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout, source_address=(source, 0))
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            content = response.read()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, fields, content, time.time() - began)
        finally:
            connection.close()

    def get(self, path: str, token: str | None = None, timeout: float = 30, source: str = "127.0.0.1") -> Answer:
        return self.send("GET", path, {"Authorization": f"Bearer {token}"} if token else {}, None, timeout, source)

    def post(
        self, nsid: str, value: object, token: str | None = None, timeout: float = 60, source: str = "127.0.0.1"
    ) -> Answer:
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return self.send("POST", f"/xrpc/{nsid}", headers, json.dumps(value).encode(), timeout, source)

    def member(self, name: str, permissions: tuple[str, ...] = ("blob:read", "blob:write")) -> tuple[Account, str]:
        """A new member of the crew, and a token of its."""
        return self.take_in(self.directory.account(name), permissions)

    def take_in(self, account: Account, permissions: tuple[str, ...] = ("blob:read", "blob:write")) -> tuple[Account, str]:
        """Makes an account a member; answers it with a token of its."""
        record = {"member": account.did, "role": "member", "permissions": list(permissions), "addedAt": "2026-01-01T00:00:00Z"}
        record["$type"] = HOLD + "crew"
        call = {"repo": self.did, "collection": HOLD + "crew", "record": record}
        answer = self.post("com.atproto.repo.createRecord", call, self.token(self.captain))
        assert answer.status == 200, answer.body
        return account, self.token(account)

    def events(self) -> int:
        """How many events are kept: one a commit."""
        with contextlib.closing(sqlite3.connect(f"file:{self.path('hold.db')}?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT count(*) FROM event").fetchone()[0])

    def command(self, *arguments: str) -> None:
        """Runs a command of the operator, which must succeed."""
        binary = os.environ["ATCR_HOLD_BINARY"]
        subprocess.run([binary, "--config", str(self.path("config.toml")), *arguments], check=True, capture_output=True)

    def push_blob(self, token: str, content: bytes) -> str:
        """Uploads a blob; returns its digest."""
        begun = self.post(HOLD + "initiateUpload", {"digest": "uploads/temp"}, token)
        assert begun.status == 200, begun.body
        upload = begun.json()["uploadId"]
        target = self.post(HOLD + "getPartUploadUrl", {"uploadId": upload, "partNumber": 1}, token).json()["url"]
        part = self.send("PUT", "/" + target.split("/", 3)[3], {}, content, 60)
        assert part.status == 200, part.body
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        parts = [{"partNumber": 1, "etag": part.headers["etag"]}]
        done = self.post(HOLD + "completeUpload", {"uploadId": upload, "digest": digest, "parts": parts}, token)
        assert done.status == 200, done.body
        return digest

    def memory_mib(self) -> float:
        """The most memory that the hold has had."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return 0.0


class Bystander(Watcher):
    """An honest account, and whoever asks whether the hold is alive."""

    EXPECTED = {"health": 200, "upload": 200}

    def __init__(self, hold: Hold) -> None:
        super().__init__()
        self.hold = hold
        _, self.token = hold.member("bystander")

    def once(self, name: str) -> Answer:
        if name == "health":
            return self.hold.get("/xrpc/_health", timeout=20, source=self.ADDRESS)
        begun = self.hold.post(HOLD + "initiateUpload", {"digest": "x"}, self.token, 20, self.ADDRESS)
        if begun.status == 200:
            self.hold.post(HOLD + "abortUpload", {"uploadId": begun.json()["uploadId"]}, self.token, 20, self.ADDRESS)
        return begun
