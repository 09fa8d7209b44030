// To another machine under the same address: what can be copied early is, and the hold is away only for the rest.

import assert from 'node:assert/strict'
import path from 'node:path'
import { PART_BYTES } from '../demo/client.mjs'
import { chapter, step } from '../demo/report.mjs'
import { Copy, Follower } from '../stack/follower.mjs'
import { consumersAgree } from './backup.mjs'
import { Load, assertReadable, done, elsewhere, newBlob } from './site.mjs'

export async function newHost({ hold, alice, work }) {
  chapter('To a new host, under the same address')
  const state = path.join(work, 'new-host')
  const next = elsewhere(hold, state)
  const follower = new Follower(hold)
  const before = new Copy(hold)
  await before.update()
  const load = new Load(alice)
  const upload = { ...newBlob(2 * PART_BYTES), parts: [] }
  const part = (at) => upload.body.subarray((at - 1) * PART_BYTES, at * PART_BYTES)
  await step('An upload is half way, and the load is on', async () => {
    upload.id = await alice.initiateUpload()
    upload.parts.push(await alice.putPart(upload.id, 1, part(1)))
    await load.more(20)
  })
  await step('The blobs, while the hold runs', () =>
    done(hold, `install -d -m 700 ${state} && rsync -a blobs/docker ${state}/blobs/`))
  let away
  await step('Stopped; database, key, and the rest of the blobs; started', async () => {
    await load.more(5)
    const blobs = load.blobs.length
    away = performance.now()
    hold.signal('SIGTERM')
    assert.equal(await hold.end(), 'exit code 0')
    await load.stop()
    await done(hold, `rsync -a --delete --exclude=*.lock --exclude=*.sock ./ ${state}/`)
    await next.start()
    assert.ok(load.blobs.length >= blobs)
    return { detail: `away for ${Math.round(performance.now() - away)} ms` }
  })
  const here = alice.at(next)
  await step('Nothing is lost: every commit, every blob', async () => {
    const copy = new Copy(next)
    await copy.update()
    const records = [...(await copy.records())].sort()
    // A call whose answer was lost with the old hold may have happened.
    const rev = load.writes.at(-1).rev
    if (copy.rev === rev) assert.deepEqual(records, load.recordsAt(rev, await before.records()))
    assert.ok(copy.rev >= rev)
    for (const blob of load.blobs) await assertReadable(here, blob)
    return { detail: `${load.writes.length} commits, ${load.blobs.length} blobs` }
  })
  await step('The upload goes on', async () => {
    upload.parts.push(await here.putPart(upload.id, 2, part(2)))
    await here.completeUpload(upload.id, upload.digest, upload.parts)
    await assertReadable(here, upload)
  })
  await step('The consumer came back with its cursor and has every record', async () => {
    const copy = new Copy(next)
    await copy.update()
    await follower.until(() => follower.revs.at(-1) === copy.rev, `no event of ${copy.rev}`)
    assert.deepEqual([...follower.records].sort(), [...(await copy.records())].sort())
    await follower.stop()
  })
  await step('storage verify finds nothing wrong', () => done(next, 'atcr-hold storage verify'))
  await consumersAgree(next)
  return next
}
