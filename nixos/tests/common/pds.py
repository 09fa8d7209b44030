

# The PDS of the accounts above, as far as a registry and a hold need one: put after script.py, run on the machine.
# Passwords are `app-` and the account's name; what is stored is gone with the process.
import http.server
import urllib.parse

ACCOUNTS = {account.did: (name, account) for name, account in (("alice", alice), ("bob", bob))}
records: dict[tuple[str, str, str], Any] = {}
blobs: dict[str, tuple[str, bytes]] = {}
Reply = tuple[int, Any]


def cid(codec: int, content: bytes) -> str:
    """<https://github.com/multiformats/cid>, of a SHA-256."""
    raw = bytes([1, codec, 0x12, 32]) + hashlib.sha256(content).digest()
    return "b" + base64.b32encode(raw).decode().rstrip("=").lower()


def session(did: str) -> dict[str, str]:
    claims = base64url(json.dumps({"sub": did, "scope": "com.atproto.appPass", "jti": secrets.token_hex(8)}).encode())
    return {"did": did, "handle": handle(did), "accessJwt": f"e30.{claims}.s", "refreshJwt": f"e30.{claims}.r"}


def handle(did: str) -> str:
    return ACCOUNTS[did][0] + ".example.org"


def refused(error: str, status: int = 400) -> Reply:
    return status, {"error": error, "message": error}


def service_token(did: str, audience: str, method: str) -> str:
    now = int(time.time())
    claims = {"iss": did, "aud": audience, "lxm": method, "iat": now, "exp": now + 60, "jti": secrets.token_hex(8)}
    text = ".".join(base64url(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ES256K"}, claims))
    return text + "." + base64url(sign(ACCOUNTS[did][1].key, text.encode()))


def found(collection: str, did: str) -> list[Any]:
    return [
        {"uri": f"at://{did}/{collection}/{key}", "cid": cid(0x71, json.dumps(value).encode()), "value": value}
        for (owner, kept_in, key), value in sorted(records.items())
        if (owner, kept_in) == (did, collection)
    ]


def query(method: str, asked: dict[str, str], did: str | None) -> Reply:
    if method == "com.atproto.identity.resolveHandle":
        dids = [known for known in ACCOUNTS if handle(known) == asked["handle"]]
        return (200, {"did": dids[0]}) if dids else refused("HandleNotFound")
    if method == "com.atproto.repo.getRecord":
        uri = f"at://{asked['repo']}/{asked['collection']}/{asked['rkey']}"
        views = [view for view in found(asked["collection"], asked["repo"]) if view["uri"] == uri]
        return (200, views[0]) if views else refused("RecordNotFound")
    if method == "com.atproto.repo.listRecords":
        return 200, {"records": found(asked["collection"], asked["repo"])}
    if method == "com.atproto.sync.getBlob":
        return (200, blobs[asked["cid"]]) if asked["cid"] in blobs else refused("BlobNotFound")
    if method == "com.atproto.server.getServiceAuth" and did:
        return 200, {"token": service_token(did, asked["aud"], asked.get("lxm", ""))}
    return refused("MethodNotImplemented", 501)


def procedure(method: str, content_type: str, body: bytes, did: str | None) -> Reply:
    if method == "com.atproto.repo.uploadBlob" and did:
        name = cid(0x55, body)
        blobs[name] = (content_type, body)
        return 200, {"blob": {"$type": "blob", "ref": {"$link": name}, "mimeType": content_type, "size": len(body)}}
    given = json.loads(body or b"{}")
    if method == "com.atproto.server.createSession":
        for known, (name, _) in ACCOUNTS.items():
            if given["identifier"] in (known, handle(known)) and given["password"] == f"app-{name}":
                return 200, session(known)
        return refused("AuthenticationRequired", 401)
    if did is None:
        return refused("InvalidToken", 401)
    if method == "com.atproto.server.refreshSession":
        return 200, session(did)
    if method == "com.atproto.server.deleteSession":
        return 200, {}
    place = (did, given["collection"], given["rkey"])
    if method == "com.atproto.repo.putRecord":
        records[place] = given["record"]
        uri = "at://" + "/".join(place)
        return 200, {"uri": uri, "cid": cid(0x71, json.dumps(given["record"]).encode())}
    if method == "com.atproto.repo.deleteRecord":
        records.pop(place, None)
        return 200, {}
    return refused("MethodNotImplemented", 501)


class Pds(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def caller(self) -> str | None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        parts = token.split(".")
        if len(parts) != 3:
            return None
        did: str = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))["sub"]
        return did if did in ACCOUNTS else None

    def method(self) -> tuple[str, dict[str, str]]:
        url = urllib.parse.urlsplit(self.path)
        return url.path.removeprefix("/xrpc/"), dict(urllib.parse.parse_qsl(url.query))

    def do_GET(self) -> None:
        self.reply(query(*self.method(), self.caller()))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.headers.get("Content-Type") or ""
        self.reply(procedure(self.method()[0], kind, body, self.caller()))

    def reply(self, answer: Reply) -> None:
        status, content = answer
        kind, body = content if isinstance(content, tuple) else ("application/json", json.dumps(content).encode())
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", 2583), Pds).serve_forever()
