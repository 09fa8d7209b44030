"""The attacks: each takes a scale (1 is short), attacks a hold of its own, and says what must not have happened.

A case returns a line for people. It fails by an assertion: a bystander who was refused or not answered, a limit that did
not hold, a right that was gained.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import random
import resource
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from hold import HOLD, Account, Bystander, Hold, WebAccount, base64url

Case = Callable[[int], str]
# A bystander is answered within this, on a machine that other tests keep busy too.
PATIENCE_S = 10.0
# From where attackers come who have not the bystander's address.
ELSEWHERE = "127.0.0.2"


@contextlib.contextmanager
def unfelt(hold: Hold) -> Iterator[Bystander]:
    """Runs an attack beside a bystander who must be answered all the time."""
    with Bystander(hold) as bystander:
        yield bystander
    assert not bystander.failed, bystander.felt()
    assert max(bystander.worst.values()) < PATIENCE_S, bystander.felt()


def raw(hold: Hold, data: bytes) -> socket.socket:
    """A connection that sent `data` and does not wait for an answer."""
    connection = socket.socket()
    # The kernel shall not take much off the hold's hands.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(20)
    connection.connect(("127.0.0.1", hold.port))
    connection.sendall(data)
    return connection


def close(connections: list[socket.socket]) -> None:
    for connection in connections:
        connection.close()


def request(method: str, path: str, token: str | None = None, body: bytes | None = None, announced: int = 0) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {announced or len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")


def manifest(account: Account, number: int, layers: list[str], repository: str = "app") -> dict[str, object]:
    listed = [{"digest": digest, "size": 4, "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"} for digest in layers]
    return {
        "repository": repository,
        "userDid": account.did,
        "manifestDigest": "sha256:" + hashlib.sha256(str(number).encode()).hexdigest(),
        "operation": "push",
        "manifest": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": listed},
    }


def blobs(hold: Hold, token: str, count: int) -> list[str]:
    return [hold.push_blob(token, number.to_bytes(4, "big")) for number in range(count)]


def idle_connections(scale: int) -> str:
    """Keep-alive connections of one address, after a request each."""
    with Hold() as hold, unfelt(hold) as bystander:
        connections: list[socket.socket] = []
        for _ in range(1100):
            with contextlib.suppress(OSError):
                connections.append(raw(hold, request("GET", "/xrpc/_health")))
        time.sleep(5 * scale)
        close(connections)
    return f"1,100 idle connections of one address: {bystander.felt()}"


def exports_unread(scale: int) -> str:
    """getRepo, again and again, by somebody who does not read the answers."""
    with Hold(public=True) as hold:
        member, token = hold.member("w")
        layers = blobs(hold, token, 100)
        for number in range(20 * scale):
            assert hold.post(HOLD + "notifyManifest", manifest(member, number, layers), token).status == 200
        with unfelt(hold) as bystander:
            path = f"/xrpc/com.atproto.sync.getRepo?did={hold.did.replace('%', '%25')}"
            connections: list[socket.socket] = []
            for _ in range(1024):
                with contextlib.suppress(OSError):
                    connections.append(raw(hold, request("GET", path)))
            time.sleep(5 * scale)
            close(connections)
        log = hold.path("hold.db-wal")
        log_mib = log.stat().st_size / 2**20 if log.exists() else 0
        assert log_mib < 256, f"the write-ahead log has {log_mib:.0f} MiB"
    return f"1,024 exports that nobody reads: {bystander.felt()}; log {log_mib:.0f} MiB"


def bodies_unfinished(scale: int) -> str:
    """JSON bodies of the greatest size of which the last byte does not come."""
    with Hold() as hold:
        _, token = hold.member("w")
        with unfelt(hold) as bystander:
            body = b" " * (2 * 1024 * 1024 - 1)
            head = request("POST", f"/xrpc/{HOLD}completeUpload", token, b"", len(body) + 1)
            connections: list[socket.socket] = []
            for _ in range(300 * scale):
                with contextlib.suppress(OSError):
                    connection = raw(hold, head)
                    connections.append(connection)
                    connection.setblocking(False)
                    connection.send(body)
            time.sleep(3 * scale)
            close(connections)
        memory = hold.memory_mib()
        assert memory < 192, f"{memory:.0f} MiB"
    return f"{300 * scale} bodies of 2 MiB without an end: {bystander.felt()}; {memory:.0f} MiB at most"


def manifests_at_once(scale: int) -> str:
    """One member notifies many large manifests at the same moment."""
    with Hold() as hold:
        member, token = hold.member("w")
        layers = blobs(hold, token, 150)
        with unfelt(hold) as bystander:
            connections = []
            for number in range(300 * scale):
                body = json.dumps(manifest(member, number, layers)).encode()
                with contextlib.suppress(OSError):
                    connections.append(raw(hold, request("POST", f"/xrpc/{HOLD}notifyManifest", token, body)))
            statuses: Counter[str] = Counter()
            for connection in connections:
                connection.settimeout(120)
                with contextlib.suppress(OSError):
                    statuses[connection.recv(4096)[9:12].decode(errors="replace")] += 1
            close(connections)
        assert statuses["200"] > 0 and statuses["500"] == 0, statuses
    return f"{300 * scale} manifests of one member at once: {dict(statuses)}; {bystander.felt()}"


def quota_asked(scale: int) -> str:
    """Anybody asks for the quota of an account with many layers."""
    with Hold(config='[tiers]\nbig.quota = "10 TB"\n') as hold:
        member, token = hold.member("w")
        layers = blobs(hold, token, 150)
        for number in range(60 * min(scale, 5)):
            assert hold.post(HOLD + "notifyManifest", manifest(member, number, layers), token).status == 200
        path, statuses = f"/xrpc/{HOLD}getQuota?userDid={member.did}", flood(hold, None, scale)
        with unfelt(hold) as bystander:
            statuses = flood(hold, path, scale)
        assert statuses[200] > 0
    return f"getQuota of {60 * 150 * min(scale, 5)} layers by 200 connections: {dict(statuses)}; {bystander.felt()}"


def data_exported(scale: int) -> str:
    """An account exports its data many times at once."""
    with Hold() as hold:
        member, token = hold.member("w")
        layers = blobs(hold, token, 150)
        for number in range(60 * min(scale, 5)):
            assert hold.post(HOLD + "notifyManifest", manifest(member, number, layers), token).status == 200
        with unfelt(hold) as bystander:
            statuses = flood(hold, f"/xrpc/{HOLD}exportUserData", scale, token, 32)
        memory = hold.memory_mib()
        assert memory < 128, f"{memory:.0f} MiB"
    return f"32 exports of {60 * 150 * min(scale, 5)} records: {dict(statuses)}; {bystander.felt()}; {memory:.0f} MiB at most"


def flood(hold: Hold, path: str | None, scale: int, token: str | None = None, threads: int = 200) -> Counter[int]:
    """Asks for `path` on many connections for some seconds."""
    statuses: Counter[int] = Counter()
    ends = time.time() + 4 * scale

    def ask() -> None:
        while path and time.time() < ends:
            try:
                statuses[hold.get(path, token, timeout=60).status] += 1
            except OSError:
                statuses[0] += 1

    workers = [threading.Thread(target=ask) for _ in range(threads if path else 0)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return statuses


def forged(hold: Hold, issuer: str) -> str:
    """A token with a made-up signature."""
    claims = {"iss": issuer, "aud": hold.did, "exp": int(time.time()) + 600}
    head = base64url(json.dumps({"typ": "JWT", "alg": "ES256K"}).encode())
    return head + "." + base64url(json.dumps(claims).encode()) + "." + base64url(b"\1" * 64)


def silent_names(scale: int) -> str:
    """Tokens of did:webs whose name servers never answer, beside members who are did:webs as well."""
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.77", 53))
    with tempfile.TemporaryDirectory() as folder:
        resolv = Path(folder) / "resolv.conf"
        resolv.write_text("nameserver 127.0.0.77\n")
        bind = f'mount --bind {resolv} /etc/resolv.conf && exec "$@"'
        statuses: Counter[int] = Counter()
        with Hold(wrap=["unshare", "-m", "sh", "-c", bind, "sh"]) as hold, unfelt(hold) as bystander:
            members = [hold.take_in(WebAccount(f"web {number}"))[1] for number in range(5)]
            for second in range(20 * scale):
                for _ in range(6):
                    token = forged(hold, f"did:web:n{random.randrange(10**9)}.slow.example.com")
                    threading.Thread(target=ignored, args=(hold, token), daemon=True).start()
                    time.sleep(1 / 6)
                if second >= 10 and members:
                    statuses[hold.post(HOLD + "initiateUpload", {"digest": "x"}, members.pop(), timeout=20).status] += 1
    silent.close()
    assert statuses == {200: 5}, f"did:webs of the crew: {dict(statuses)}"
    return f"6 silent names a second: members that are did:webs {dict(statuses)}; {bystander.felt()}"


def ignored(hold: Hold, token: str) -> None:
    with contextlib.suppress(OSError):
        hold.post(HOLD + "requestCrew", {}, token, timeout=20, source=ELSEWHERE)


def members_claimed(scale: int) -> str:
    """Tokens that claim to be members, with made-up signatures, so that members find the look-ups busy."""
    with Hold() as hold:
        members = [hold.member(f"member {number}") for number in range(200)]
        with unfelt(hold) as bystander:
            hold.directory.seconds = 1.0
            ends = time.time() + 10 * scale

            def forge(number: int) -> None:
                while time.time() < ends:
                    number = (number + 1) % len(members)
                    ignored(hold, forged(hold, members[number][0].did))

            attackers = [threading.Thread(target=forge, args=(number,)) for number in range(len(members))]
            for attacker in attackers:
                attacker.start()
            time.sleep(1)
            statuses: Counter[tuple[str, int]] = Counter()

            def work(where: str, address: str, token: str) -> None:
                answer = hold.post(HOLD + "initiateUpload", {"digest": "x"}, token, source=address)
                statuses[where, answer.status] += 1

            # Members who were never seen yet: some at an address that is known, some at a new one.
            places = [("known", "127.0.0.1")] * 16 + [("new", "127.0.0.3")] * 4
            honest = [hold.member(f"honest {number}") for number in range(len(places))]
            workers = [
                threading.Thread(target=work, args=(where, address, token))
                for (where, address), (_, token) in zip(places, honest, strict=True)
            ]
            for worker in workers:
                worker.start()
            for thread in workers + attackers:
                thread.join()
        assert statuses == {("known", 200): 16, ("new", 200): 4}, dict(statuses)
    return f"forged tokens of 200 members: honest ones {dict(statuses)}; {bystander.felt()}"


def strangers_made_up(scale: int) -> str:
    """Tokens of made-up did:plcs, so that newcomers find the look-ups busy."""
    with Hold(config="allow_all_crew = true\n") as hold:
        newcomers = [hold.directory.account(f"newcomer {number}") for number in range(20)]
        with unfelt(hold) as bystander:
            hold.directory.seconds = 0.1
            ends = time.time() + 5 * scale

            def forge() -> None:
                while time.time() < ends:
                    made_up = base64.b32encode(os.urandom(15)).decode().lower()
                    ignored(hold, forged(hold, f"did:plc:{made_up}"))

            attackers = [threading.Thread(target=forge) for _ in range(100)]
            for attacker in attackers:
                attacker.start()
            joined = [hold.post(HOLD + "requestCrew", {}, hold.token(account)).status for account in newcomers]
            for attacker in attackers:
                attacker.join()
        assert joined == [201] * len(newcomers), f"newcomers: {dict(Counter(joined))}"
        errors = sum(line.split()[1:2] == ["ERROR"] for line in hold.log.read_text().splitlines())
        assert errors == 0, f"{errors} lines of ERROR about strangers"
    return f"forged tokens of strangers by 100 connections: newcomers {dict(Counter(joined))}; {bystander.felt()}"


def uploads_hoarded(_: int) -> str:
    """Many members of one's own open all the uploads that they may, and put nothing into them."""
    with Hold(config="allow_all_crew = true\n") as hold:
        opened: Counter[int] = Counter()
        own = [hold.directory.account(f"own {number}") for number in range(18)]
        for account in own:
            token = hold.token(account)
            assert hold.post(HOLD + "requestCrew", {}, token).status == 201
            for _ in range(64):
                opened[hold.post(HOLD + "initiateUpload", {"digest": "x"}, token).status] += 1
        _, honest = hold.member("honest")
        for name, token in (("the captain", hold.token(hold.captain)), ("another member", honest)):
            begun = hold.post(HOLD + "initiateUpload", {"digest": "x"}, token)
            assert begun.status == 200, f"{name}: {begun.body!r}"
        for account in own:
            place = {"repo": hold.did, "collection": HOLD + "crew", "rkey": account.did}
            assert hold.post("com.atproto.repo.deleteRecord", place, hold.token(hold.captain)).status == 200
        ends, begun_honestly = time.time() + 120, 1
        while begun_honestly < 64 and time.time() < ends:
            begun_honestly += hold.post(HOLD + "initiateUpload", {"digest": "x"}, honest).status == 200
        assert begun_honestly == 64, f"{begun_honestly} of 64 after all of them were removed"
    return f"18 members open 64 uploads each: {dict(opened)}; others still begin one, and all they may once these are removed"


