// Reference consumers that stay: @atproto/sync's Firehose, which comes back with its cursor, and a copy of a repository
// that @atproto/repo keeps up to date by verified differences.

import assert from 'node:assert/strict'
import { DidResolver, MemoryCache } from '@atproto/identity'
import { MemoryBlockstore, Repo, readCarWithRoot, verifyDiff } from '@atproto/repo'
import { Firehose } from '@atproto/sync'

// It remembers keys, as consumers do: a hold that is killed right after an event cannot be asked for its key.
const resolver = new DidResolver({ fetch: globalThis.fetch, didCache: new MemoryCache() })
const PATIENCE_MS = 120_000

/** Learns a hold's records from its authenticated events alone, from the first one on. */
export class Follower {
  records = new Map()
  /** The revisions of the commits that were learnt, in order. */
  revs = []
  errors = []
  #seq = 0
  #seen = new Set()
  #heard = () => {}

  constructor(hold) {
    this.firehose = new Firehose({
      service: hold.url.replace(/^http/, 'ws'),
      idResolver: { did: resolver, handle: { resolve: async () => undefined } },
      getCursor: () => this.#seq,
      maxReconnectSeconds: 1,
      subscriptionReconnectDelay: 500,
      onError: ({ message, cause }) => this.errors.push(`${message}: ${cause?.error ?? cause?.message}`),
      handleEvent: (event) => this.#take(event),
    })
    void this.firehose.start()
  }

  #take(event) {
    const once = `${event.seq} ${event.uri ?? event.event}`
    if (event.seq < this.#seq || this.#seen.has(once)) this.errors.push(`${once} after ${this.#seq}`)
    this.#seen.add(once)
    this.#seq = event.seq
    if (event.event === 'delete') this.records.delete(event.uri.toString())
    if (event.event === 'create' || event.event === 'update') this.records.set(event.uri.toString(), event.cid.toString())
    if (event.commit && this.revs.at(-1) !== event.rev) this.revs.push(event.rev)
    this.#heard()
  }

  /** Waits until this holds: for events, not for a time. */
  async until(holds, what) {
    const deadline = setTimeout(() => this.#heard(), PATIENCE_MS)
    const began = performance.now()
    try {
      while (!holds()) {
        if (performance.now() - began >= PATIENCE_MS) throw new Error(`${what}: ${this.errors.join('; ')}`)
        await new Promise((resolve) => (this.#heard = resolve))
      }
    } finally {
      clearTimeout(deadline)
    }
  }

  /** All errors since the last look. */
  takeErrors() {
    return this.errors.splice(0)
  }

  async stop() {
    await this.firehose.destroy()
  }
}

/** A verified copy of a hold's repository. */
export class Copy {
  constructor(hold) {
    this.hold = hold
  }

  get rev() {
    return this.repo?.commit.rev
  }

  /**
   * Fetches what is new since the copy's revision (or all), verifies it on top of the copy.
   * @param {string} [known] the key, where it is not the one that the resolver remembers
   * @returns the writes
   */
  async update(known) {
    const since = this.repo ? `&since=${this.rev}` : ''
    const did = encodeURIComponent(this.hold.did)
    const response = await fetch(`${this.hold.url}/xrpc/com.atproto.sync.getRepo?did=${did}${since}`)
    assert.equal(response.status, 200)
    const { root, blocks } = await readCarWithRoot(new Uint8Array(await response.arrayBuffer()))
    const key = known ?? (await resolver.resolveAtprotoKey(this.hold.did))
    const { writes, commit } = await verifyDiff(this.repo ?? null, blocks, root, this.hold.did, key)
    const storage = this.repo?.storage ?? new MemoryBlockstore()
    await storage.applyCommit(commit)
    this.repo = await Repo.load(storage, root)
    return { writes, blocks: blocks.size }
  }

  /** @returns {Promise<Map<string, string>>} CID by URI */
  async records() {
    const found = new Map()
    for await (const { collection, rkey, cid } of this.repo.walkRecords()) {
      found.set(`at://${this.hold.did}/${collection}/${rkey}`, cid.toString())
    }
    return found
  }
}
