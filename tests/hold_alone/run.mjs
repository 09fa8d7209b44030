// Every step of a hold's life without a registry before it, as two real accounts see it.
//
//   run.mjs HOLD_BINARY IMAGE_LAYOUT WORK_DIR
//
// Exits 0 when every step held. WORK_DIR belongs to the caller, who also removes it.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { createAccount, inventedDid } from '../stack/account.mjs'
import { rawCid } from '../stack/cid.mjs'
import { Client, PART_BYTES, digestOf } from '../demo/client.mjs'
import { followers } from './followers.mjs'
import { interruptedUpload } from './interrupted.mjs'
import { picture } from './picture.mjs'
import { Hold, runConsumers, startStack } from '../demo/processes.mjs'
import { chapter, counts, duration, note, passed, size, speed, step, table, title } from '../demo/report.mjs'

const [binary, imageLayout, work] = process.argv.slice(2)
const CREW = 'io.atcr.hold.crew'
// The one method that the public front end may ask tokens for; it sends them with every call.
const FRONT_END_LXM = 'com.atproto.repo.getRecord'

// More than one page of records, and a tree of several levels.
const EXTRA_MEMBERS = 200

const started = performance.now()
let stack
let hold

/** @returns {Promise<{label, digest, bytes, file}[]>} the configuration and the layers of the image */
async function readImage() {
  const blob = (digest) => path.join(imageLayout, 'blobs', ...digest.split(':'))
  const { manifests } = JSON.parse(await readFile(path.join(imageLayout, 'index.json')))
  const { config, layers } = JSON.parse(await readFile(blob(manifests[0].digest)))
  const labelled = [['config', config], ...layers.map((layer, index) => [`layer ${index + 1}`, layer])]
  return labelled.map(([label, { digest, size: bytes }]) => ({ label, digest, bytes, file: blob(digest) }))
}

async function start() {
  chapter('Start')
  await step('A PLC directory and a PDS', async () => {
    stack = await startStack(work)
    return { detail: `${stack.plc}  ${stack.pds}` }
  })
  const accounts = {}
  for (const name of ['alice', 'bob']) {
    await step(`Account ${name}.test`, async () => {
      accounts[name] = await createAccount(stack.pds, `${name}.test`)
      return { text: `${name}.test is ${accounts[name].did}` }
    })
  }
  await step('A hold owned by alice', async () => {
    hold = await Hold.prepare({ binary, work, owner: accounts.alice.did, plc: stack.plc })
    await hold.start()
    return { text: `A hold owned by alice, atcr-hold ${hold.version}`, detail: `${hold.url}  ${hold.did}` }
  })
  const alice = new Client(hold, stack.pds, { account: accounts.alice, lxm: FRONT_END_LXM })
  const bob = new Client(hold, stack.pds, { account: accounts.bob })
  await step('Its records name alice as captain and as its only crew member', async () => {
    const record = { repo: hold.did, collection: 'io.atcr.hold.captain', rkey: 'self' }
    const captain = await alice.query('com.atproto.repo.getRecord', record)
    assert.equal(captain.value.owner, accounts.alice.did)
    const crew = await alice.query('com.atproto.repo.listRecords', { repo: hold.did, collection: CREW })
    assert.deepEqual(crew.records.map(({ value }) => value.member), [accounts.alice.did])
  })
  return { alice, bob }
}

async function push(image, alice) {
  chapter(`Alice pushes the image, in parts of ${size(PART_BYTES)}`)
  for (const blob of image) {
    const text = `${blob.label}  ${blob.digest.slice(0, 19)}…  ${size(blob.bytes)}`
    await step(text, async () => {
      const began = performance.now()
      blob.parts = await alice.push(blob)
      blob.pushMs = performance.now() - began
    })
  }
}

async function readBack(image, alice) {
  chapter('Alice reads the image back')
  for (const blob of image) {
    await step(`${blob.label}  SHA-256 of what came back is the digest`, async () => {
      const began = performance.now()
      assert.deepEqual(await alice.pull(blob.digest), { digest: blob.digest, bytes: blob.bytes })
      blob.pullMs = performance.now() - began
    })
  }
  const { digest, bytes } = image.at(-1)
  await step('HEAD tells the size and the digest without the bytes', async () => {
    const response = await fetch(await alice.downloadUrl(digest, { method: 'HEAD' }), { method: 'HEAD' })
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('content-length'), String(bytes))
    assert.equal(response.headers.get('docker-content-digest'), digest)
  })
  await step('A range of it', async () => {
    const response = await fetch(await alice.downloadUrl(digest), { headers: { range: 'bytes=1000-1999' } })
    assert.equal(response.status, 206)
    assert.equal(response.headers.get('content-range'), `bytes 1000-1999/${bytes}`)
    assert.equal((await response.arrayBuffer()).byteLength, 1000)
  })
  await step('The same bytes by their CID, as any atproto client would ask', async () => {
    const method = 'com.atproto.sync.getBlob'
    const query = new URLSearchParams({ did: hold.did, cid: rawCid(digest) })
    const response = await fetch(`${hold.url}/xrpc/${method}?${query}`, { headers: await alice.headers(method) })
    assert.deepEqual(await digestOf(response), { digest, bytes })
    return { detail: rawCid(digest) }
  })
}

