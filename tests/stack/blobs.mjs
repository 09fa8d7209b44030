// The blobs of a repository's records, read with the reference library: those that the records name are those that
// the hold lists and gives to anyone.

import assert from 'node:assert/strict'
import { enumBlobRefs } from '@atproto/lex-data'
import { jsonToLex } from '@atproto/lex-json'
import { cidOfBytes } from './cid.mjs'

/**
 * @param {object[]} values every record, as JSON
 * @param {(method: string, params: object) => Promise<Response>} ask
 * @returns {Promise<number>} how many blobs there are
 */
export async function verifyBlobs(values, did, ask) {
  const named = new Map()
  for (const value of values) {
    for (const blob of enumBlobRefs(jsonToLex(value), { strict: true })) named.set(blob.ref.toString(), blob)
  }
  const listed = []
  let cursor
  do {
    const page = await (await ask('com.atproto.sync.listBlobs', { did, limit: 1, ...(cursor && { cursor }) })).json()
    listed.push(...page.cids)
    cursor = page.cursor
  } while (cursor)
  assert.deepEqual(listed.toSorted(), [...named.keys()].sort())
  for (const [cid, { mimeType, size }] of named) {
    const response = await ask('com.atproto.sync.getBlob', { did, cid })
    assert.deepEqual([response.status, response.headers.get('content-type')], [200, mimeType])
    const bytes = new Uint8Array(await response.arrayBuffer())
    assert.deepEqual([bytes.length, await cidOfBytes(bytes)], [size, cid])
  }
  return named.size
}
