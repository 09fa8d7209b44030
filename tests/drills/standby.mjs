// Litestream sends the database to a bucket as it changes, and a warm spare takes over from there.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { chapter, step } from '../demo/report.mjs'
import { Copy } from '../stack/follower.mjs'
import { consumersAgree } from './backup.mjs'
import { Load, assertReadable, done, elsewhere, newBlob, pushBlob } from './site.mjs'

const COMMITS = 30

/** Settings of a hold with its blobs in the server's bucket, and Litestream's configuration for the same bucket. */
function places(s3List, hold) {
  const line = readFileSync(s3List, 'utf8').split('\n').find((one) => one.startsWith('garage '))
  const [, endpoint, region, bucket, keyFile, secretFile] = line.split(' ')
  const [key, secret] = [keyFile, secretFile].map((file) => readFileSync(file, 'utf8').trim())
  const prefix = `drill-${process.pid}`
  const settings = {
    STORAGE_DRIVER: 's3', S3_BUCKET: bucket, S3_ENDPOINT: endpoint, AWS_REGION: region, S3_PREFIX: prefix,
    AWS_ACCESS_KEY_ID: key, AWS_SECRET_ACCESS_KEY: secret,
  }
  const toml = Object.entries({ bucket, endpoint, region, prefix, access_key_id: key, secret_access_key: secret })
  const storage = `[storage]\ndriver = "s3"\n[storage.s3]\n${toml.map(([name, value]) => `${name} = "${value}"\n`).join('')}`
  const yaml = `dbs:
  - path: ${hold.settings.HOLD_DATABASE_PATH}
    replica:
      type: s3
      endpoint: ${endpoint}
      region: ${region}
      bucket: ${bucket}
      path: ${prefix}-database
      force-path-style: true
      sync-interval: 1s
`
  return { settings, storage, yaml, secrets: { LITESTREAM_ACCESS_KEY_ID: key, LITESTREAM_SECRET_ACCESS_KEY: secret } }
}

export async function standby({ hold, alice, work, s3List, litestream }) {
  chapter('A warm spare: blobs in a bucket, and the database there too, by Litestream')
  const { settings, storage, yaml, secrets } = places(s3List, hold)
  const state = path.dirname(hold.settings.HOLD_DATABASE_PATH)
  const config = path.join(work, 'litestream.yml')
  const variables = { ...secrets, PATH: `${path.dirname(litestream)}:${process.env.PATH}` }
  const old = newBlob(100_000)
  await step('The blobs move to the bucket: storage migrate, stop, again, start with the new storage', async () => {
    await pushBlob(alice, old)
    await writeFile(path.join(work, 'bucket.toml'), storage, { mode: 0o600 })
    await done(hold, `atcr-hold storage migrate --to ${work}/bucket.toml`)
    hold.signal('SIGTERM')
    await hold.end()
    await done(hold, `atcr-hold storage migrate --to ${work}/bucket.toml`)
    hold = elsewhere(hold, state, settings)
    await hold.start()
    alice = alice.at(hold)
    await assertReadable(alice, old)
  })
  const slowest = {}
  let load = new Load(alice)
  await step(`${COMMITS} commits and blobs without Litestream`, async () => {
    await load.more(COMMITS)
    await load.stop()
    slowest.without = load.slowestMs
  })
  const before = new Copy(hold)
  await before.update()
  await writeFile(config, yaml)
  const log = path.join(work, 'litestream.log')
  const out = openSync(log, 'a')
  let replicating = () => spawn('setpriv', ['--pdeathsig', 'KILL', litestream, 'replicate', '-config', config], {
    env: variables, stdio: ['ignore', out, out],
  })
  let child = replicating()
  load = new Load(alice)
  await step(`${COMMITS} commits and blobs with it`, async () => {
    await load.more(COMMITS)
    return { detail: `the slowest call: ${Math.round(load.slowestMs)} ms, and ${Math.round(slowest.without)} ms without` }
  })
  await step('Litestream is killed, works are done without it, and it goes on', async () => {
    child.kill('SIGKILL')
    await once(child, 'exit')
    await load.more(COMMITS)
    child = replicating()
    await load.more(COMMITS)
  })
  await step('The hold is restarted beside it', async () => {
    await load.stop()
    hold.signal('SIGTERM')
    assert.equal(await hold.end(), 'exit code 0')
    await hold.start()
  })
  /** Waits until what Litestream has sent to the bucket goes up to `rev`. */
  const synced = async (rev) => {
    const probe = path.join(work, 'probe.db')
    const deadline = performance.now() + 120_000
    for (let found = ''; found < rev;) {
      assert.ok(performance.now() < deadline, `${found} is in the bucket, and not ${rev}`)
      await new Promise((resolve) => setTimeout(resolve, 500))
      await done(hold, `rm -f ${probe}*; litestream restore -config ${config} -o ${probe} ${state}/hold.db`, variables)
      const database = new DatabaseSync(probe)
      found = database.prepare('SELECT rev FROM repo').get().rev
      database.close()
    }
  }
  const earlier = load
  const middle = new Copy(hold)
  await middle.update()
  load = new Load(alice)
  let lastSynced
  await step('The machine is lost under load: hold and Litestream at once', async () => {
    await load.more(COMMITS)
    lastSynced = load.writes.length
    await synced(load.writes.at(-1).rev)
    hold.signal('SIGKILL')
    child.kill('SIGKILL')
    await Promise.all([hold.end(), once(child, 'exit')])
    await load.stop()
  })
  const spare = elsewhere(hold, path.join(work, 'spare'), settings)
  await step('The spare: its key and its configuration are there; the database comes from the bucket', async () => {
    const place = path.join(work, 'spare')
    await done(hold, `install -d -m 700 ${place} ${place}/keys && install -m 600 keys/signing.key ${place}/keys/`)
    await done(hold, `litestream restore -config ${config} -o ${place}/hold.db ${state}/hold.db`, variables)
    await done(hold, `chmod 600 ${place}/hold.db`)
    await done(spare, 'atcr-hold repo verify')
    await spare.start()
  })
  const here = alice.at(spare)
  await step('It has every commit but those of the last moment', async () => {
    const copy = new Copy(spare)
    await copy.update()
    assert.deepEqual([...(await copy.records())].sort(), load.recordsAt(copy.rev, await middle.records()))
    const lost = load.writes.filter(({ rev }) => rev > copy.rev).length
    assert.ok(load.writes.length - lost >= lastSynced, `${lost} of ${load.writes.length} lost`)
    return { detail: `${earlier.writes.length + load.writes.length} commits, ${lost} of them lost` }
  })
  await step('storage verify --repair records what was uploaded in it, and every acknowledged blob is there', async () => {
    const found = JSON.parse(await done(spare, 'atcr-hold storage verify --repair --json'))
    assert.equal(found.findings.wrong, 0)
    for (const blob of [old, ...earlier.blobs, ...load.blobs]) await assertReadable(here, blob)
    return { detail: `${found.findings.repaired} recorded, ${earlier.blobs.length + load.blobs.length} read` }
  })
  await step('Pushes go on', async () => {
    const blob = newBlob(1024)
    await pushBlob(here, blob)
    await assertReadable(here, blob)
  })
  await consumersAgree(spare, 'part')
  return spare
}
