"""A front end of the binary under test, and everything that it asks: directory, PDS and hold, which the test plays."""

from __future__ import annotations

import base64
import contextlib
import http.client
import http.server
import json
import os
import subprocess
import tempfile
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hold import Account, Answer, base64url, free_port
from watcher import Watcher

ELSEWHERE = "127.0.0.2"
PATIENCE_S = 10.0


class Network:
    """PLC directory, handle resolver, PDS of everybody, and a hold, at one address."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        # Passwords that are right, by DID.
        self.passwords: dict[str, set[str]] = {}
        self.sign_ins: Counter[str] = Counter()
        # Collections that never end, by DID.
        self.endless: set[str] = set()
        network = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def answer(self, status: int, value: object) -> None:
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                # Whoever asked may not wait any more.
                with contextlib.suppress(BrokenPipeError):
                    self.wfile.write(body)

            def do_GET(self) -> None:
                url = urllib.parse.urlsplit(self.path)
                query = {name: values[0] for name, values in urllib.parse.parse_qs(url.query).items()}
                self.answer(*network.get(url.path, query))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.answer(*network.post(self.path, json.loads(body) if body else {}))

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://localhost:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def account(self, name: str) -> Account:
        account = Account(name)
        self.accounts[f"{name}.test"] = account
        return account

    def document(self, handle: str, account: Account) -> dict[str, Any]:
        document = account.document()
        document["alsoKnownAs"] = [f"at://{handle}"]
        service = {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": self.url}
        document["service"] = [service]
        return document

    def get(self, path: str, query: dict[str, str]) -> tuple[int, object]:
        for handle, account in self.accounts.items():
            if path == f"/{account.did}":
                return 200, self.document(handle, account)
        if path.endswith("resolveHandle"):
            if query["handle"].startswith("silent"):
                time.sleep(60)
            account = self.accounts.get(query["handle"])
            return (200, {"did": account.did}) if account else (400, {"error": "HandleNotFound"})
        if path.endswith("listRecords"):
            if query["repo"] not in self.endless:
                return 200, {"records": []}
            time.sleep(0.5)
            return 200, {"records": [], "cursor": str(time.time())}
        if path.endswith("getRecord"):
            return 400, {"error": "RecordNotFound"}
        if path.endswith("getServiceAuth"):
            return 200, {"token": "a.b.c"}
        return 404, {"error": "NotFound"}

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, object]:
        if path.endswith("createSession"):
            did = body["identifier"]
            self.sign_ins[did] += 1
            time.sleep(0.1)
            if body["password"] not in self.passwords.get(did, set()):
                return 401, {"error": "AuthenticationRequired"}
            claims = base64url(json.dumps({"scope": "com.atproto.appPass"}).encode())
            return 200, {"did": did, "accessJwt": f"e30.{claims}.s", "refreshJwt": "r"}
        if path.endswith("initiateUpload"):
            return 200, {"uploadId": "u" * 32}
        if path.endswith("requestCrew"):
            uri = f"at://did:web:localhost%3A{self.port}/io.atcr.hold.crew/k"
            return 200, {"status": "already_member", "message": "", "uri": uri, "cid": "b"}
        return 404, {"error": "NotFound"}


class Front:
    """A front end in a directory of its own. `config` is appended to its configuration."""

    def __init__(self, config: str = "") -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="attacks-")
        root = Path(self.folder.name)
        self.network, self.port = Network(), free_port()
        self.alice = self.network.account("alice")
        self.network.passwords[self.alice.did] = {"right", "another"}
        head = [
            f'base_url = "http://127.0.0.1:{self.port}"',
            "test_mode = true",
            f'default_hold = "did:web:localhost%3A{self.network.port}"',
            f'database.path = "{root}/appview.db"',
            f'server.addr = "127.0.0.1:{self.port}"',
            f'identity.plc_url = "{self.network.url}"',
            f'identity.handle_resolver_url = "{self.network.url}"',
        ]
        (root / "config.toml").write_text("\n".join(head) + "\n" + config)
        self.log = root / "log"
        command = [os.environ["ATCR_APPVIEW_BINARY"], "--config", str(root / "config.toml")]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=root)
        deadline = time.time() + 120
        while True:
            with contextlib.suppress(OSError):
                if self.send("GET", "/_health").status == 200:
                    break
            if self.process.poll() is not None or time.time() > deadline:
                raise RuntimeError(f"the front end did not start:\n{self.log.read_text()}")
            time.sleep(0.05)

    def __enter__(self) -> Front:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.network.server.shutdown()
        self.folder.cleanup()

    def send(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: Any = None,
        timeout: float = 30,
        source: str = "127.0.0.1",
    ) -> Answer:
        """Asks from the address `source`. A body that is an iterator is sent in chunks."""
        began = time.time()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout, source_address=(source, 0))
        try:
            connection.request(method, path, body=body, headers=headers or {}, encode_chunked=isinstance(body, Iterator))
            response = connection.getresponse()
            content = response.read()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, fields, content, time.time() - began)
        finally:
            connection.close()

    def sign_in(self, password: str | None, scope: str, user: str = "alice.test", source: str = "127.0.0.1") -> Answer:
        """A token for one scope, as nobody when there is no password."""
        path = f"/auth/token?service=x&scope=repository:{scope}"
        credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
        headers = {} if password is None else {"Authorization": f"Basic {credentials}"}
        return self.send("GET", path, headers, source=source)

    def bearer(self, password: str | None, scope: str, source: str = "127.0.0.1") -> dict[str, str]:
        answer = self.sign_in(password, scope, source=source)
        assert answer.status == 200, answer.body
        return {"Authorization": f"Bearer {answer.json()['token']}"}

    def memory_mib(self) -> float:
        """The most memory that the front end has had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


class Passer(Watcher):
    """Somebody who reads tags of alice's, and whoever asks whether the front end is alive."""

    EXPECTED = {"health": 200, "tags": 404}

    def __init__(self, front: Front) -> None:
        super().__init__()
        self.front = front
        self.token = front.bearer(None, "alice.test/app:pull", self.ADDRESS)

    def once(self, name: str) -> Answer:
        path, headers = {"health": ("/_health", {}), "tags": ("/v2/alice.test/app/tags/list", self.token)}[name]
        return self.front.send("GET", path, headers, timeout=20, source=self.ADDRESS)


@contextlib.contextmanager
def unfelt(front: Front) -> Iterator[Passer]:
    """Runs an attack beside somebody who must be answered all the time."""
    with Passer(front) as passer:
        yield passer
    assert not passer.failed, passer.felt()
    assert max(passer.worst.values()) < PATIENCE_S, passer.felt()
