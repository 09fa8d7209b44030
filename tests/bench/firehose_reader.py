"""Subscribers of a firehose that only count the events that come."""

import selectors
import socket
import time

UPGRADE = (
    "GET /xrpc/com.atproto.sync.subscribeRepos HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
BINARY = 0x82
WITHIN_S = 60


class Subscribers:
    def __init__(self, port, count):
        self.selector = selectors.DefaultSelector()
        self.rest, self.events = {}, {}
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(UPGRADE.format(port=port).encode())
            text = b""
            while b"\r\n\r\n" not in text:
                text += connection.recv(4096)
            assert text.startswith(b"HTTP/1.1 101"), text[:200]
            self.selector.register(connection, selectors.EVENT_READ)
            self.rest[connection], self.events[connection] = text.partition(b"\r\n\r\n")[2], 0

    def wait_for(self, count):
        """Returns once each has so many events."""
        deadline = time.monotonic() + WITHIN_S
        while min(self.events.values()) < count:
            assert time.monotonic() < deadline, "events are missing"
            for key, _ in self.selector.select(1):
                self._take(key.fileobj)

    def _take(self, connection):
        piece = connection.recv(1024 * 1024)
        assert piece, "a subscriber's connection was closed"
        rest = self.rest[connection] + piece
        at = 0
        while len(rest) >= at + 2:
            start, length = at + 2, rest[at + 1]
            if length == 126:
                start, length = at + 4, int.from_bytes(rest[at + 2 : at + 4], "big")
            elif length == 127:
                start, length = at + 10, int.from_bytes(rest[at + 2 : at + 10], "big")
            if len(rest) < start + length:
                break
            self.events[connection] += rest[at] == BINARY
            at = start + length
        self.rest[connection] = rest[at:]

    def close(self):
        for connection in self.rest:
            connection.close()
