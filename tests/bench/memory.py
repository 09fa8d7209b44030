"""Memory of the servers with uploads in flight: every upload is a slow stream on a connection of its own."""

import socket
import time

UPLOAD_BYTES = 10 * 1024 * 1024
PIECE = bytes(64 * 1024)
# So many pieces that the streams last some seconds, and stay short of the whole upload.
PIECES = 100
PAUSE_S = 0.02


def open_stream(server, number):
    method, target = server.open_upload(number)
    stream = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    head = (
        f"{method} {target} HTTP/1.1\r\nhost: localhost:{server.port}\r\n"
        f"content-type: application/octet-stream\r\ncontent-length: {UPLOAD_BYTES}\r\n"
    )
    head += "".join(f"{name}: {value}\r\n" for name, value in server.headers.items()) + "\r\n"
    stream.sendall(head.encode())
    return stream


def in_flight(server, count):
    """Resident memory in KiB while `count` uploads stream: the largest sample, and the kernel's own peak."""
    server.reconnect()
    server.forget_peak()
    streams = [open_stream(server, number) for number in range(count)]
    largest = server.memory_kib("VmRSS")
    try:
        for _ in range(PIECES if streams else 1):
            for stream in streams:
                stream.sendall(PIECE)
            largest = max(largest, server.memory_kib("VmRSS"))
            time.sleep(PAUSE_S)
        return largest, server.memory_kib("VmHWM")
    finally:
        for stream in streams:
            stream.close()


def memory_row(count, hold, registry):
    label = f"resident memory, {count} uploads in flight" if count else "resident memory, idle"
    ours, theirs = in_flight(hold, count), in_flight(registry, count)
    cells = [f"{largest / 1024:.1f} MiB (peak {peak / 1024:.1f})" for largest, peak in (ours, theirs)]
    return [label, *cells, f"{theirs[0] / ours[0]:.2f} ×"]
