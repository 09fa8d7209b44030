// What the drills share: a hold whose state may lie elsewhere, the shell of its operator, and the load on it.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import path from 'node:path'
import { inventedDid } from '../stack/account.mjs'
import { Refused } from '../demo/client.mjs'
import { note } from '../demo/report.mjs'
import { Hold } from '../demo/processes.mjs'

export const CREW = 'io.atcr.hold.crew'

/** The same hold, by its address and configuration, with another directory for its state. */
export function elsewhere(hold, state, settings = {}) {
  const port = new URL(hold.url).port
  return new Hold(hold.binary, `${state}.log`, port, { ...hold.settings, ...placed(state), ...settings })
}

/** The settings that say where the state is. */
export function placed(state) {
  return { HOLD_DATABASE_PATH: path.join(state, 'hold.db'), STORAGE_ROOT_DIR: path.join(state, 'blobs') }
}

/**
 * Runs a command as the hold's operator would: the hold's own variables and program.
 * @returns {Promise<{code: number, stdout: string, stderr: string}>}
 */
export async function shell(hold, command, variables = {}) {
  note(`$ ${command}`)
  const search = `${path.dirname(hold.binary)}:${variables.PATH ?? process.env.PATH}`
  const child = spawn('bash', ['-euo', 'pipefail', '-c', command], {
    cwd: path.dirname(hold.settings.HOLD_DATABASE_PATH),
    env: { ...hold.settings, ...variables, PATH: search },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'close')
  const text = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (piece) => (text[name] += piece))
  const [code] = await ended
  return { code, ...text }
}

/** The same, which must succeed. @returns {Promise<string>} what it printed */
export async function done(hold, command, variables) {
  const { code, stdout, stderr } = await shell(hold, command, variables)
  assert.equal(code, 0, stderr)
  return stdout
}

export const newBlob = (bytes) => {
  const body = randomBytes(bytes)
  return { body, digest: `sha256:${createHash('sha256').update(body).digest('hex')}` }
}

/** Pushes one blob in one part, to the hold or past it into its bucket. */
export async function pushBlob(client, { body, digest }) {
  const uploadId = await client.initiateUpload()
  const put = await fetch(await client.partUrl(uploadId, 1), { method: 'PUT', body })
  const answer = await put.text()
  if (!put.ok) throw new Refused('uploadPart', put.status, { error: '', message: answer })
  await client.completeUpload(uploadId, digest, [{ partNumber: 1, etag: put.headers.get('etag') }])
}

/** That the blob is there with its bytes. */
export async function assertReadable(client, { digest, body }) {
  assert.deepEqual(await client.pull(digest), { digest, bytes: body.length })
}

/** Whether the hold answers that there is no such blob; any other refusal is a failure. */
export async function isAbsent(client, { digest }) {
  try {
    await client.downloadUrl(digest)
    return false
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return true
    throw error
  }
}

/** Pushes and changes of crew, one after the other in each of three lanes, until it is stopped or the hold is gone. */
export class Load {
  /** Acknowledged changes of crew, each a commit: `{ rev, uri, cid }`, without a CID for a deletion. */
  writes = []
  /** Acknowledged blobs. */
  blobs = []
  slowestMs = 0
  #members = []
  #stopping = false

  constructor(client) {
    this.client = client
    this.lanes = Promise.all([this.#lane(() => this.#change()), this.#lane(() => this.#push()), this.#lane(() => this.#push())])
    // A failure shows where the load is stopped.
    this.lanes.catch(() => {})
  }

  async #lane(work) {
    while (!this.#stopping) {
      const began = performance.now()
      try {
        await work()
      } catch (error) {
        // Without an answer the hold is gone, which the drill sees to.
        if (error instanceof TypeError && /fetch failed|terminated/.test(error.message)) return
        throw error
      }
      this.slowestMs = Math.max(this.slowestMs, performance.now() - began)
    }
  }

  async #change() {
    // The reference consumers need longer for an event than the hold does.
    await new Promise((resolve) => setTimeout(resolve, 20))
    const turn = this.writes.length % 4
    const member = turn < 2 ? inventedDid() : this.#members.at(-1)
    const record = {
      $type: CREW, member, role: `mate ${this.writes.length}`, permissions: ['blob:read'], addedAt: new Date().toISOString(),
    }
    const at = { repo: this.client.hold.did, collection: CREW, rkey: member }
    const method = ['createRecord', 'createRecord', 'putRecord', 'deleteRecord'][turn]
    const answer = await this.client.procedure(`com.atproto.repo.${method}`, turn < 3 ? { ...at, record } : at)
    if (turn < 2) this.#members.push(member)
    if (turn === 3) this.#members.pop()
    const uri = `at://${at.repo}/${CREW}/${member}`
    this.writes.push({ rev: answer.commit.rev, uri, cid: answer.cid })
  }

  async #push() {
    const blob = newBlob(64 * 1024)
    await pushBlob(this.client, blob)
    this.blobs.push(blob)
  }

  /** Waits until so many more blobs and changes were acknowledged. */
  async more(count) {
    const [writes, blobs] = [this.writes.length + count, this.blobs.length + count]
    let failure
    this.lanes.catch((error) => (failure = error))
    while (this.writes.length < writes || this.blobs.length < blobs) {
      if (failure) throw failure
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  async stop() {
    this.#stopping = true
    await this.lanes
  }

  /** The records at the revision, CID by URI, given those before the load. */
  recordsAt(rev, before) {
    const records = new Map(before)
    for (const write of this.writes.filter((one) => one.rev <= rev)) {
      if (write.cid) records.set(write.uri, write.cid)
      else records.delete(write.uri)
    }
    return [...records].sort()
  }
}
