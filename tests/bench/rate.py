"""Small requests a second, and how long each takes, by connections that are kept alive and always have one in flight."""

import selectors
import socket
import time

RATE_CONNECTIONS = 16
RATE_S = 2


def rate(port, method, target, headers, wanted, connections=RATE_CONNECTIONS, seconds=RATE_S, times=None):
    """Answers a second to one request; the seconds that each answer took go to `times`."""
    head = f"{method} {target} HTTP/1.1\r\nhost: localhost:{port}\r\n"
    request = (head + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n").encode()
    selector = selectors.DefaultSelector()
    pending, asked = {}, {}
    for _ in range(connections):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
        pending[connection], asked[connection] = b"", time.perf_counter()
        connection.sendall(request)
    answers, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        for key, _ in selector.select(1):
            connection = key.fileobj
            text = pending[connection] + connection.recv(65536)
            if not is_whole(text, method):
                pending[connection] = text
                continue
            assert text.startswith(b"HTTP/1.1 %d" % wanted), text[:200]
            answers += 1
            now = time.perf_counter()
            if times is not None:
                times.append(now - asked[connection])
            pending[connection], asked[connection] = b"", now
            connection.sendall(request)
    took = time.perf_counter() - started
    for connection in pending:
        connection.close()
    return answers / took


def is_whole(text, method):
    """Whether this is all of an answer, by its length or its last chunk."""
    head, end, body = text.partition(b"\r\n\r\n")
    if not end or method == "HEAD":
        return bool(end)
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
    return text.endswith(b"0\r\n\r\n")
