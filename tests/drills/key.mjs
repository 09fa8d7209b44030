// The signing key is gone: with a copy of it, and without one.

import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { chapter, step } from '../demo/report.mjs'
import { Copy, Follower } from '../stack/follower.mjs'
import { consumersAgree, profile } from './backup.mjs'
import { assertReadable, done, newBlob, pushBlob, shell } from './site.mjs'

export async function lostKey({ hold, alice, work }) {
  chapter('The signing key is gone')
  const kept = path.join(work, 'key.kept')
  const blob = newBlob(1024)
  const follower = new Follower(hold)
  const before = new Copy(hold)
  await step('A hold that was written to, and a consumer that follows', async () => {
    await pushBlob(alice, blob)
    const { commit } = await alice.procedure('com.atproto.repo.putRecord', await profile(alice))
    await before.update()
    await follower.until(() => follower.revs.at(-1) === commit.rev, `no event of ${commit.rev}`)
  })
  await step('The key is gone, and the hold stops: it does not start again, and says why', async () => {
    await done(hold, `cp -p keys/signing.key ${kept} && rm keys/signing.key`)
    hold.signal('SIGTERM')
    await hold.end()
    const { code, stderr } = await shell(hold, 'atcr-hold')
    assert.equal(code, 78)
    assert.match(stderr, /signing key .* is missing/)
    return { detail: stderr.trim().split('\n').at(-1) }
  })
  await step('With a copy of the key: put it back, and the hold goes on', async () => {
    await done(hold, `cp -p ${kept} keys/signing.key`)
    await hold.start()
    hold.signal('SIGTERM')
    await hold.end()
  })
  await step('identity new-key refuses while the key that signs is in its place', async () => {
    const { code, stderr } = await shell(hold, 'atcr-hold identity new-key')
    assert.deepEqual([code, stderr.includes('move it aside')], [78, true], stderr)
  })
  const renewed = {}
  await step('Without one: identity new-key', async () => {
    await done(hold, 'rm keys/signing.key')
    const unseen = await shell(hold, 'atcr-hold identity new-key')
    assert.deepEqual([unseen.code, unseen.stderr.includes('the service may have one')], [78, true], unseen.stderr)
    Object.assign(renewed, JSON.parse(await done(hold, 'atcr-hold identity new-key --json --yes-the-old-key-is-lost')))
    assert.equal((await stat(renewed.keyFile)).mode & 0o777, 0o600)
    return { detail: renewed.signingKey }
  })
  await step('Done again it changes nothing', async () => {
    assert.equal((await shell(hold, 'atcr-hold identity new-key')).code, 78)
    assert.equal(JSON.parse(await done(hold, 'atcr-hold identity show --json')).head.rev, renewed.rev)
  })
  await step('The hold starts; DID document and commit have the new key, and the records are the same', async () => {
    await hold.start()
    const document = await (await fetch(`${hold.url}/.well-known/did.json`)).json()
    assert.equal(`did:key:${document.verificationMethod[0].publicKeyMultibase}`, renewed.signingKey)
    const copy = new Copy(hold)
    await copy.update(renewed.signingKey)
    assert.equal(copy.rev, renewed.rev)
    assert.deepEqual([...(await copy.records())].sort(), [...(await before.records())].sort())
  })
  await step('A verified copy from before takes the difference', async () => {
    const { writes } = await before.update(renewed.signingKey)
    assert.deepEqual([before.rev, writes.length], [renewed.rev, 0])
  })
  await step('The consumer, which remembers the old key, hears of the new one and of the next commit', async () => {
    const { commit } = await alice.procedure('com.atproto.repo.putRecord', await profile(alice))
    await follower.until(() => follower.revs.at(-1) === commit.rev, `no event of ${commit.rev}`)
    const errors = follower.takeErrors()
    await follower.stop()
    return { detail: errors.length ? `it met on the way: ${errors.join('; ')}` : 'without an error' }
  })
  await step('Blobs are as they were, and pushes go on', async () => {
    await assertReadable(alice, blob)
    const next = newBlob(1024)
    await pushBlob(alice, next)
    await assertReadable(alice, next)
  })
  await step('repo verify finds nothing wrong', () => done(hold, 'atcr-hold repo verify'))
  await consumersAgree(hold, 'part')
  return hold
}
