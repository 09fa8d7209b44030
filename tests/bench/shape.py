"""A proxy that counts what passes each way, and shapes it: `shape.py PORT SERVER_PORT DELAY_MS MB_PER_S` (0: unshaped).

The delay is that of a round trip; the rate is shared by all connections, each way for itself. Each line on its standard
input is answered with the bytes that went to the server and those that came from it so far.
"""

import asyncio
import sys
import time

CHUNK_BYTES = 64 * 1024
# What one connection has on its way: enough for the rate and the delay of a far store.
CHUNKS_ON_THE_WAY = 64
SHORTEST_PAUSE_S = 0.005


class Direction:
    """What goes one way, over all connections."""

    def __init__(self, bytes_per_s):
        self.bytes_per_s, self.free_at, self.total = bytes_per_s, 0.0, 0

    async def pass_on(self, count):
        self.total += count
        if not self.bytes_per_s:
            return
        now = time.monotonic()
        self.free_at = max(self.free_at, now) + count / self.bytes_per_s
        if self.free_at - now > SHORTEST_PAUSE_S:
            await asyncio.sleep(self.free_at - now)


async def deliver(queue, writer):
    while True:
        due, chunk = await queue.get()
        if (pause := due - time.monotonic()) > 0:
            await asyncio.sleep(pause)
        if chunk is None:
            writer.close()
            return
        writer.write(chunk)
        await writer.drain()


async def carry(reader, writer, direction, delay_s):
    queue = asyncio.Queue(CHUNKS_ON_THE_WAY)
    delivery = asyncio.create_task(deliver(queue, writer))
    try:
        while chunk := await reader.read(CHUNK_BYTES):
            await direction.pass_on(len(chunk))
            await queue.put((time.monotonic() + delay_s, chunk))
    except OSError:
        pass
    await queue.put((time.monotonic() + delay_s, None))
    await asyncio.gather(delivery, return_exceptions=True)


async def main():
    port, server_port, delay_ms, rate_mb = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
    up, down = Direction(rate_mb * 1e6), Direction(rate_mb * 1e6)
    delay_s = delay_ms / 2000

    async def connection(reader, writer):
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", server_port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(
            carry(reader, server_writer, up, delay_s), carry(server_reader, writer, down, delay_s)
        )

    def tell():
        if sys.stdin.readline():
            print(up.total, down.total, flush=True)
        else:
            loop.stop()

    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(connection, "127.0.0.1", port)
    loop.add_reader(sys.stdin, tell)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


try:
    asyncio.run(main())
except RuntimeError:
    # Its standard input ended.
    pass
