// A hold goes on under another address: another DID, another key, another storage. What the old one knows is handed over.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { createAccount } from '../stack/account.mjs'
import { Client, digestOf } from '../demo/client.mjs'
import { Hold } from '../demo/processes.mjs'
import { chapter, step } from '../demo/report.mjs'
import { consumersAgree } from './backup.mjs'
import { assertReadable, done, isAbsent, newBlob, pushBlob, shell } from './site.mjs'

const TIERS = 'tiers.deckhand.quota = "5 GB"\ntiers.bosun.quota = "50 GB"\n'

/** Pushes an image of two layers and tells the hold, as the registry does. */
async function pushImage(client, repository) {
  const [config, ...layers] = [newBlob(500), newBlob(70_000), newBlob(90_000)]
  for (const blob of [config, ...layers]) await pushBlob(client, blob)
  const described = ({ digest, body }, mediaType) => ({ digest, size: body.length, mediaType })
  const manifest = {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: described(config, 'application/vnd.oci.image.config.v1+json'),
    layers: layers.map((layer) => described(layer, 'application/vnd.oci.image.layer.v1.tar')),
  }
  const manifestDigest = `sha256:${createHash('sha256').update(JSON.stringify(manifest)).digest('hex')}`
  const push = { repository, userDid: client.account.did, manifestDigest, manifest, operation: 'push' }
  await client.procedure('io.atcr.hold.notifyManifest', push)
  return { config, layers, blobs: [config, ...layers], push }
}

const json = async (hold, command) => JSON.parse(await done(hold, `${command} --json`))

/** All records of a collection but the owner's, without their addresses. */
async function values(client, collection) {
  const { records } = await client.query('com.atproto.repo.listRecords', { repo: client.hold.did, collection, limit: 100 })
  // Each hold has its owner's record of its own.
  const shared = records.filter(({ value }) => value.role !== 'owner')
  return shared.map(({ value }) => JSON.stringify(value)).sort()
}