def database_held(_: int) -> str:
    """Whoever has the locks of the database keeps all readers and the writer busy: that is said, and nobody waits for it."""
    with Hold() as hold:
        member, token = hold.member("w")

        def health() -> int:
            try:
                return hold.get("/xrpc/_health", timeout=2).status
            except OSError as error:
                raise AssertionError(f"health waits for the database: {error!r}") from error

        def read() -> None:
            with contextlib.suppress(OSError):
                hold.get(f"/xrpc/{HOLD}getQuota?userDid={member.did}")

        asking = [threading.Thread(target=ignored, args=(hold, token)) for _ in range(4)]
        asking += [threading.Thread(target=read) for _ in range(8)]
        with hold.path("hold.db-shm").open("r+b") as index:
            # SQLite's locks to write, to recover, and those of readers.
            fcntl.lockf(index, fcntl.LOCK_EX, 8, 120)
            began = time.time()
            for thread in asking:
                thread.start()
            time.sleep(2)
            assert health() == 200, "it is busy, which is no fault yet"
            while health() == 200:
                assert time.time() - began < 40, "nobody is told"
                time.sleep(0.5)
            told = time.time() - began
        for thread in asking:
            thread.join()
        healed = time.time()
        while health() != 200:
            assert time.time() - healed < 40, "it does not get well"
            time.sleep(0.5)
    return f"while the database is held, health answers at once: 200, after {told:.0f} s 503, and 200 when it is free"


