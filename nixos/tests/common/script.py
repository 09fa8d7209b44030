# What every test script begins with: accounts with real keys, their documents in a directory, calls to the hold.
# It runs where the test driver runs, with Python's own library only, and touches the machine by the driver's verbs.
import base64
import hashlib
import json
import re
import secrets
import time
from typing import Any

HOLD_URL = "https://hold.example.org"
HOLD_DID = "did:web:hold.example.org"
SOCKET = "/run/atcr-hold.sock"

# secp256k1 <https://www.secg.org/sec2-v2.pdf>, just enough to sign.
P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
Point = tuple[int, int]


def add(a: Point | None, b: Point | None) -> Point | None:
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    if a == b:
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(scalar: int) -> Point:
    total: Point | None = None
    power: Point | None = G
    while scalar:
        if scalar & 1:
            total = add(total, power)
        power = add(power, power)
        scalar >>= 1
    assert total is not None
    return total


def multikey(private: int) -> str:
    """The public key as a DID document has it. <https://atproto.com/specs/cryptography>"""
    x, y = multiply(private)
    number = int.from_bytes(b"\xe7\x01" + bytes([2 + y % 2]) + x.to_bytes(32, "big"), "big")
    text = ""
    while number:
        number, digit = divmod(number, 58)
        text = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"[digit] + text
    return "z" + text


