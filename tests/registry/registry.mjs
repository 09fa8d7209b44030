// A whole registry on loopback: a PLC directory with a PDS, accounts, a hold and the front end. Each part can be killed
// and started again where it was.

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { openSync, readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { freePort, Hold } from '../demo/processes.mjs'
import { createAccount } from '../stack/account.mjs'

/** The front end with its own state; it can be killed and started again on the same port. */
export class Appview {
  constructor(binary, work, port, settings) {
    Object.assign(this, { binary, work, port, settings, host: `localhost:${port}`, url: `http://localhost:${port}` })
    this.log = path.join(work, 'appview.log')
  }

  async start() {
    const log = openSync(this.log, 'a')
    this.child = spawn('setpriv', ['--pdeathsig', 'KILL', this.binary, ...(this.arguments ?? [])], {
      cwd: this.work,
      env: { PATH: process.env.PATH, ...this.settings },
      stdio: ['ignore', log, log],
    })
    this.ended = once(this.child, 'exit')
    const deadline = performance.now() + 120_000
    for (;;) {
      const answer = await fetch(`${this.url}/_health`).catch(() => null)
      if (answer?.ok) return
      assert(this.child.exitCode === null && performance.now() < deadline, 'the front end does not answer')
      await new Promise((resolve) => setTimeout(resolve, 20))
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

  async kill() {
    this.signal('SIGKILL')
    await this.end()
  }

  /** Runs a command of the operator; answers what it printed. */
  async run(...args) {
    const { stdout } = await promisify(execFile)(this.binary, args, { cwd: this.work, env: { PATH: process.env.PATH, ...this.settings } })
    return stdout
  }

  lastLogLines(count) {
    return readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-count)
  }

  // --- plain HTTP, where a client says too little

  /** A token for these scopes, of nobody without a user. */
  async token(scope, user, password) {
    const headers = user ? { authorization: `Basic ${btoa(`${user}:${password}`)}` } : {}
    const query = new URLSearchParams({ service: this.host, scope })
    const response = await fetch(`${this.url}/auth/token?${query}`, { headers })
    const body = await response.json()
    return response.ok ? body.token : Promise.reject(new Error(`${response.status} ${JSON.stringify(body)}`))
  }

  /** A request with a token; an error's code is in `code`. */
  async call(bearer, method, target, { body, headers, ...more } = {}) {
    const url = target.startsWith('http') ? target : `${this.url}${target}`
    const response = await fetch(url, {
      method,
      body,
      headers: { authorization: `Bearer ${bearer}`, ...headers },
      redirect: 'manual',
      ...more,
    })
    response.code = response.status >= 400 ? (JSON.parse((await response.text()) || '{}').errors?.[0].code ?? '') : ''
    return response
  }
}

/** An account with an app password, which is what clients sign in with. */
export async function newAccount(pds, handle) {
  const account = await createAccount(pds, handle)
  const response = await fetch(`${pds}/xrpc/com.atproto.server.createAppPassword`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${account.accessJwt}` },
    body: JSON.stringify({ name: `registry ${randomBytes(4).toString('hex')}` }),
  })
  return { ...account, appPassword: (await response.json()).password }
}

/** Settings of a hold with its blobs in Garage's bucket, from the list that ATCR_HOLD_S3 names. */
export function garage(list) {
  const line = readFileSync(list, 'utf8').split('\n').find((one) => one.startsWith('garage '))
  const [, endpoint, region, bucket, key, secret] = line.split(' ')
  return {
    STORAGE_DRIVER: 's3',
    S3_BUCKET: bucket,
    // A name: the front end, too, sends parts there, and calls no address that is written as numbers.
    S3_ENDPOINT: endpoint.replace('127.0.0.1', 'localhost'),
    AWS_REGION: region,
    S3_PREFIX: `registry-${process.pid}`,
    AWS_ACCESS_KEY_ID: readFileSync(key, 'utf8').trim(),
    AWS_SECRET_ACCESS_KEY: readFileSync(secret, 'utf8').trim(),
  }
}

/** A public hold of `owner`, whom anybody may join, and a front end that has it for its default. */
export class Registry {
  static async start({ binaries, work, stack, owner, settings = {}, frontEnd = {}, config }) {
    await mkdir(work, { recursive: true })
    const hold = await Hold.prepare({ binary: binaries.hold, work, owner: owner.did, plc: stack.plc })
    Object.assign(hold.settings, { HOLD_PUBLIC: 'true', HOLD_ALLOW_ALL_CREW: 'true' }, settings)
    await hold.start(config)
    const port = await freePort()
    const appview = new Appview(binaries.appview, work, port, {
      ATCR_BASE_URL: `http://localhost:${port}`,
      ATCR_HTTP_ADDR: `127.0.0.1:${port}`,
      ATCR_DATABASE_PATH: path.join(work, 'appview.db'),
      ATCR_DEFAULT_HOLD_DID: hold.did,
      ATCR_PLC_DIRECTORY_URL: stack.plc,
      ATCR_HANDLE_RESOLVER_URL: stack.pds,
      TEST_MODE: 'true',
      ...frontEnd,
    })
    await appview.start()
    return Object.assign(new Registry(), { stack, hold, appview, config })
  }

  // --- kill -9, and the same again

  async killHold() {
    this.hold.signal('SIGKILL')
    await this.hold.end()
  }

  startHold() {
    return this.hold.start(this.config)
  }

  async stop() {
    await Promise.all([this.killHold(), this.appview.kill()])
  }
}