def ban_kept(_: int) -> str:
    """A member of an open hold that was reduced, or banned, comes back by leaving and joining again."""
    with Hold(config="allow_all_crew = true\n") as hold:
        account = hold.directory.account("mallory")
        token = hold.token(account)
        assert hold.post(HOLD + "requestCrew", {}, token).status == 201
        record = {"$type": HOLD + "crew", "member": account.did, "role": "member", "permissions": ["blob:read"]}
        record["addedAt"] = "2026-01-01T00:00:00Z"
        place = {"repo": hold.did, "collection": HOLD + "crew", "rkey": account.did}
        captain = hold.token(hold.captain)
        assert hold.post("com.atproto.repo.putRecord", {**place, "record": record}, captain).status == 200
        hold.post(HOLD + "deleteUserData", {}, token)
        hold.post(HOLD + "requestCrew", {}, token)
        written = hold.post(HOLD + "initiateUpload", {"digest": "x"}, token).status
        assert written == 403, f"a reduced member writes again: {written}"
        hold.command("crew", "ban", account.did)
        again = hold.post(HOLD + "requestCrew", {}, token).status
        assert again == 403, f"a banned member is in again: {again}"
    return "the captain's decision outlives leaving and joining"


def declared_kept(_: int) -> str:
    """A member with crew:admin changes, and removes, a member that the configuration declares."""
    declared = Account("declared")
    with Hold(config=f'[crew."{declared.did}"]\npermissions = ["blob:read"]\n') as hold:
        _, token = hold.member("admin", ("crew:admin",))
        record = {"$type": HOLD + "crew", "member": declared.did, "role": "member", "permissions": ["crew:admin"]}
        record["addedAt"] = "2026-01-01T00:00:00Z"
        place = {"repo": hold.did, "collection": HOLD + "crew", "rkey": declared.did}
        update = {"$type": "com.atproto.repo.applyWrites#update", "collection": HOLD + "crew", "rkey": declared.did}
        calls: dict[str, object] = {
            "putRecord": {**place, "record": record},
            "applyWrites": {"repo": hold.did, "writes": [{**update, "value": record}]},
            "deleteRecord": place,
        }
        statuses = {name: hold.post("com.atproto.repo." + name, call, token).status for name, call in calls.items()}
        assert set(statuses.values()) == {403}, statuses
    return "who is declared stays as declared"