/** Demands the answer and shows its text. */
function refused(text, status, message, run) {
  return step(text, async () => {
    const refusal = await run().then(
      () => assert.fail('it was allowed'),
      (error) => error,
    )
    assert.equal(refusal.status, status, refusal.message)
    if (message) assert.ok(refusal.text.startsWith(message), `${refusal.text} does not start with ${message}`)
    return { text: `${text}: ${status}`, detail: refusal.text }
  })
}

function crewRecord(member, permissions) {
  return { $type: CREW, member, role: 'member', permissions, addedAt: new Date().toISOString() }
}

async function permissions(image, { alice, bob }) {
  chapter('Bob, who is not in the crew, then is, then is not')
  const [config] = image
  const notCrewWrite = 'access denied for blob:write: user is not a crew member'
  const notCrewRead = 'access denied for blob:read: user is not a crew member (required: blob:read or blob:write)'
  await refused('Bob may not push', 403, notCrewWrite, () => bob.initiateUpload())
  await refused('Bob may not read', 403, notCrewRead, () => bob.pull(config.digest))
  await refused('Nor may anyone without a token', 401, undefined, () => new Client(hold).pull(config.digest))

  let rkey
  await step('Alice adds Bob to the crew', async () => {
    const record = crewRecord(bob.account.did, ['blob:read', 'blob:write'])
    const { uri } = await alice.procedure('com.atproto.repo.createRecord', { repo: hold.did, collection: CREW, record })
    rkey = uri.split('/').at(-1)
    return { detail: uri }
  })
  await step('Bob pushes a blob and reads it back', async () => {
    const body = Buffer.from(`a blob of Bob's, ${crypto.randomUUID()}`)
    const { digest } = await digestOf(new Response(body))
    const uploadId = await bob.initiateUpload()
    await bob.completeUpload(uploadId, digest, [await bob.putPart(uploadId, 1, body)])
    assert.deepEqual(await bob.pull(digest), { digest, bytes: body.length })
  })
  await step('Alice removes Bob', async () => {
    await alice.procedure('com.atproto.repo.deleteRecord', { repo: hold.did, collection: CREW, rkey })
  })
  await refused('Bob may not push, with the very token that worked before', 403, notCrewWrite, () => bob.initiateUpload())
  await refused('Bob may not read either', 403, notCrewRead, () => bob.pull(config.digest))
}

async function consumers(alice) {
  chapter('The reference atproto libraries read the hold')
  await step(`Alice adds ${EXTRA_MEMBERS} members in one commit and removes every third in another`, async () => {
    const members = Array.from({ length: EXTRA_MEMBERS }, inventedDid)
    const writes = (kind, some) => ({
      repo: hold.did,
      writes: some.map((write) => ({ $type: `com.atproto.repo.applyWrites#${kind}`, collection: CREW, ...write })),
    })
    const creates = members.map((member) => ({ value: crewRecord(member, ['blob:read']) }))
    const { results } = await alice.procedure('com.atproto.repo.applyWrites', writes('create', creates))
    const keys = results.map(({ uri }) => uri.split('/').at(-1))
    const deletes = keys.filter((_, index) => index % 3 === 0).map((rkey) => ({ rkey }))
    await alice.procedure('com.atproto.repo.applyWrites', writes('delete', deletes))
  })
  let lines
  await step('What they read agrees with the signed repository in everything', async () => {
    const ran = await runConsumers(hold)
    lines = ran.lines
    if (ran.code !== 0) throw new Error(lines.slice(lines.findIndex((line) => line.startsWith('FAIL'))).join('\n'))
  })
  for (const line of lines.filter((one) => one.startsWith('ok'))) passed(line.slice(6))
}

function summary(image) {
  const rows = image.map(({ label, digest, bytes, parts, pushMs, pullMs }) => [
    label, digest.slice(0, 19), 'same', size(bytes), String(parts),
    duration(pushMs), speed(bytes, pushMs), duration(pullMs), speed(bytes, pullMs),
  ])
  table([['blob', 'digest', 'SHA-256', 'size', 'parts', 'push', '', 'pull', ''], ...rows], 3)
}

async function life() {
  title('atcr-hold: the life of a hold on this machine')
  const image = await readImage()
  const accounts = await start()
  await push(image, accounts.alice)
  await readBack(image, accounts.alice)
  await permissions(image, accounts)
  await interruptedUpload(hold, accounts.alice)
  await picture(hold, accounts)
  await followers(hold, accounts.alice)
  await consumers(accounts.alice)
  chapter('Stop')
  await step('The hold ends on SIGTERM', async () => {
    hold.signal('SIGTERM')
    assert.equal(await hold.end(), 'exit code 0')
  })
  title('Summary')
  summary(image)
}

async function stop(code) {
  await Promise.race([stack?.stop(), new Promise((resolve) => setTimeout(resolve, 5000))])
  const verdict = code === 0 ? 'Everything held' : 'Something did not hold'
  console.log(`\n    ${verdict}, in ${duration(performance.now() - started)}.\n\nhold: ${counts()}`)
  // The hold, if it still runs, is killed with this process.
  process.exit(code)
}

for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(1))

try {
  await life()
  await stop(0)
} catch (error) {
  note(error.message)
  if (hold) {
    note('The hold said last:')
    for (const line of hold.lastLogLines(15)) note(`  ${line}`)
  }
  await stop(1)
}
