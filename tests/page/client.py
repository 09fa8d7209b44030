"""A page of another origin that uses a hold by the reference client, in a browser that lets through only what CORS allows."""

import http.server
import json
import sys
import threading
from pathlib import Path

from browser import Browser
from hold import HOST, Hold, Network

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "nixos/tests/common"))
import script  # noqa: E402  Accounts that sign.

PAGE_HOST = "page.example.org"
PAGE = b"<!doctype html><html lang=en><title>Client</title><script src=/client.js></script>"


class Pages:
    """The page and its script."""

    def __init__(self, client: Path):
        files = {"/": ("text/html", PAGE), "/client.js": ("text/javascript", client.read_bytes())}

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                kind, body = files.get(self.path, ("text/plain", b""))
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def check_client(program: str, browser_program: str, client: Path) -> None:
    captain, member = script.Account("captain"), script.Account("alice")
    network = Network()
    for account in (captain, member):
        network.add(account.did, script.multikey(account.key))
    pages = Pages(client)
    hold = Hold(program, network, owner=captain.did)
    hosts = {HOST: f"127.0.0.1:{hold.port}", PAGE_HOST: f"127.0.0.1:{pages.server.server_port}"}
    browser = Browser(browser_program, hosts)
    try:
        browser.open(f"http://{PAGE_HOST}/", 1280, 800, scripts=True)
        given = {"service": f"http://{HOST}", "did": script.HOLD_DID, "token": captain.token(), "member": member.did}
        got = browser.call(
            "Runtime.evaluate", expression=f"run({json.dumps(given)})", awaitPromise=True, returnByValue=True
        )
        value = got["result"]["value"]
        judge(value, captain.did, member.did)
        answers = browser.seen("Network.responseReceived")
        preflights = [event["response"]["status"] for event in answers if event["type"] == "Preflight"]
        # The client sends headers of its own with every call, so the browser asks before each.
        assert preflights == [204] * (len(value) - 1), preflights
    finally:
        browser.close()
        hold.close()


def judge(got: dict, captain: str, member: str) -> None:
    assert got["describeRepo"]["data"]["did"] == script.HOLD_DID, got
    assert got["getRecord"]["data"]["value"]["owner"] == captain, got
    assert (got["missing"]["status"], got["missing"]["error"]) == (400, "RecordNotFound"), got
    assert got["getRepo"]["bytes"] > 500, got
    assert got["unsigned"]["status"] == 401 and got["unsigned"]["error"], got
    uri = got["createRecord"]["data"]["uri"]
    assert uri.startswith(f"at://{script.HOLD_DID}/io.atcr.hold.crew/"), got
    assert member in [record["value"]["member"] for record in got["listRecords"]["data"]["records"]], got
    assert got["uploadBlob"]["data"]["blob"], got
    assert got["initiateUpload"]["data"]["uploadId"], got
    assert "TypeError" in got["withCookies"], got
