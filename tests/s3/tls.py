#!/usr/bin/env python3
"""Speaks TLS before a server on plain http, with a certificate of a private authority.

    tests/s3/tls.py HOST:PORT FOLDER NAME...

Makes the authority (FOLDER/authority.pem) and a certificate for the names with openssl, prints the port that it
listens on at 127.0.0.1, and passes every connection on until it is ended.
"""

import asyncio
import ssl
import subprocess
import sys

LEAF = "basicConstraints=CA:FALSE\nsubjectAltName="


def certificate(folder, names):
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, cwd=folder, stderr=subprocess.DEVNULL)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "authority.key", "-out", "authority.pem", "-subj", "/CN=tests", "-days", "2")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
    with open(f"{folder}/leaf", "w") as leaf:
        leaf.write(LEAF + ",".join(f"DNS:{name}" for name in names) + "\n")
    signed_by = ["-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial"]
    openssl("x509", "-req", "-in", "server.csr", *signed_by, "-out", "server.pem", "-days", "2", "-extfile", "leaf")


async def copy(source, target):
    try:
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    except OSError:
        pass
    target.close()


async def serve(host, port, context):
    async def pass_on(reader, writer):
        behind_reader, behind_writer = await asyncio.open_connection(host, port)
        await asyncio.gather(copy(reader, behind_writer), copy(behind_reader, writer))

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main():
    (host, port), folder, names = sys.argv[1].split(":"), sys.argv[2], sys.argv[3:]
    certificate(folder, names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/server.pem", f"{folder}/server.key")
    asyncio.run(serve(host, port, context))


main()
