"""A hold to look at, and the little of the network that its owner's handle needs."""

import http.server
import json
import os
import socket
import sqlite3
import struct
import subprocess
import tempfile
import threading
import time
import urllib.request
import zlib
from pathlib import Path

HOST = "hold.example.org"
OWNER = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
HANDLE = "alice.test"


def picture() -> bytes:
    """A PNG of 96 by 96 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(
        b"\0" + b"".join(bytes((240 - y, 120 + x // 2, 60 + (x ^ y) // 2)) for x in range(96)) for y in range(96)
    )
    header = struct.pack(">IIBBBBB", 96, 96, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class Network:
    """The PLC directory and the owner's PDS at once."""

    def __init__(self):
        network = self
        self.accounts: dict[str, str] = {}

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                known = {f"/{OWNER}": network.document(), "/.well-known/atproto-did": OWNER.encode()}
                known |= {f"/{did}": document(did, key) for did, key in network.accounts.items()}
                body = known.get(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def document(self) -> bytes:
        # The key is the example of the specification: the owner of a page signs nothing.
        key = "zQ3shqwJEJyMBsBXCWyCBpUBMqxcon9oHB7mCvx4sSpMdLJwc"
        pds = {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": self.url}
        return document(OWNER, key, alsoKnownAs=[f"at://{HANDLE}"], service=[pds])

    def add(self, did: str, key: str) -> None:
        """Makes an account known by its public key (multibase)."""
        self.accounts[did] = key


def document(did: str, key: str, **more: list) -> bytes:
    method = {"id": f"{did}#atproto", "type": "Multikey", "controller": did, "publicKeyMultibase": key}
    return json.dumps({"id": did, "verificationMethod": [method], **more}).encode()


class Hold:
    """A hold with these options (TOML; PICTURE is a file), and blobs that only its database knows, by their sizes."""

    def __init__(
        self, program: str, network: Network, options: str = "", blobs: list[int] = (), owner: str = OWNER
    ):
        self.state = tempfile.TemporaryDirectory(prefix="atcr-hold-page-")
        root = Path(self.state.name)
        (root / "blobs").mkdir()
        (root / "picture.png").write_bytes(picture())
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        config = root / "config.toml"
        config.write_text(options.replace("PICTURE", json.dumps(str(root / "picture.png"))))
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOLD_PUBLIC_URL": f"https://{HOST}",
            "HOLD_OWNER": owner,
            "HOLD_PLC_DIRECTORY_URL": network.url,
            "HOLD_SERVER_ADDR": f"127.0.0.1:{self.port}",
            "HOLD_DATABASE_PATH": str(root / "hold.db"),
            "STORAGE_ROOT_DIR": str(root / "blobs"),
            "TEST_MODE": "true",
        }
        self.command = [program, "--config", str(config)]
        self.start()
        if blobs:
            self.stop()
            with sqlite3.connect(root / "hold.db") as database:
                rows = [(os.urandom(32), size) for size in blobs]
                database.executemany("INSERT INTO blob (digest, size_bytes, completed_us) VALUES (?, ?, 1)", rows)
            database.close()
            self.start()

    def start(self) -> None:
        log = open(Path(self.state.name) / "log", "ab")
        self.process = subprocess.Popen(
            self.command, env=self.environment, cwd=self.state.name, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        log.close()
        deadline = time.monotonic() + 60
        while True:
            try:
                self.get("/xrpc/_health")
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((Path(self.state.name) / "log").read_text()) from None
                time.sleep(0.05)

    def get(self, path: str):
        """Answers (headers, text)."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers={"Host": HOST})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.headers, answer.read().decode()

    def wait_for(self, text: str) -> None:
        """Waits until the page has this text."""
        deadline = time.monotonic() + 60
        while text not in self.get("/")[1]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the page does not get {text!r}")
            time.sleep(0.2)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)

    def close(self) -> None:
        if self.process.poll() is None:
            self.stop()
        self.state.cleanup()