def height(collection: str, key: str) -> int:
    """The layer of a record in the repository's tree."""
    digest = hashlib.sha256(f"{collection}/{key}".encode()).digest()
    return (256 - int.from_bytes(digest, "big").bit_length()) // 2


def one_node(_: int) -> str:
    """Names of images chosen so that all of their records stand in one node of the repository's tree."""
    with Hold() as hold:
        member, token = hold.member("w")

        def chosen(account: Account) -> Iterator[str]:
            for number in range(10**9):
                digest = hashlib.sha256(f"{account.did}/app{number}".encode()).digest()
                key = base64.b32encode(digest[:16]).decode().lower().rstrip("=")
                if height(HOLD + "stats", key) == 0:
                    yield f"app{number}"

        names = chosen(member)
        statuses: Counter[int] = Counter()
        for number in range(300):
            body = manifest(member, number, [], next(names))
            statuses[hold.post(HOLD + "notifyManifest", body, token).status] += 1
        other, other_token = hold.member("other")
        honest = hold.post(HOLD + "notifyManifest", manifest(other, 0, [], next(chosen(other))), other_token).status
        assert honest == 200, f"another account's image: {honest}"
        assert statuses[403] > 100, f"300 images in one node: {dict(statuses)}"
    return f"300 images in one node: {dict(statuses)}, and one of another account beside them: {honest}"


