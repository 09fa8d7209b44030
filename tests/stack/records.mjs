// Records of the repositories that a host serves, as the reference library verifies them.

import assert from 'node:assert/strict'
import { DidResolver } from '@atproto/identity'
import { verifyRecords } from '@atproto/repo'

export class Records {
  constructor(host, plcUrl) {
    Object.assign(this, { host, resolver: new DidResolver({ plcUrl, fetch: globalThis.fetch }) })
  }

  /** A record whose proof is signed with the key in its account's DID document. */
  async signed(did, collection, rkey) {
    const query = new URLSearchParams({ did, collection, rkey })
    const response = await fetch(`${this.host}/xrpc/com.atproto.sync.getRecord?${query}`)
    assert.equal(response.status, 200, `${did} has no ${collection}/${rkey}`)
    const proof = new Uint8Array(await response.arrayBuffer())
    const proved = await verifyRecords(proof, did, await this.resolver.resolveAtprotoKey(did))
    const found = proved.find((one) => one.collection === collection && one.rkey === rkey)
    assert.ok(found, `${collection}/${rkey} is not proved`)
    return found.record
  }

  /** All records of a collection, with their URIs; nothing is proved. */
  async all(repo, collection) {
    const records = []
    for (let cursor; ; ) {
      const query = new URLSearchParams({ repo, collection, limit: '100', ...(cursor && { cursor }) })
      const page = await (await fetch(`${this.host}/xrpc/com.atproto.repo.listRecords?${query}`)).json()
      records.push(...page.records)
      cursor = page.cursor
      if (!cursor) return records
    }
  }
}
