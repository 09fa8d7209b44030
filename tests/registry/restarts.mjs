// Pushes during which a part of the registry is killed and started again between any two requests, and in the middle of
// some: each push goes on, and what was acknowledged is there.
//
//   restarts.mjs HOLD APPVIEW WORK_DIR
//
// One line a step; the last line is the sum: "appview: N passed, N failed".

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { startStackInParts } from '../demo/processes.mjs'
import { makeImage, OCI_IMAGE, sha256 } from './images.mjs'
import { newAccount, Registry } from './registry.mjs'
import { allHeld, step, sum } from './steps.mjs'

const run = promisify(execFile)
const [holdBinary, appviewBinary, work] = process.argv.slice(2)
const PART_BYTES = 16 * 1024 * 1024
// More than a part in the first request, so that some of it is at the hold and some is not.
const CHUNK_BYTES = PART_BYTES + 3_000_000

const stack = await startStackInParts(work)
const alice = await newAccount(stack.pds, 'alice.test')
const binaries = { hold: holdBinary, appview: appviewBinary }
const registry = await Registry.start({ binaries, work, stack, owner: alice })
const { appview } = registry

/** The parts, each with how it is killed and started again. */
const PARTS = {
  'the front end': { kill: () => appview.kill(), start: () => appview.start() },
  'the hold': { kill: () => registry.killHold(), start: () => registry.startHold() },
  'the PDS': { kill: () => stack.killPds(), start: () => stack.startPds() },
}

/** A client that tries again what fails. Before each request a part is killed; it is back for the second try. */
class Client {
  constructor(part, repository) {
    Object.assign(this, { part, repository, requests: 0, failures: 0 })
  }

  /** Demands an answer of this status. `resume` says what to send after a failure, which may have been half a success. */
  async request(status, attempt, resume = async () => attempt) {
    this.requests += 1
    await this.part.kill()
    const first = await attempt().catch((error) => error)
    await this.part.start()
    if (first.status === status) return first
    if (first.status !== undefined) {
      assert.equal(first.status, 503, `${first.status} ${first.code}`)
      assert.ok(first.headers.has('retry-after'))
    }
    this.failures += 1
    const second = await (await resume())()
    assert.equal(second.status, status, `${second.status} ${second.code}`)
    return second
  }

  async token(actions) {
    const scope = `repository:${this.repository}:${actions}`
    const user = actions === 'pull' ? [] : ['alice.test', alice.appPassword]
    const ask = async () => ({ status: 200, token: await appview.token(scope, ...user) })
    // Asked without the part, it may fail in any way but one: it may not say that the password is wrong.
    const answer = await this.request(200, () => ask().catch((error) => assert.doesNotMatch(error.message, /401/) ?? new Error()))
    this.bearer = answer.token
  }

  call(method, target, more) {
    return appview.call(this.bearer, method, target.startsWith('/v2/') ? target : `/v2/${this.repository}/${target}`, more)
  }

  /** Pushes a blob in chunks; asks how far it is when one of them fails. */
  async push(bytes) {
    const begun = await this.request(202, () => this.call('POST', 'blobs/uploads/'))
    const place = begun.headers.get('location')
    const offset = async () => {
      const { status, headers } = await this.call('GET', place)
      assert.equal(status, 204)
      const last = Number(headers.get('range').split('-')[1])
      return last === 0 ? 0 : last + 1
    }
    const patch = (start, end) => () =>
      this.call('PATCH', place, { body: bytes.subarray(start, end), headers: { 'content-range': `${start}-${end - 1}` } })
    for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
      const end = Math.min(start + CHUNK_BYTES, bytes.length)
      const done = await this.request(202, patch(start, end), async () => {
        const there = await offset()
        assert.ok(there >= start && there <= end, `${there} is not in ${start}-${end}`)
        return there < end ? patch(there, end) : () => this.call('PATCH', place, { body: '' })
      })
      assert.equal(done.headers.get('range'), `0-${end - 1}`)
    }
    await this.request(201, () => this.call('PUT', `${place}?digest=${sha256(bytes)}`))
    await this.request(307, () => this.call('HEAD', `blobs/${sha256(bytes)}`))
  }

  async pull(digest) {
    const answer = await this.request(307, () => this.call('GET', `blobs/${digest}`))
    return Buffer.from(await (await fetch(answer.headers.get('location'))).arrayBuffer())
  }
}

const image = (layer) => {
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } }))
  const describe = (bytes, mediaType) => ({ mediaType, digest: sha256(bytes), size: bytes.length })
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_IMAGE,
    config: describe(config, 'application/vnd.oci.image.config.v1+json'),
    layers: [describe(layer, 'application/vnd.oci.image.layer.v1.tar')],
  }
  return { config, manifest: Buffer.from(JSON.stringify(manifest)) }
}

