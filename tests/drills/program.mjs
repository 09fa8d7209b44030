// From another program, under the same address: what is there of the old one is its repository, as it exports it, and its blobs.

import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { chapter, step } from '../demo/report.mjs'
import { inventedDid } from '../stack/account.mjs'
import { Copy } from '../stack/follower.mjs'
import { CREW, assertReadable, done, elsewhere, newBlob, pushBlob } from './site.mjs'

export async function otherProgram({ hold, alice, work }) {
  chapter('From another program, under the same address')
  const state = path.join(work, 'other-program')
  const file = path.join(work, 'hold.car')
  const next = elsewhere(hold, state)
  const here = alice.at(next)
  const blob = newBlob(1024)
  const before = new Copy(hold)
  const old = {}
  const fetched = () => done(hold, `curl -fso ${file} '${hold.url}/xrpc/com.atproto.sync.getRepo?did=${encodeURIComponent(hold.did)}'`)
  await step('Its repository, with blocks of earlier commits, as indigo exports them; and its key', async () => {
    await fetched()
    const earlier = blocksOf(await readFile(file))
    await pushBlob(alice, blob)
    const member = { $type: CREW, member: inventedDid(), role: 'mate', permissions: ['blob:read'], addedAt: new Date().toISOString() }
    await alice.procedure('com.atproto.repo.createRecord', { repo: hold.did, collection: CREW, rkey: member.member, record: member })
    await fetched()
    await writeFile(file, Buffer.concat([await readFile(file), earlier]))
    await before.update()
    const document = await (await fetch(`${hold.url}/.well-known/did.json`)).json()
    old.key = `did:key:${document.verificationMethod[0].publicKeyMultibase}`
    return { detail: old.key }
  })
  await step('It stops for good; nothing of its state is left but the blobs', async () => {
    hold.signal('SIGTERM')
    await hold.end()
    await done(hold, `mkdir -p -m 700 ${state}/blobs/docker && rsync -a blobs/docker/registry ${state}/blobs/docker/`)
  })
  await step('A new hold takes over the records, and leaves out what is of earlier commits', async () => {
    await next.start()
    const imported = JSON.parse(await done(next, `atcr-hold repo import ${file} --signed-by ${old.key} --json`))
    assert(imported.leftOut > 0, JSON.stringify(imported))
    await done(next, 'atcr-hold storage verify --repair')
    await done(next, 'atcr-hold repo verify')
    return { detail: `${imported.records} records; ${imported.leftOut} of ${imported.blocks} blocks left out` }
  })
  await step('Records and blobs are those of before, under a key of its own, and pushes go on', async () => {
    const { signingKey } = JSON.parse(await done(next, 'atcr-hold identity show --json'))
    assert.notEqual(signingKey, old.key)
    const copy = new Copy(next)
    await copy.update(signingKey)
    assert.deepEqual([...(await copy.records())].sort(), [...(await before.records())].sort())
    await assertReadable(here, blob)
    const more = newBlob(1024)
    await pushBlob(here, more)
    await assertReadable(here, more)
  })
  await step('storage verify finds nothing wrong', () => done(next, 'atcr-hold storage verify'))
  return next
}

/** The blocks of a CAR without its header, whose length is a varint before it. */
function blocksOf(car) {
  assert(car[0] < 0x80, 'the header has less than 128 bytes')
  return car.subarray(1 + car[0])
}
