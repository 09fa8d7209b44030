// The processes of the demo: the PLC directory with the PDS, and the hold. Each ends with the demo, however that ends.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync } from 'node:fs'
import { copyFile, mkdir, rm } from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export const STACK = fileURLToPath(new URL('../stack/', import.meta.url))
const READY_WITHIN_MS = 120_000

/** Runs `start.mjs` until it has said which URLs answer. It ends when its stdin closes, so it cannot outlive us. */
async function startServers(work, ...args) {
  const log = openSync(path.join(work, 'stack.log'), 'a')
  const child = spawn(process.execPath, [path.join(STACK, 'start.mjs'), ...args], { stdio: ['pipe', 'pipe', log] })
  const ended = once(child, 'exit')
  const line = once(createInterface(child.stdout), 'line')
  const [ready] = await Promise.race([line, ended.then(() => Promise.reject(new Error('the PDS did not start')))])
  const stop = async () => {
    child.stdin.end()
    await ended
  }
  const kill = async () => {
    child.kill('SIGKILL')
    await ended
  }
  return { ...JSON.parse(ready), stop, kill }
}

/** @returns {Promise<{plc: string, pds: string, stop: () => Promise<void>}>} */
export async function startStack(work) {
  const data = path.join(work, 'pds')
  await mkdir(data)
  return startServers(work, data)
}

/** The same as `startStack`, but the PDS can be killed and started again where it was. */
export async function startStackInParts(work) {
  const data = path.join(work, 'pds')
  await mkdir(data)
  const directory = await startServers(work, '--plc', data)
  let server = await startServers(work, '--pds', data, directory.plc)
  const { plc } = directory
  const { pds } = server
  return {
    plc,
    pds,
    killPds: () => server.kill(),
    startPds: async () => {
      server = await startServers(work, '--pds', data, plc, new URL(pds).port)
    },
    stop: () => Promise.all([server.stop(), directory.stop()]),
  }
}

export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** One hold with its own state; it can be stopped, killed and started again on the same port. */
export class Hold {
  static async prepare({ binary, work, owner, plc }) {
    // The port is part of the hold's DID, so it is chosen before the hold starts.
    const port = await freePort()
    const state = path.join(work, 'hold')
    await mkdir(state)
    return new Hold(binary, path.join(work, 'hold.log'), port, {
      HOLD_PUBLIC_URL: `http://localhost:${port}`,
      HOLD_SERVER_ADDR: `127.0.0.1:${port}`,
      HOLD_OWNER: owner,
      HOLD_DATABASE_PATH: path.join(state, 'hold.db'),
      HOLD_PLC_DIRECTORY_URL: plc,
      STORAGE_DRIVER: 'filesystem',
      STORAGE_ROOT_DIR: path.join(state, 'blobs'),
      TEST_MODE: 'true',
    })
  }

  constructor(binary, log, port, settings) {
    this.binary = binary
    this.log = log
    this.url = settings.HOLD_PUBLIC_URL
    this.did = `did:web:localhost%3A${port}`
    this.settings = settings
  }

  /** Starts the hold, with a TOML file where one is given, and waits until it answers. */
  async start(config) {
    await mkdir(this.settings.STORAGE_ROOT_DIR, { recursive: true })
    const log = openSync(this.log, 'a')
    // setpriv: the kernel kills the hold when this process is gone.
    this.child = spawn('setpriv', ['--pdeathsig', 'KILL', this.binary, 'serve', ...(config ? ['--config', config] : [])], {
      // Nowhere near a `.env`, and without the caller's own settings.
      cwd: this.settings.STORAGE_ROOT_DIR,
      env: { PATH: process.env.PATH, ...this.settings },
      stdio: ['ignore', log, log],
    })
    this.ended = once(this.child, 'exit')
    const deadline = performance.now() + READY_WITHIN_MS
    while (!(await this.answers())) {
      if (this.child.exitCode !== null) throw new Error(`the hold ended with exit code ${this.child.exitCode}`)
      if (performance.now() > deadline) throw new Error('the hold does not answer')
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  async answers() {
    try {
      const response = await fetch(`${this.url}/xrpc/_health`, { signal: AbortSignal.timeout(1000) })
      this.version = (await response.json()).version
      return response.ok
    } catch {
      return false
    }
  }

  /** Sends the signal without waiting. */
  signal(name) {
    this.child.kill(name)
  }

  /** @returns {Promise<string>} how it ended: an exit code or a signal's name */
  async end() {
    const [code, signal] = await this.ended
    return signal ?? `exit code ${code}`
  }

  // --- the database of a hold that has ended

  async backUp() {
    await copyFile(this.settings.HOLD_DATABASE_PATH, `${this.log}.backup`)
  }

  async restore() {
    const database = this.settings.HOLD_DATABASE_PATH
    for (const suffix of ['-wal', '-shm']) await rm(`${database}${suffix}`, { force: true })
    await copyFile(`${this.log}.backup`, database)
  }

  lastLogLines(count) {
    return readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-count)
  }
}

/** Runs the reference consumers over the hold, with more arguments of theirs. @returns {Promise<{code: number, lines: string[]}>} */
export async function runConsumers(hold, ...more) {
  const script = path.join(STACK, 'consumers.mjs')
  const child = spawn(process.execPath, [script, hold.url, hold.did, ...more], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const lines = []
  for await (const line of createInterface(child.stdout)) lines.push(line)
  const [code] = await ended
  return { code, lines }
}