def sign(private: int, message: bytes) -> bytes:
    nonce = secrets.randbelow(N - 1) + 1
    r = multiply(nonce)[0] % N
    s = pow(nonce, -1, N) * (int.from_bytes(hashlib.sha256(message).digest(), "big") + r * private) % N
    return r.to_bytes(32, "big") + min(s, N - s).to_bytes(32, "big")


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Account:
    """A did:plc made of a name, and its key. The machine's own directory knows its document once it is published."""

    def __init__(self, name: str) -> None:
        self.name = name
        # Of one that a registry is to find: a handle, and the URL of its PDS.
        self.handle, self.pds = "", ""
        self.did = "did:plc:" + name.ljust(24, "a")
        self.key = int.from_bytes(hashlib.sha256(name.encode()).digest(), "big") % N

    def publish(self) -> None:
        method = {
            "id": self.did + "#atproto",
            "type": "Multikey",
            "controller": self.did,
            "publicKeyMultibase": multikey(self.key),
        }
        document: dict[str, Any] = {"id": self.did, "verificationMethod": [method]}
        if self.handle:
            pds = {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": self.pds}
            document.update(alsoKnownAs=[f"at://{self.handle}"], service=[pds])
        machine.succeed(f"echo '{json.dumps(document)}' > /var/lib/plc/{self.did}")

    def token(self, header: dict[str, Any] | None = None, key: int | None = None, **claims: Any) -> str:
        """A service token, as the account's PDS makes it; what is given replaces what is right."""
        now = machine_time()
        right = {"iss": self.did, "aud": HOLD_DID, "iat": now, "exp": now + 60, "jti": secrets.token_hex(8)}
        parts = [{"typ": "JWT", "alg": "ES256K", **(header or {})}, {**right, **claims}]
        text = ".".join(base64url(json.dumps(part).encode()) for part in parts)
        return text + "." + base64url(sign(self.key if key is None else key, text.encode()))


# By how much the machine's clock is ahead of ours, which may be anybody's.
ahead_s = 0.0
captain, alice, bob, stranger = (Account(name) for name in ("captain", "alice", "bob", "stranger"))


def begin() -> None:
    """Boots the machine as far as the hold's socket, with everybody's document published."""
    global ahead_s
    machine.wait_for_unit("atcr-hold.socket")
    machine.wait_for_unit("plc.service")
    machine.wait_until_succeeds("curl -s http://127.0.0.1:2582/")
    ahead_s = float(machine.succeed("date +%s")) - time.time()
    for account in (captain, alice, bob, stranger):
        account.publish()


def machine_time() -> int:
    """The machine's clock, in seconds since 1970, however long the test runs already."""
    return int(time.time() + ahead_s)


def write(path: str, text: str) -> None:
    """Makes a file on the machine, and the directory that it is in."""
    encoded = base64.b64encode(text.encode()).decode()
    machine.succeed(f"mkdir -p $(dirname {path}); echo {encoded} | base64 -d > {path}")


Answer = tuple[int, Any]


def curl(arguments: str, socket: str | None = SOCKET) -> Answer:
    """Status and body, from JSON where it is such. Status 0: no answer."""
    by = f"--unix-socket {socket} " if socket else ""
    output = machine.execute(f"curl -s --max-time 60 -o /tmp/body -w '%{{http_code}}' {by}{arguments}")[1]
    # Blobs are no text, and the driver speaks nothing else.
    body = machine.execute("head -c 200000 /tmp/body | tr -cd '[:print:]\\n'; rm -f /tmp/body")[1]
    try:
        return int(output.strip() or 0), json.loads(body)
    except ValueError:
        return int(output.strip() or 0), body


def local(url: str) -> str:
    """A URL of the hold, as its socket takes it: without TLS."""
    return "'" + url.replace("https://", "http://", 1) + "'"


def get(path: str, token: str | None = None, extra: str = "") -> Answer:
    bearer = f"-H 'Authorization: Bearer {token}' " if token else ""
    return curl(f"{bearer}{extra} {local(HOLD_URL + path)}")


def post(method: str, token: str | None, body: dict[str, Any]) -> Answer:
    bearer = f"-H 'Authorization: Bearer {token}' " if token else ""
    data = f"-H 'Content-Type: application/json' --data-binary '{json.dumps(body)}'"
    return curl(f"{bearer}{data} {local(HOLD_URL + '/xrpc/' + method)}")


def expect(answer: Answer, status: int, text: str = "") -> Any:
    assert answer[0] == status and text in json.dumps(answer[1]), f"expected {status} {text}, got {answer}"
    return answer[1]


SITE = "--resolve hold.example.org:443:127.0.0.1 --resolve hold.example.org:80:127.0.0.1 --cacert /run/tls/ca.pem"


def make_certificate(*hosts: str) -> None:
    """A certificate for these hosts, or the hold's, made on the machine, in /run/tls."""
    names = ",".join(f"DNS:{host}" for host in hosts or ("hold.example.org",))
    machine.succeed(
        "mkdir -p /run/tls",
        "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=ca -days 2 -keyout /run/tls/ca.key -out /run/tls/ca.pem 2>&1",
        "openssl req -newkey rsa:2048 -nodes -subj /CN=hold.example.org -keyout /run/tls/key.pem -out /run/tls/csr.pem 2>&1",
        f"printf 'subjectAltName={names}\\n' > /run/tls/extension",
        "openssl x509 -req -in /run/tls/csr.pem -CA /run/tls/ca.pem -CAkey /run/tls/ca.key -CAcreateserial -days 2"
        " -extfile /run/tls/extension -out /run/tls/cert.pem 2>&1",
        "chmod -R a+rX /run/tls",
    )


def put_tls_before() -> None:
    """Starts nginx with a certificate made on the machine."""
    make_certificate()
    # It has failed for want of the certificate, perhaps too often.
    machine.succeed("systemctl reset-failed nginx.service", "systemctl restart nginx.service")
    machine.wait_for_open_port(443)


def outside(arguments: str) -> Answer:
    """As the world reaches the hold: by TLS."""
    return curl(f"{SITE} {arguments}", None)


def healthy() -> None:
    expect(get("/xrpc/_health"), 200, "version")


def make_layer(path: str, size_bytes: int) -> str:
    """A file of random bytes on the machine; its digest."""
    machine.succeed(f"head -c {size_bytes} /dev/urandom > {path}")
    return "sha256:" + machine.succeed(f"sha256sum {path}").split()[0]


def initiate(account: Account) -> Answer:
    return post("io.atcr.hold.initiateUpload", account.token(), {"digest": "uploads/temp-1"})


def send_part(account: Account, upload: str, number: int, path: str) -> str:
    """Sends a file as a part, by the URL that the hold gives; its ETag."""
    body = {"uploadId": upload, "partNumber": number}
    given = expect(post("io.atcr.hold.getPartUploadUrl", account.token(), body), 200)
    return put_part(given["url"], path)


def put_part(url: str, path: str, extra: str = "") -> str:
    ours = url.startswith(HOLD_URL)
    arguments = f"-D /tmp/head -T {path} {extra} {local(url) if ours else repr(url)}"
    expect(curl(arguments, SOCKET if ours else None), 200)
    head = machine.succeed("cat /tmp/head")
    return next(line.split(":", 1)[1].strip() for line in head.splitlines() if line.lower().startswith("etag:"))


def complete(account: Account, upload: str, digest: str, etags: list[str]) -> Answer:
    parts = [{"partNumber": number, "etag": etag.strip('"')} for number, etag in enumerate(etags, 1)]
    body = {"uploadId": upload, "digest": digest, "parts": parts}
    return post("io.atcr.hold.completeUpload", account.token(), body)


def push(account: Account, path: str, digest: str) -> None:
    """One file as one blob."""
    upload = expect(initiate(account), 200)["uploadId"]
    etag = send_part(account, upload, 1, path)
    expect(complete(account, upload, digest, [etag]), 200, "completed")


def blob_url(token: str | None, digest: str) -> Answer:
    return get(f"/xrpc/com.atproto.sync.getBlob?did={HOLD_DID}&cid={digest}", token)


def pull(account: Account, digest: str) -> None:
    """Downloads a blob by the URL that the hold gives, and compares its hash."""
    url = expect(blob_url(account.token(), digest), 200)["url"]
    by = f"--unix-socket {SOCKET} {local(url)}" if url.startswith(HOLD_URL) else repr(url)
    got = machine.succeed(f"curl -sf {by} | sha256sum").split()[0]
    assert "sha256:" + got == digest, f"{digest} came back as {got}"


def shown(name: str, unit: str = "atcr-hold.service") -> str:
    """A property of the hold's unit, or of another one."""
    return machine.succeed(f"systemctl show --value -p {name} {unit}").strip()


def entry(unit: str = "atcr-hold.service", **fields: str) -> dict[str, Any]:
    """The last entry of the unit in the journal that has these fields."""
    match = " ".join(f"{name}='{value}'" for name, value in fields.items())
    line = machine.wait_until_succeeds(f"journalctl -u {unit} {match} -o json -n 1 | grep .", timeout=60)
    found: dict[str, Any] = json.loads(line)
    return found


def expect_request(found: dict[str, Any], program: str, level: str = "6") -> None:
    """That an entry is one of a request, with the fields that each of them has, at this level."""
    assert re.fullmatch("[0-9a-f]{16}", found["REQUEST_ID"]) and found["DURATION_MS"].isdigit(), found
    assert found["PATH"].startswith("/") and found["METHOD"].isupper() and found["STATUS"].isdigit(), found
    assert found["PRIORITY"] == level and found["SYSLOG_IDENTIFIER"] == program, found


# Garage, as common/garage.nix has it.
S3_KEY_ID = "GK" + "ab" * 12
S3_SECRET = "5ec2e7" + "c4" * 29


def make_bucket() -> None:
    """Gives Garage a bucket `layers`, and puts the key to it into /run/keys."""
    garage = "garage -c /etc/garage.toml"
    machine.wait_for_unit("garage.service")
    machine.wait_for_open_port(3900)
    machine.wait_until_succeeds(f"{garage} status")
    node = machine.succeed(f"{garage} node id -q").split("@")[0].strip()
    machine.succeed(
        f"{garage} layout assign -z test -c 1G {node}",
        f"{garage} layout apply --version 1",
        f"{garage} key import --yes -n hold {S3_KEY_ID} {S3_SECRET}",
        f"{garage} bucket create layers",
        f"{garage} bucket allow --read --write layers --key {S3_KEY_ID}",
        "mkdir -p /run/keys",
        f"(umask 077; echo {S3_KEY_ID} > /run/keys/s3-access-key-id; echo {S3_SECRET} > /run/keys/s3-secret-access-key)",
    )


# Images, on machines that have skopeo.
CLIENT = "SSL_CERT_FILE=/run/tls/ca.pem skopeo --insecure-policy"


def make_image(size_bytes: int) -> str:
    """An image with a layer of random bytes as an OCI layout in /tmp/image; its digest."""
    machine.succeed("rm -rf /tmp/image; mkdir -p /tmp/image/blobs/sha256 /tmp/packed")
    machine.succeed(f"head -c {size_bytes} /dev/urandom > /tmp/packed/file; tar -C /tmp/packed -cf /tmp/packed.tar file")
    plain = machine.succeed("sha256sum /tmp/packed.tar").split()[0]
    machine.succeed("gzip -nkf1 /tmp/packed.tar")
    packed = machine.succeed("sha256sum /tmp/packed.tar.gz").split()[0]
    length = int(machine.succeed("stat -c %s /tmp/packed.tar.gz"))
    machine.succeed(f"mv /tmp/packed.tar.gz /tmp/image/blobs/sha256/{packed}")

    def blob(kind: str, value: Any) -> dict[str, Any]:
        text = json.dumps(value)
        digest = hashlib.sha256(text.encode()).hexdigest()
        write(f"/tmp/image/blobs/sha256/{digest}", text)
        return {"mediaType": f"application/vnd.oci.image.{kind}.v1+json", "digest": f"sha256:{digest}", "size": len(text)}

    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": f"sha256:{packed}", "size": length}
    roots = {"type": "layers", "diff_ids": [f"sha256:{plain}"]}
    config = blob("config", {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": roots})
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = blob("manifest", {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]})
    write("/tmp/image/oci-layout", '{"imageLayoutVersion":"1.0.0"}')
    named = {**manifest, "annotations": {"org.opencontainers.image.ref.name": "it"}}
    write("/tmp/image/index.json", json.dumps({"schemaVersion": 2, "manifests": [named]}))
    return str(manifest["digest"])


def push_image(image: str, credentials: str = "") -> str:
    """The command that pushes what is in /tmp/image, as nobody or with a handle and its password."""
    given = f"--dest-creds {credentials}" if credentials else ""
    return f"{CLIENT} copy --preserve-digests {given} oci:/tmp/image:it docker://{image} 2>&1"


def pull_image(image: str) -> str:
    """The digest of an image as nobody in particular pulls it, every blob of it hashed by the client."""
    machine.succeed("rm -rf /tmp/pulled", f"{CLIENT} copy --preserve-digests docker://{image} oci:/tmp/pulled:it 2>&1")
    return str(json.loads(machine.succeed("cat /tmp/pulled/index.json"))["manifests"][0]["digest"])


# Behind a reverse proxy.


def outside_head(arguments: str) -> dict[str, str]:
    """The headers of an answer, names in lower case, and its status as "status"."""
    output = machine.succeed(f"curl -s -o /dev/null -D - {SITE} {arguments}").replace("\r", "")
    # Before the answer there may be "100 Continue".
    lines = output.strip().split("\n\n")[-1].splitlines()
    fields = [line.split(": ", 1) for line in lines[1:]]
    assert len({name.lower() for name, _ in fields}) == len(fields), f"a header came twice: {lines}"
    return {"status": lines[0].split()[1], **{name.lower(): value for name, value in fields}}


def push_outside(account: Account, path: str, digest: str) -> str:
    """A file as a blob, each request through the proxy, which may compress the answers; the part's ETag as it came."""

    def call(method: str, body: dict[str, Any]) -> Any:
        headers = f"-H 'Authorization: Bearer {account.token()}' -H 'Content-Type: application/json'"
        url = f"{HOLD_URL}/xrpc/io.atcr.hold.{method}"
        return expect(outside(f"--compressed {headers} --data-binary '{json.dumps(body)}' {url}"), 200)

    upload = call("initiateUpload", {"digest": "uploads/temp-1"})["uploadId"]
    url = call("getPartUploadUrl", {"uploadId": upload, "partNumber": 1})["url"]
    etag = outside_head(f"--compressed -T {path} '{url}'")["etag"]
    call("completeUpload", {"uploadId": upload, "digest": digest, "parts": [{"partNumber": 1, "etag": etag}]})
    return etag


# Opens so many downloads over TLS from one address and reads no more of them than their status; then waits to be killed.
CROWD = r"""
import collections, socket, ssl, sys, time

count, source, host, path = int(sys.argv[1]), sys.argv[2], "hold.example.org", sys.argv[3]
target = ("::1" if ":" in source else "127.0.0.1", 443)
trust = ssl.create_default_context()
trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
kept, statuses = [], collections.Counter()
for _ in range(count):
    plain = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
    # The kernel shall not take much off the proxy's hands.
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.settimeout(60)
    plain.bind((source, 0))
    plain.connect(target)
    secure = trust.wrap_socket(plain, server_hostname=host)
    secure.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    statuses[secure.recv(12)[9:].decode()] += 1
    kept.append(secure)
print(dict(statuses), flush=True)
time.sleep(600)
"""


class Crowd:
    """Slow downloads of one address, for as long as this is entered; `statuses` says what they were answered."""

    def __init__(self, count: int, source: str, url: str) -> None:
        path = url.removeprefix(HOLD_URL)
        self.command = f"$(command -v python3) /run/crowd.py {count} {source} '{path}'"
        self.file = f"/run/crowd-{secrets.token_hex(4)}"
        self.statuses: dict[str, int] = {}

    def __enter__(self) -> "Crowd":
        program = base64.b64encode(CROWD.encode()).decode()
        machine.succeed(f"echo {program} | base64 -d > /run/crowd.py")
        self.process = machine.succeed(f"{self.command} > {self.file} 2>&1 & echo $!").strip()
        machine.wait_until_succeeds(f"test -s {self.file}", timeout=120)
        said = machine.succeed(f"cat {self.file}")
        assert said.startswith("{"), said
        self.statuses = json.loads(said.replace("'", '"'))
        return self

    def __exit__(self, *_: object) -> None:
        machine.succeed(f"kill {self.process}")


def logged_as(address: str, request: dict[str, str], unit: str = "atcr-hold") -> None:
    """Waits for the log's line of a request, which must name this client."""
    found = f"journalctl -u {unit}.service REQUEST_ID={request['x-request-id']} PEER={address} | grep GET"
    machine.wait_until_succeeds(found, timeout=60)


def nginx_spools(url: str) -> bool:
    """Whether a part of a download is on nginx's disk while its client is slow. Such files have no name once they are open."""
    with Crowd(1, "127.0.0.4", url) as slow:
        assert slow.statuses == {"200": 1}, slow.statuses
        time.sleep(2)
        opened = "find /proc -path '*/fd/*' -lname '*proxy*/[0-9]/[0-9][0-9]/*' -print 2> /dev/null"
        return bool(machine.execute(opened)[1].strip())


def passes(proxy: str) -> str:
    """A reverse proxy lets all through that a hold needs. The URL of a download of 30 MB is left over."""
    with subtest(f"{proxy}: a layer larger than any default limit goes in and comes back, compressed or not"):
        digest = make_layer("/tmp/layer", 30_000_000)
        push_outside(captain, "/tmp/layer", digest)
        url = expect(blob_url(captain.token(), digest), 200)["url"]
        for how in ("", "--compressed"):
            assert machine.succeed(f"curl -sf {how} {SITE} '{url}' | sha256sum").split()[0] == digest[7:]

    with subtest(f"{proxy}: ranges are pieces of the same bytes, compressed or not; one beyond the end is refused"):
        piece = machine.succeed("dd if=/tmp/layer bs=1 skip=1000 count=500 status=none | sha256sum")
        for how in ("", "--compressed"):
            assert machine.succeed(f"curl -sf {how} -r 1000-1499 {SITE} '{url}' | sha256sum") == piece
            head = outside_head(f"{how} -r 1000-1499 '{url}'")
            assert head["status"] == "206" and head["content-range"] == "bytes 1000-1499/30000000", head
        assert outside_head(f"-r 30000000- '{url}'")["status"] == "416"

    with subtest(f"{proxy}: HEAD has the length and no body; If-None-Match has 304"):
        target = f"/xrpc/com.atproto.sync.getBlob?did={HOLD_DID}&cid={digest}&method=HEAD"
        for_head = expect(get(target, captain.token()), 200)["url"]
        head = outside_head(f"-I '{for_head}'")
        assert head["status"] == "200" and head["content-length"] == "30000000", head
        for known in (f'"{digest}"', f'W/"{digest}"'):
            assert outside_head(f"-H 'If-None-Match: {known}' '{url}'")["status"] == "304"

    with subtest(f"{proxy}: the log has the client's address, whatever the client says that it is"):
        for header in ("", "-H 'X-Forwarded-For: 192.0.2.66'"):
            logged_as("127.0.0.9", outside_head(f"--interface 127.0.0.9 {header} '{HOLD_URL}/xrpc/_health'"))

    with subtest(f"{proxy}: the firehose becomes a WebSocket; without the upgrade it is refused"):
        stream = f"{HOLD_URL}/xrpc/com.atproto.sync.subscribeRepos"
        upgrade = "-H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13'"
        key = "-H 'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg=='"
        # The connection stays open, so curl's time is up: that is no failure.
        head_only = machine.execute(f"curl -s --http1.1 -m 5 -D - -o /dev/null {SITE} {upgrade} {key} {stream}")[1]
        assert " 101 " in head_only.splitlines()[0], head_only
        assert outside(f"--http1.1 {stream}")[0] >= 400
    return str(url)


def bounds(proxy: str, url: str) -> None:
    """A reverse proxy bounds what one client has under way."""
    with subtest(f"{proxy}: one client has 256 requests under way and no more; another is served meanwhile"):
        with Crowd(260, "127.0.0.2", url) as crowd:
            assert crowd.statuses == {"200": 256, "429": 4}, crowd.statuses
            expect(outside(f"--interface 127.0.0.2 {HOLD_URL}/xrpc/_health"), 429)
            expect(outside(f"--interface 127.0.0.3 {HOLD_URL}/xrpc/_health"), 200, "version")
        machine.wait_until_succeeds(f"curl -sf --interface 127.0.0.2 {SITE} {HOLD_URL}/xrpc/_health", timeout=60)

    with subtest(f"{proxy}: the addresses of a /64 are one client"):
        machine.succeed(*(f"ip -6 address replace 2001:db8:1:{end}/128 dev lo nodad" for end in ("2::a", "2:b::c", "3::a")))
        with Crowd(150, "2001:db8:1:2::a", url) as first, Crowd(150, "2001:db8:1:2:b::c", url) as second:
            assert first.statuses == {"200": 150} and second.statuses == {"200": 106, "429": 44}, (first, second)
            with Crowd(1, "2001:db8:1:3::a", url) as other:
                assert other.statuses == {"200": 1}, other.statuses


def nginx_passes() -> str:
    """All that is asked of nginx."""
    url = passes("nginx")
    bounds("nginx", url)
    with subtest("nginx: what a slow client has not read yet is not on nginx's disk either"):
        assert not nginx_spools(url)
    return url