async function pushThrough(part, repository) {
  const client = new Client(part, repository)
  const layer = randomBytes(2 * CHUNK_BYTES)
  const { config, manifest } = image(layer)
  await client.token('pull,push')
  await client.push(layer)
  await client.request(201, () => client.call('POST', `blobs/uploads/?digest=${sha256(config)}`, { body: config }))
  const headers = { 'content-type': OCI_IMAGE }
  await client.request(201, () => client.call('PUT', 'manifests/v1', { body: manifest, headers }))
  await client.token('pull')
  const pulled = await client.request(200, () => client.call('GET', 'manifests/v1'))
  assert.equal(sha256(Buffer.from(await pulled.arrayBuffer())), sha256(manifest))
  for (const bytes of [layer, config]) assert.equal(sha256(await client.pull(sha256(bytes))), sha256(bytes))
  return client
}

for (const [name, part] of Object.entries(PARTS)) {
  const began = performance.now()
  let told
  await step(`${name} is killed before every request of a push and of a pull`, async () => {
    const { requests, failures } = await pushThrough(part, `alice.test/restarts-${name.split(' ').at(-1).toLowerCase()}`)
    assert.ok(requests >= 12)
    told = `${requests} requests, of which ${failures} were tried twice, ${((performance.now() - began) / 1000).toFixed(1)} s`
  })
  if (told) console.log(`          ${told}`)
}

/** Sends half of a body, kills the part, starts it again; where the upload is then. */
async function cutOff(part, bearer, place, bytes) {
  const request = http.request(`${appview.url}${place}`, {
    method: 'PATCH',
    headers: { authorization: `Bearer ${bearer}`, 'content-length': bytes.length },
  })
  const over = new Promise((resolve) => request.once('error', resolve).once('response', (answer) => resolve(answer.resume())))
  await once(request, 'socket')
  await new Promise((resolve) => request.write(bytes.subarray(0, bytes.length / 2), resolve))
  await part.kill()
  await part.start()
  request.destroy()
  await over
  const { status, headers } = await appview.call(bearer, 'GET', place)
  assert.equal(status, 204)
  const last = Number(headers.get('range').split('-')[1])
  return last === 0 ? 0 : last + 1
}

for (const name of ['the front end', 'the hold']) {
  await step(`${name} is killed in the middle of a PATCH; the upload goes on where it says it is`, async () => {
    const repository = 'alice.test/restarts-cut'
    const bearer = await appview.token(`repository:${repository}:pull,push`, 'alice.test', alice.appPassword)
    const bytes = randomBytes(3 * PART_BYTES)
    const begun = await appview.call(bearer, 'POST', `/v2/${repository}/blobs/uploads/`)
    const place = begun.headers.get('location')
    const offset = await cutOff(PARTS[name], bearer, place, bytes)
    assert.ok(offset < bytes.length)
    const rest = { body: bytes.subarray(offset), headers: { 'content-range': `${offset}-${bytes.length - 1}` } }
    assert.equal((await appview.call(bearer, 'PATCH', place, rest)).status, 202)
    assert.equal((await appview.call(bearer, 'PUT', `${place}?digest=${sha256(bytes)}`)).status, 201)
    const found = await appview.call(bearer, 'GET', `/v2/${repository}/blobs/${sha256(bytes)}`)
    const blob = await fetch(found.headers.get('location'))
    assert.equal(sha256(Buffer.from(await blob.arrayBuffer())), sha256(bytes))
  })
}

// It takes a broken connection for a reason to try again, and 503 for none: so not the hold.
await step('skopeo pushes 12 layers while the front end is killed again and again; they are pulled', async () => {
  const home = path.join(work, 'skopeo')
  await mkdir(home)
  const app = await makeImage(path.join(home, 'app'), Array(12).fill(4_000_000))
  const name = `docker://${appview.host}/alice.test/restarts-skopeo:v1`
  const to = ['--dest-tls-verify=false', '--dest-creds', `alice.test:${alice.appPassword}`, '--preserve-digests']
  const retry = ['--insecure-policy', 'copy', '--retry-times', '8']
  let pushing = true
  // A connection that its reader finds broken before its writer does is no reason for it, but one for whoever pushes.
  const push = (times) =>
    run('skopeo', [...retry, ...to, app.source, name]).catch((error) => {
      if (times === 0 || !String(error.message).includes('use of closed network connection')) throw error
      return push(times - 1)
    })
  const pushed = push(3).then(
    () => undefined,
    (error) => error,
  )
  pushed.then(() => {
    pushing = false
  })
  let kills = 0
  while (pushing && kills < 6) {
    await sleep(250)
    await appview.kill()
    await appview.start()
    kills += 1
  }
  const failure = await pushed
  if (failure) throw failure
  const from = ['--src-tls-verify=false', '--src-no-creds', '--preserve-digests']
  await run('skopeo', ['--insecure-policy', 'copy', ...from, name, `oci:${path.join(home, 'pulled')}:it`])
})

if (!allHeld()) console.log(appview.lastLogLines(60).join('\n'))
const held = sum()
await registry.stop()
await stack.stop()
process.exit(held ? 0 : 1)
