// A backup of a hold at work, and the hold of that moment brought back in another place after the first is gone.

import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { PART_BYTES } from '../demo/client.mjs'
import { runConsumers } from '../demo/processes.mjs'
import { chapter, step } from '../demo/report.mjs'
import { Copy, Follower } from '../stack/follower.mjs'
import { Load, assertReadable, done, elsewhere, isAbsent, newBlob, pushBlob, shell } from './site.mjs'

/** @returns {Promise<Hold>} the restored hold, which runs */
export async function backup({ hold, alice, work }) {
  chapter('Backup of a hold at work, and restore in another place')
  const kept = path.join(work, 'backup')
  const state = path.join(work, 'restored')
  const follower = new Follower(hold)
  const before = new Copy(hold)
  await before.update()
  const open = await openUploads(alice)
  const load = new Load(alice)
  const seen = {}

  await step('The load is on: two lanes push blobs, one changes the crew, a consumer follows', () => load.more(40))
  await step('1. The database, beside the running hold', async () => {
    seen.blobs = load.blobs.length
    await done(hold, `mkdir -m 700 ${kept}`)
    const told = JSON.parse(await done(hold, `atcr-hold backup ${kept}/hold.db --json`))
    Object.assign(seen, told)
    const { mode, size } = await stat(path.join(kept, 'hold.db'))
    assert.deepEqual([mode & 0o777, size], [0o600, told.sizeBytes])
    return { detail: `${told.sizeBytes} bytes at revision ${told.rev}; the slowest call of the load: ${Math.round(load.slowestMs)} ms` }
  })
  await step('A backup is not written over another one', async () => {
    const { code, stderr } = await shell(hold, `atcr-hold backup ${kept}/hold.db`)
    assert.deepEqual([code, stderr.includes('exists: name a new file')], [1, true], stderr)
  })
  await step('What comes between the database and the blobs', async () => {
    await load.more(20)
    await open.goOn(alice)
  })
  await step('2. The blobs, after the database', async () => {
    seen.copiedFrom = load.blobs.length
    await done(hold, `rsync -a blobs/docker ${kept}/blobs/`)
    seen.copiedTo = load.blobs.length
  })
  await step('3. The key, once', () => done(hold, `cp -p keys/signing.key ${kept}/`))
  await step('More work, which no backup has; then the machine is gone', async () => {
    await load.more(20)
    await follower.until(() => follower.revs.at(-1) >= seen.rev, 'no event of the backup')
    hold.signal('SIGKILL')
    await hold.end()
    await load.stop()
    const lost = load.writes.filter(({ rev }) => rev > seen.rev).length
    return { detail: `${load.writes.length} commits and ${load.blobs.length} blobs acknowledged; ${lost} commits after the backup` }
  })
  const restored = elsewhere(hold, state)
  await step('Restore into an empty directory', async () => {
    await done({ ...hold, settings: hold.settings }, restoreCommands(kept, state))
    await restored.start()
  })
  await step('Its records are those of the backup: what was lost is exactly what came after it', async () => {
    const copy = new Copy(restored)
    await copy.update()
    assert.equal(copy.rev, seen.rev)
    assert.deepEqual([...(await copy.records())].sort(), load.recordsAt(seen.rev, await before.records()))
  })
  const here = alice.at(restored)
  await step('Every blob that was acknowledged before the backup is readable', async () => {
    for (const blob of load.blobs.slice(0, seen.blobs)) await assertReadable(here, blob)
    return { detail: `${seen.blobs} blobs` }
  })
  await step('storage verify names the blobs that came between, --repair records them, and then nothing is wrong', async () => {
    const found = JSON.parse(await done(restored, 'atcr-hold storage verify --repair --json'))
    assert.equal(found.findings.wrong, 0)
    const again = JSON.parse(await done(restored, 'atcr-hold storage verify --json'))
    assert.deepEqual([again.findings.wrong, again.findings.noted], [0, 0])
    for (const blob of load.blobs.slice(0, seen.copiedFrom)) await assertReadable(here, blob)
    return { detail: `${found.findings.repaired} recorded` }
  })
  await step('Of the later ones, what is absent comes with its next push', async () => {
    let absent = 0
    for (const blob of load.blobs.slice(seen.copiedTo)) {
      absent += Number(await isAbsent(here, blob))
      await pushBlob(here, blob)
      await assertReadable(here, blob)
    }
    assert.ok(absent > 0)
    return { detail: `${absent} pushed again` }
  })
  await step('Uploads that were open: one ends well, or is refused and begins anew; never with wrong bytes', () => open.end(here))
  await step('repo verify finds nothing wrong', () => done(restored, 'atcr-hold repo verify'))
  await step('The next commit is above all that the consumer has heard', async () => {
    const { commit } = await here.procedure('com.atproto.repo.putRecord', await profile(here))
    assert.ok(commit.rev > follower.revs.at(-1), `${commit.rev} after ${follower.revs.at(-1)}`)
    await follower.until(() => follower.revs.at(-1) === commit.rev, `no event of ${commit.rev}`)
    for (const error of follower.takeErrors()) assert.match(error, /FutureCursor$|ECONNREFUSED|undefined$/)
    await follower.stop()
  })
  await consumersAgree(restored)
  return restored
}