def one_node_of_crew(_: int) -> str:
    """A member with crew:admin adds members whose DIDs were chosen so that all stand in one node of the tree."""
    with Hold(config="allow_all_crew = true\n") as hold:
        _, token = hold.member("admin", ("crew:admin",))
        names = (base64.b32encode(number.to_bytes(15, "big")).decode().lower() for number in range(10**9))
        chosen = (f"did:plc:{name}" for name in names if height(HOLD + "crew", f"did:plc:{name}") == 0)

        def create() -> dict[str, object]:
            record = {"$type": HOLD + "crew", "member": next(chosen), "role": "member", "permissions": ["blob:read"]}
            value = {**record, "addedAt": "2026-01-01T00:00:00Z"}
            return {"$type": "com.atproto.repo.applyWrites#create", "collection": HOLD + "crew", "value": value}

        def apply(count: int, token: str) -> int:
            writes = [create() for _ in range(count)]
            return hold.post("com.atproto.repo.applyWrites", {"repo": hold.did, "writes": writes}, token).status

        statuses = Counter(apply(200, token) for _ in range(20))
        captain = apply(1, hold.token(hold.captain))
        assert captain == 200, f"the captain adds a member beside them: {captain}"
        assert statuses[503] > 5, f"4,000 members in one node: {dict(statuses)}"
    return f"200 members in one node, 20 times: {dict(statuses)}; one of the captain's: {captain}"


def repeated_push(scale: int) -> str:
    """The same manifest is notified again and again."""
    with Hold() as hold:
        member, token = hold.member("w")
        body, commits = manifest(member, 0, blobs(hold, token, 20)), hold.events()
        for _ in range(300 * scale):
            assert hold.post(HOLD + "notifyManifest", body, token).status == 200
        commits = hold.events() - commits
        assert commits < 10 + scale, f"{commits} commits"
    return f"the same manifest {300 * scale} times: {commits} commits"


def growth(_: int) -> str:
    """A member notifies large manifests that exist nowhere."""
    with Hold() as hold:
        member, token = hold.member("w")
        layers, before = blobs(hold, token, 198), hold.path("hold.db").stat().st_size
        statuses: Counter[int] = Counter()
        with unfelt(hold) as bystander:
            for number in range(400):
                answer = hold.post(HOLD + "notifyManifest", manifest(member, number, layers), token)
                statuses[answer.status] += 1
            assert statuses[429] > 0, f"400 manifests of 198 layers: {dict(statuses)}"
            assert int(answer.headers["retry-after"]) > 60
        grown = (hold.path("hold.db").stat().st_size - before) / 1e6
        joined = hold.post(HOLD + "requestCrew", {}, hold.token(hold.captain)).status
        assert joined < 300, joined
    return f"400 manifests of 198 layers: {dict(statuses)}, database +{grown:.0f} MB; {bystander.felt()}"


def subscribers(_: int) -> str:
    """One address takes all places of those who follow the events; another one comes."""

    def subscribe(hold: Hold, address: str) -> tuple[int, socket.socket]:
        connection = socket.create_connection(("127.0.0.1", hold.port), 20, (address, 0))
        fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"
        key = base64.b64encode(os.urandom(16)).decode()
        path = "/xrpc/com.atproto.sync.subscribeRepos"
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
        return int(connection.recv(12)[9:12]), connection

    with Hold() as hold:
        statuses, connections = Counter[int](), []
        for _ in range(70):
            status, connection = subscribe(hold, "127.0.0.1")
            statuses[status] += 1
            connections.append(connection)
        honest, connection = subscribe(hold, "127.0.0.2")
        close([*connections, connection])
        assert honest == 101, f"the subscriber of another address gets {honest}; one address: {dict(statuses)}"
    return f"70 subscribers of one address: {dict(statuses)}; one of another: {honest}"