export async function successor({ hold: spent, alice: owner, work, binary, stack }) {
  chapter('A successor: the hold goes on under another address')
  const bob = await createAccount(stack.pds, 'bob.test')
  const prepare = async (name) => {
    const place = path.join(work, name)
    await done(spent, `mkdir ${place}`)
    const hold = await Hold.prepare({ binary, work: place, owner: owner.account.did, plc: stack.plc })
    const config = path.join(place, 'hold.toml')
    await writeFile(config, TIERS)
    hold.config = config
    return hold
  }
  const [old, next] = [await prepare('old'), await prepare('next')]
  const as = (account, hold) => new Client(hold, stack.pds, { account })
  const images = []
  await step('The old hold: a crew with tiers, images of two people, a third in the making', async () => {
    await old.start(old.config)
    await done(old, `atcr-hold crew add ${bob.did} --tier bosun --config ${old.config}`)
    images.push(await pushImage(as(owner.account, old), 'first'), await pushImage(as(bob, old), 'second'))
    await as(bob, old).procedure('io.atcr.hold.notifyManifest', { ...images[1].push, operation: 'pull' })
  })
  await step('The new hold, started at its own address', () => next.start(next.config))
  const from = path.join(work, 'old.jsonl')
  await step('1. What is recorded of people and images', async () => {
    await done(old, `atcr-hold successor export ${from} --config ${old.config}`)
    const { members, manifests, layers, stats } = await json(next, `atcr-hold successor import ${from} --config ${next.config}`)
    assert.deepEqual({ members, manifests, layers, stats }, { members: 1, manifests: 2, layers: 4, stats: 2 })
  })
  await step('Done again, it changes nothing; and a hold does not take over its own', async () => {
    const { rev } = (await json(next, 'atcr-hold identity show')).head
    await json(next, `atcr-hold successor import ${from} --config ${next.config}`)
    assert.equal((await json(next, 'atcr-hold identity show')).head.rev, rev)
    const own = await shell(old, `atcr-hold successor import ${from} --config ${old.config}`)
    assert.deepEqual([own.code, own.stderr.includes("this hold's own")], [1, true], own.stderr)
  })
  const [here, there] = [as(owner.account, old), as(owner.account, next)]
  await step('Crew with tiers, layers, statistics and quotas are the same in both', async () => {
    for (const collection of ['io.atcr.hold.layer', 'io.atcr.hold.crew']) {
      assert.deepEqual(await values(there, collection), await values(here, collection), collection)
    }
    const counts = async (client) =>
      (await values(client, 'io.atcr.hold.stats')).map((text) => ({ ...JSON.parse(text), updatedAt: '' }))
    assert.deepEqual(await counts(there), await counts(here))
    const quota = async (client) => {
      // The sizes of configs come with their blobs.
      const { totalSize: _, ...rest } = await client.query('io.atcr.hold.getQuota', { userDid: bob.did })
      return rest
    }
    assert.deepEqual(await quota(there), await quota(here))
    assert.equal((await quota(there)).tier, 'bosun')
  })
  await step('2. The blobs, into the new storage; 3. recorded there', async () => {
    await writeFile(path.join(work, 'next.toml'), `[storage]\nroot_dir = "${next.settings.STORAGE_ROOT_DIR}"\n`)
    await done(old, `atcr-hold storage migrate --to ${work}/next.toml --for ${next.did} --config ${old.config}`)
    const { findings } = await json(next, `atcr-hold storage verify --repair --config ${next.config}`)
    assert.deepEqual([findings.wrong, findings.repaired], [0, 6])
    for (const blob of images.flatMap(({ blobs }) => blobs)) await assertReadable(there, blob)
  })
  await step('Garbage collection there keeps them all, as layer records and manifests name them', async () => {
    const { garbage, named, recent } = await json(next, `atcr-hold gc --dry-run --config ${next.config}`)
    assert.deepEqual([garbage.count, named.count, recent.count], [0, 6, 0])
  })
  await step('4. The old hold says who follows it, without a restart', async () => {
    await writeFile(old.config, `successor = "${next.did}"\n${TIERS}`)
    old.signal('SIGHUP')
    const record = { repo: old.did, collection: 'io.atcr.hold.captain', rkey: 'self' }
    const deadline = performance.now() + 60_000
    let captain
    do captain = (await here.query('com.atproto.repo.getRecord', record)).value
    while (captain.successor !== next.did && performance.now() < deadline)
    assert.equal(captain.successor, next.did)
  })
  /** Asks the old hold, which sends on to the new one. */
  const foundThere = async (blob) => {
    const method = 'com.atproto.sync.getBlob'
    const query = new URLSearchParams({ did: old.did, cid: blob.digest })
    const headers = await as(bob, old).headers(method)
    const response = await fetch(`${old.url}/xrpc/${method}?${query}`, { headers, redirect: 'manual' })
    assert.equal(response.status, 307)
    const location = new URL(response.headers.get('location'))
    assert.equal(location.origin, next.url)
    // The new hold is private: a token that was made for the old one is not good there.
    assert.equal((await fetch(location, { headers })).status, 401)
    const answer = await fetch(location, { headers: await as(bob, next).headers(method) })
    assert.equal(answer.status, 200)
    const { url } = await answer.json()
    assert.deepEqual(await digestOf(await fetch(url)), { digest: blob.digest, bytes: blob.body.length })
  }
  await step('Pushes go to the new hold; who asks the old one for such a blob finds it', async () => {
    images.push(await pushImage(as(bob, next), 'third'))
    for (const blob of images[2].blobs) await foundThere(blob)
  })
  const late = {}
  await step('A push that still went to the old hold: 1 to 3 once more', async () => {
    Object.assign(late, await pushImage(as(bob, old), 'late'))
    assert.ok(await isAbsent(there, late.config))
    await done(old, `atcr-hold successor export ${from} --config ${old.config}`)
    const again = await json(next, `atcr-hold successor import ${from} --config ${next.config}`)
    assert.deepEqual([again.members, again.manifests, again.layers], [0, 1, 2])
    await done(old, `atcr-hold storage migrate --to ${work}/next.toml --for ${next.did} --config ${old.config}`)
    const { findings } = await json(next, `atcr-hold storage verify --repair --config ${next.config}`)
    assert.deepEqual([findings.wrong, findings.repaired], [0, 3])
    for (const blob of late.blobs) await assertReadable(there, blob)
  })
  await step('The old hold gives its room back, and sends on who asks for what it had', async () => {
    const place = path.join(old.settings.STORAGE_ROOT_DIR, 'docker')
    await done(old, `rm -r ${place}`)
    const refused = await shell(old, `atcr-hold storage verify --repair --config ${old.config}`)
    assert.ok(refused.code !== 0, 'an emptied storage is not mended before it is adopted')
    await done(old, `atcr-hold storage adopt --config ${old.config}`)
    const { code } = await shell(old, `atcr-hold storage verify --repair --config ${old.config}`)
    assert.equal(code, 1, 'it says that something was missing')
    for (const blob of [...images, late].flatMap(({ blobs }) => blobs)) await foundThere(blob)
  })
  await step('The old hold is switched off: every blob is in the new one', async () => {
    old.signal('SIGTERM')
    assert.equal(await old.end(), 'exit code 0')
    for (const blob of [...images, late].flatMap(({ blobs }) => blobs)) await assertReadable(as(bob, next), blob)
  })
  await step('storage verify and repo verify find nothing wrong', async () => {
    await done(next, `atcr-hold storage verify --config ${next.config}`)
    await done(next, `atcr-hold repo verify --config ${next.config}`)
  })
  await consumersAgree(next)
  return next
}
