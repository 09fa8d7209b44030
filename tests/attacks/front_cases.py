"""Attacks on the registry front end, as `cases.py` has them on a hold."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

from front import ELSEWHERE, Front, unfelt

MIB = 1 << 20


def at_once(count: int, work: Callable[[int], int]) -> Counter[int]:
    """Statuses of `count` requests that are sent at the same time; 0 for no answer."""
    statuses: Counter[int] = Counter()

    def one(number: int) -> None:
        try:
            statuses[work(number)] += 1
        except OSError:
            statuses[0] += 1

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def passwords_guessed(scale: int) -> str:
    """Strangers guess an account's password; its owner has a new one."""
    scope = "alice.test/app:pull,push"
    with Front() as front:
        assert front.sign_in("right", scope).status == 200
        with unfelt(front) as passer:
            guess = lambda number: front.sign_in(f"guess-{number}", scope, source=f"127.0.1.{number % 20}").status
            statuses = at_once(100 * scale, guess)
            asked = front.network.sign_ins[front.alice.did] - 1
            last = front.sign_in("one more", scope, source="127.0.1.1")
            owner = front.sign_in("another", scope).status
        assert asked <= 15, f"the PDS was asked {asked} times"
        assert last.status == 429 and int(last.headers["retry-after"]) > 0, f"{last.status} {last.headers}"
        assert owner == 200, f"the owner gets {owner}"
        assert "guessed from elsewhere" in front.log.read_text(), "the log says nothing"
    return f"{100 * scale} guesses: {dict(statuses)}, {asked} reached the PDS; the owner: {owner}; {passer.felt()}"


def handles_silent(scale: int) -> str:
    """One address asks for images of handles whose names nobody answers for."""
    with Front() as front:

        def ask(number: int) -> int:
            name = f"silent{number}.test/app"
            headers = front.bearer(None, f"{name}:pull", ELSEWHERE)
            return front.send("GET", f"/v2/{name}/tags/list", headers, timeout=20, source=ELSEWHERE).status

        with unfelt(front) as passer:
            statuses = at_once(60 * scale, ask)
        assert statuses[429] > 0, dict(statuses)
    return f"{60 * scale} silent handles: {dict(statuses)}; {passer.felt()}"


def lists_endless(scale: int) -> str:
    """One address lists tags of an account whose PDS never comes to an end."""
    with Front() as front:
        mallory = front.network.account("mallory")
        front.network.endless.add(mallory.did)
        headers = front.bearer(None, "mallory.test/app:pull", ELSEWHERE)
        path = "/v2/mallory.test/app/tags/list"
        with unfelt(front) as passer:
            ask = lambda _: front.send("GET", path, headers, timeout=60, source=ELSEWHERE).status
            statuses = at_once(40 * scale, ask)
        assert statuses[429] > 0 and statuses[200] == 0, dict(statuses)
    return f"{40 * scale} lists without an end: {dict(statuses)}; {passer.felt()}"


def uploads_opened(_: int) -> str:
    """An account opens uploads, and sends bytes that wait on the disk for the rest of a part."""
    with Front("limits.spool_bytes_per_account = 33554432\n") as front:
        headers = front.bearer("right", "alice.test/app:pull,push")
        begin = lambda: front.send("POST", "/v2/alice.test/app/blobs/uploads/", {**headers, "Content-Length": "0"})
        with unfelt(front) as passer:
            answers = [begin() for _ in range(70)]
            statuses = Counter(answer.status for answer in answers)
            places = [answer.headers["location"] for answer in answers if answer.status == 202]

            def body() -> Iterator[bytes]:
                for _ in range(15):
                    yield b"x" * MIB

            sent = Counter(front.send("PATCH", place, headers, body()).status for place in places[:4])
        assert statuses == {202: 64, 429: 6}, dict(statuses)
        assert sent == {202: 1, 429: 3} or sent == {202: 2, 429: 2}, dict(sent)
    return f"70 uploads: {dict(statuses)}; 15 MiB in each of 4: {dict(sent)}; {passer.felt()}"


def manifests_unfinished(scale: int) -> str:
    """An account sends manifests that do not end."""
    with Front() as front:
        token = front.bearer("right", "alice.test/app:pull,push")["Authorization"]
        head = f"PUT /v2/alice.test/app/manifests/t HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {5 * MIB}\r\n\r\n"
        before = front.memory_mib()
        with unfelt(front) as passer:
            connections = []
            for _ in range(100 * scale):
                connection = socket.create_connection(("127.0.0.1", front.port), 20, (ELSEWHERE, 0))
                # Who is not read from goes on to the next.
                connection.settimeout(0.1)
                connections.append(connection)
                with contextlib.suppress(OSError):
                    connection.sendall(head.encode() + b" " * (4 * MIB))
            time.sleep(3)
            grown = front.memory_mib() - before
            for connection in connections:
                connection.close()
        # Two manifests, and what the kernel's buffers let through of the others.
        assert grown < 48, f"{grown:.0f} MiB"
    return f"{len(connections)} manifests without an end: +{grown:.0f} MiB; {passer.felt()}"


def connections_idle(scale: int) -> str:
    """One address opens connections and says nothing."""
    with Front() as front:
        with unfelt(front) as passer:
            open_ones = [socket.create_connection(("127.0.0.1", front.port), 20, (ELSEWHERE, 0)) for _ in range(600 * scale)]
            time.sleep(3)
            for connection in open_ones:
                connection.close()
    return f"{600 * scale} idle connections; {passer.felt()}"


FRONT_CASES = [
    passwords_guessed,
    handles_silent,
    lists_endless,
    uploads_opened,
    manifests_unfinished,
    connections_idle,
]