def own_data_unread(_: int) -> str:
    """Accounts with more data than the kernel buffers export it and do not read it."""
    with Hold() as hold:
        accounts = [hold.member(f"w{number}") for number in range(2)]
        layers = blobs(hold, accounts[0][1], 198)
        for member, token in accounts:
            for number in range(100):
                assert hold.post(HOLD + "notifyManifest", manifest(member, number, layers), token).status == 200
        before = hold.memory_mib()
        with unfelt(hold) as bystander:
            path = f"/xrpc/{HOLD}exportUserData"
            connections = [raw(hold, request("GET", path, token)) for _, token in accounts]
            time.sleep(2)
            again = hold.get(path, accounts[0][1]).status
            honest = hold.get(path, bystander.token)
            close(connections)
        memory = hold.memory_mib() - before
        assert honest.status == 200, f"another account's export: {honest.status}"
        # The readers of the database have caches of 4 MiB each.
        assert memory < 24, f"{memory:.0f} MiB for 2 readers"
        assert again == 429, f"a second export of an account beside its first: {again}"
    return f"2 exports of 19,800 records that nobody reads: +{memory:.1f} MiB; {bystander.felt()}"


def stored_past_quota(_: int) -> str:
    """A member stores more than its tier: in parts, in blobs that no manifest names, in configs, and by joining again."""
    tier = 1_000_000
    config = 'allow_all_crew = true\n[tiers]\nsmall.quota = "1 MB"\n'
    piece = 200_000
    with Hold(config=config) as hold:
        account = hold.directory.account("mallory")
        token = hold.token(account)
        assert hold.post(HOLD + "requestCrew", {}, token).status == 201

        def stored() -> int:
            # Besides the marker of the storage and the like.
            sizes = (path.stat().st_size for path in hold.path("blobs").rglob("*") if path.is_file())
            return sum(size for size in sizes if size >= piece)

        refused: Counter[str] = Counter()
        parts = 0
        for number in range(8):
            begun = hold.post(HOLD + "initiateUpload", {"digest": "x"}, token)
            if begun.status != 200:
                refused["upload"] += 1
                continue
            headers = {"X-Upload-Id": begun.json()["uploadId"], "X-Part-Number": "1", "Authorization": f"Bearer {token}"}
            answer = hold.send("PUT", f"/xrpc/{HOLD}uploadPart", headers, os.urandom(piece), 60)
            parts += answer.status == 200
            refused["part"] += answer.status != 200
            if number == 3:
                hold.post(HOLD + "abortUpload", {"uploadId": begun.json()["uploadId"]}, token)
        assert stored() <= tier, f"{stored()} bytes in open uploads"
        for number in range(8):
            with contextlib.suppress(AssertionError):
                digest = hold.push_blob(token, os.urandom(piece))
                media_type = "application/vnd.oci.image.manifest.v1+json"
                named = {"mediaType": media_type, "config": {"digest": digest, "size": piece}, "layers": []}
                notified = {**manifest(account, number, []), "manifest": named}
                refused["config"] += hold.post(HOLD + "notifyManifest", notified, token).status != 200
            hold.post(HOLD + "deleteUserData", {}, token)
            assert hold.post(HOLD + "requestCrew", {}, token).status == 201
        assert stored() <= tier, f"{stored()} bytes under a tier of {tier}"
        captain = hold.token(hold.captain)
        hold.push_blob(captain, os.urandom(2 * tier))
    return f"a member under a tier of 1 MB: {parts} parts of 0.2 MB taken, refused {dict(refused)}"


CASES: list[Case] = [
    idle_connections,
    exports_unread,
    bodies_unfinished,
    manifests_at_once,
    quota_asked,
    data_exported,
    silent_names,
    strangers_made_up,
    members_claimed,
    uploads_hoarded,
    database_held,
    ban_kept,
    declared_kept,
    one_node,
    one_node_of_crew,
    repeated_push,
    growth,
    subscribers,
    own_data_unread,
    stored_past_quota,
]

resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