/** What the manual says, without systemd. */
function restoreCommands(kept, state) {
  return [
    `install -d -m 700 ${state} ${state}/keys`,
    `install -m 600 ${kept}/hold.db ${state}/hold.db`,
    `install -m 600 ${kept}/signing.key ${state}/keys/signing.key`,
    `rsync -a ${kept}/blobs ${state}/`,
  ].join(' && ')
}

/** A change of the profile: a commit that is not one of the load's. */
export async function profile(client) {
  const name = { repo: client.hold.did, collection: 'app.bsky.actor.profile', rkey: 'self' }
  const { value } = await client.query('com.atproto.repo.getRecord', name)
  return { ...name, record: { ...value, description: `Changed ${new Date().toISOString()}` } }
}

/** That the reference libraries find the hold right in everything. */
export async function consumersAgree(hold, ...more) {
  await step('The reference atproto libraries accept it in everything', async () => {
    const { code, lines } = await runConsumers(hold, ...more)
    assert.equal(code, 0, lines.slice(lines.findIndex((line) => line.startsWith('FAIL'))).join('\n'))
    return { detail: lines.at(-1) }
  })
}

/** Two uploads with two parts each: later one gets a third part, and the other is completed. */
async function openUploads(alice) {
  const uploads = []
  for (let number = 0; number < 2; number += 1) {
    const blob = newBlob(3 * PART_BYTES)
    const part = (at) => blob.body.subarray((at - 1) * PART_BYTES, at * PART_BYTES)
    const uploadId = await alice.initiateUpload()
    const parts = []
    for (const at of [1, 2]) parts.push(await alice.putPart(uploadId, at, part(at)))
    uploads.push({ blob, uploadId, parts, third: (client) => client.putPart(uploadId, 3, part(3)) })
  }
  const [longer, completed] = uploads
  return {
    async goOn(client) {
      for (const upload of uploads) upload.parts.push(await upload.third(client))
      await client.completeUpload(completed.uploadId, completed.blob.digest, completed.parts)
    },
    async end(client) {
      const outcomes = []
      for (const { blob, uploadId, parts } of [longer, completed]) {
        const outcome = await client.completeUpload(uploadId, blob.digest, parts).then(
          ({ status }) => status,
          (error) => `${error.status} ${error.name}`,
        )
        outcomes.push(outcome)
        if (outcome === 'completed') await assertReadable(client, blob)
        else await pushBlob(client, blob)
        await assertReadable(client, blob)
      }
      return { detail: `completeUpload: ${outcomes.join('; ')}` }
    },
  }
}
