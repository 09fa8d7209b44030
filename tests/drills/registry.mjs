// A registry front end: its database is lost and restored from a copy, its index is lost, and damaged, and made anew. By the
// commands of its manual, as they stand there.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { chapter, note, step } from '../demo/report.mjs'
import { OCI_IMAGE, sha256 } from '../registry/images.mjs'
import { Person } from '../registry/pages.mjs'
import { newAccount, Registry } from '../registry/registry.mjs'

const MANUAL = new URL('../../src/appview/manual/commands.md', import.meta.url)
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
const EMPTY_INDEX = 'DELETE FROM index_star; DELETE FROM index_manifest; DELETE FROM index_tag; DELETE FROM index_repository; DELETE FROM index_account'

/** The commands of the manual's chapter on backups: to copy, to restore, and for the index. */
function manualCommands() {
  const [, text] = readFileSync(MANUAL, 'utf8').split('## Backup and restore\n')
  const blocks = [...text.split('\n## ')[0].matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block.trim().split('\n'))
  assert.equal(blocks.length, 3, 'the manual has other commands: this drill follows it')
  const [[where, ...copy], [there, ...restore], index] = blocks
  for (const places of [where, there]) assert.match(places, /^state=\S+ kept=\S+$/)
  return { copy, restore, index }
}

/** Runs commands of the manual, which say where things are by $state and $kept. */
async function shell(appview, places, commands) {
  for (const command of commands) note(`$ ${command}`)
  const child = spawn('bash', ['-euo', 'pipefail', '-c', commands.join('\n')], {
    cwd: appview.work,
    env: { ...appview.settings, ...places, PATH: `${path.dirname(appview.binary)}:${process.env.PATH}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'close')
  const text = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (piece) => (text[name] += piece))
  const [code] = await ended
  assert.equal(code, 0, text.stderr)
  return text.stdout
}

/** One account's pushes and pulls. */
class Pusher {
  /** Images that were acknowledged: `{ name, tag, digest, bytes, layer }`. */
  images = []

  constructor(appview, account) {
    Object.assign(this, { appview, account })
  }

  scope(name) {
    return `repository:${this.account.handle}/${name}:pull,push`
  }

  async push(name, tag) {
    const { handle, appPassword } = this.account
    const [call, repository] = [this.appview.call.bind(this.appview), `/v2/${handle}/${name}`]
    const bearer = await this.appview.token(this.scope(name), handle, appPassword)
    const upload = async (blob, mediaType) => {
      const digest = sha256(blob)
      const answer = await call(bearer, 'POST', `${repository}/blobs/uploads/?digest=${digest}`, { body: blob })
      assert.equal(answer.status, 201, answer.code)
      return { mediaType, digest, size: blob.length }
    }
    const layer = randomBytes(20_000)
    const layers = [await upload(layer, 'application/vnd.oci.image.layer.v1.tar')]
    const config = await upload(Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', name, tag })), 'application/vnd.oci.image.config.v1+json')
    const bytes = JSON.stringify({ schemaVersion: 2, mediaType: OCI_IMAGE, config, layers })
    const put = await call(bearer, 'PUT', `${repository}/manifests/${tag}`, { body: bytes, headers: { 'content-type': OCI_IMAGE } })
    assert.equal(put.status, 201, put.code)
    this.images.push({ name, tag, digest: sha256(bytes), bytes, layer })
  }

  /** That an image is there, tag, manifest and layer, byte for byte. */
  async assertThere({ name, tag, digest, bytes, layer }) {
    const repository = `/v2/${this.account.handle}/${name}`
    const bearer = await this.appview.token(`repository:${this.account.handle}/${name}:pull`)
    for (const reference of [tag, digest]) {
      const response = await this.appview.call(bearer, 'GET', `${repository}/manifests/${reference}`)
      assert.equal(response.status, 200, response.code)
      assert.equal(await response.text(), bytes)
    }
    const blob = await this.appview.call(bearer, 'GET', `${repository}/blobs/${sha256(layer)}`)
    assert.equal(blob.status, 307, blob.code)
    const stored = await fetch(blob.headers.get('location'))
    assert(Buffer.from(await stored.arrayBuffer()).equals(layer))
  }
}

export async function registryFrontEnd({ binary, appviewBinary, stack, work: parent }) {
  chapter('A registry front end: its database restored, its index made anew')
  const work = path.join(parent, 'registry')
  const [alice, bob] = await Promise.all(['captain.test', 'bosun.test'].map((handle) => newAccount(stack.pds, handle)))
  const binaries = { hold: binary, appview: appviewBinary }
  const frontEnd = { ATCR_RELAY_URL: stack.pds }
  const registry = await Registry.start({ binaries, work, stack, owner: alice, frontEnd })
  const { appview } = registry
  const commands = manualCommands()
  const places = { state: work, kept: path.join(parent, 'registry-kept') }
  const origin = appview.url.replace('localhost', '127.0.0.1')
  const pusher = new Pusher(appview, alice)

  const search = async (words) => {
    const response = await fetch(`${appview.url}/xrpc/io.atcr.appview.searchRepositories?limit=100&q=${encodeURIComponent(words)}`)
    return response.ok ? (await response.json()).repositories.map(({ repository }) => repository) : [`status ${response.status}`]
  }
  /** Waits until a search finds these repositories and no others. */
  const finds = async (words, ...expected) => {
    const deadline = performance.now() + 120_000
    for (;;) {
      const found = (await search(words)).sort()
      if (JSON.stringify(found) === JSON.stringify(expected.sort())) return
      assert(performance.now() < deadline, `${words}: ${found} and not ${expected}\n${appview.lastLogLines(8).join('\n')}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  const status = async () => JSON.parse(await appview.run('index', 'status', '--json'))
  const names = () => [...new Set(pusher.images.map(({ name }) => name))]
  const inDatabase = (change) => {
    // The running registry writes as well.
    const database = new DatabaseSync(appview.settings.ATCR_DATABASE_PATH, { timeout: 10_000 })
    change(database)
    database.close()
  }
  /** What another program writes by the API of the PDS: an image of bob's that never passed through here. */
  const elsewhere = async (repository) => {
    const put = async (collection, rkey, record) => {
      const response = await fetch(`${stack.pds}/xrpc/com.atproto.repo.putRecord`, {
        method: 'POST',
        headers: { authorization: `Bearer ${bob.accessJwt}`, 'content-type': 'application/json' },
        body: JSON.stringify({ repo: bob.did, collection, rkey, record: { $type: collection, ...record }, validate: false }),
      })
      assert(response.ok, await response.text())
    }
    const hex = sha256(repository).slice(7)
    const createdAt = new Date().toISOString()
    await put('io.atcr.manifest', hex, { repository, digest: `sha256:${hex}`, mediaType: OCI_IMAGE, schemaVersion: 2, createdAt, holdDid: registry.hold.did, config: { mediaType: 'x', digest: `sha256:${hex}`, size: 1 }, layers: [] })
    await put('io.atcr.tag', `${repository}_v1`, { repository, tag: 'v1', manifest: `at://${bob.did}/io.atcr.manifest/${hex}`, updatedAt: createdAt, createdAt })
  }
  /** A device that a person lets in; answers its secret. */
  const device = async () => {
    const post = async (target, fields) => (await fetch(`${appview.url}${target}`, { method: 'POST', body: new URLSearchParams(fields) })).json()
    const asked = await post('/auth/device/code', { client_id: 'a laptop' })
    await new Person(origin, alice).letIn(asked.user_code)
    const { device_secret: secret } = await post('/auth/device/token', { grant_type: DEVICE_GRANT, device_code: asked.device_code })
    assert(secret)
    return secret
  }
  const devices = {}

  await step('Pushes, a device that was let in, an image of elsewhere, an upload half way', async () => {
    for (let number = 0; number < 10; number += 1) await pusher.push(`before${number}`, 'v1')
    devices.before = await device()
    await elsewhere('lantern')
    await finds('lantern', 'lantern')
  })
  const upload = { scope: pusher.scope('before0') }
  upload.bearer = await appview.token(upload.scope, alice.handle, alice.appPassword)
  upload.place = (await appview.call(upload.bearer, 'POST', `/v2/${alice.handle}/before0/blobs/uploads/`)).headers.get('location')
  let isPushing = true
  await step('The copy, while images are pushed', async () => {
    const pushing = (async () => {
      for (let number = 0; isPushing; number += 1) await pusher.push(`during${number}`, 'v1')
    })()
    await shell(appview, places, commands.copy)
    isPushing = false
    await pushing
  })
  const atCopy = pusher.images.length
  await step('More pushes and another device, which the copy does not have; then disk and machine are gone', async () => {
    for (let number = 0; number < 10; number += 1) await pusher.push(`after${number}`, 'v1')
    await pusher.push('before0', 'v2')
    devices.after = await device()
    await elsewhere('anchor')
    await finds('anchor', 'anchor')
    await appview.kill()
    for (const name of ['appview.db', 'appview.db-wal', 'appview.db-shm', 'keys', 'uploads']) await rm(path.join(work, name), { force: true, recursive: true })
    return { detail: `${pusher.images.length} images acknowledged, ${pusher.images.length - atCopy} of them after the copy` }
  })
  await step('Restored', async () => {
    await shell(appview, places, commands.restore)
    await appview.start()
  })
  await step('Every image that was acknowledged is there, tag, manifest and layer', async () => {
    for (const image of pusher.images) await pusher.assertThere(image)
    return { detail: `${pusher.images.length} images, 0 lost` }
  })
  await step('Every repository is found: events are followed from where the copy was', async () => {
    await finds('captain.test', ...names())
    for (const name of ['lantern', 'anchor']) await finds(name, name)
    return { detail: `${names().length + 2} repositories, 0 lost` }
  })
  await step('The device of before the copy signs in, the later one is to be let in again; an upload begins anew', async () => {
    await appview.token(upload.scope, alice.handle, devices.before)
    await assert.rejects(appview.token(upload.scope, alice.handle, devices.after), /401/)
    devices.after = await device()
    await appview.token(upload.scope, alice.handle, devices.after)
    const { status, code } = await appview.call(upload.bearer, 'GET', upload.place)
    assert([204, 404].includes(status), code)
    await pusher.push('afterwards', 'v1')
    return { detail: `lost: sign-ins after the copy; the open upload: ${status}` }
  })
  await step('The rows of the index are lost', async () => {
    // How far events were followed is written down every five seconds; one that comes until then is lost with the others.
    const deadline = performance.now() + 120_000
    do {
      assert(performance.now() < deadline, 'events come without an end')
      inDatabase((database) => database.exec(EMPTY_INDEX))
      await new Promise((resolve) => setTimeout(resolve, 6000))
    } while ((await status()).records > 0)
    await finds('lantern')
  })
  await step('It is made anew: by who pushed here, and by whom the relay knows', async () => {
    await shell(appview, places, commands.index)
    await finds('captain.test', ...names())
    for (const name of ['lantern', 'anchor']) await finds(name, name)
    const { records, shown } = await status()
    return { detail: `${records} records, ${shown} repositories, 0 lost` }
  })
  await step('The words of the index are damaged: searches fail, pulls and pushes go on', async () => {
    inDatabase((database) => database.exec("UPDATE index_text_data SET block = x'ffffffff'"))
    // A repository's very name is no word of them.
    const found = (await search('v1')).join()
    assert.match(found, /^(status 5\d\d)?$/)
    await pusher.assertThere(pusher.images[0])
    await pusher.push('meanwhile', 'v1')
    return { detail: found || 'nothing is found' }
  })
  await step('They are made anew', async () => {
    await shell(appview, places, commands.index)
    await finds('v1', ...names(), 'lantern', 'anchor')
    // What is still to be listed would be listed after the start, and bring back who is forgotten meanwhile.
    while ((await status()).toList > 0) await new Promise((resolve) => setTimeout(resolve, 100))
    return { detail: `${names().length + 2} repositories, 0 lost` }
  })
  await step('Killed, and another account goes on: the follower takes up where it was', async () => {
    const { records } = await status()
    await appview.kill()
    for (const name of ['compass', 'sextant']) await elsewhere(name)
    await appview.start()
    for (const name of ['compass', 'sextant']) await finds(name, name)
    // A repository is found by its manifest: a tag that came after the account was forgotten would bring that back.
    while ((await status()).records < records + 6) await new Promise((resolve) => setTimeout(resolve, 100))
  })
  await step('An account that has to go from the index goes, and comes back with what it writes next', async () => {
    await shell(appview, places, [`atcr-appview index forget ${bob.did}`])
    for (const name of ['lantern', 'anchor', 'compass', 'sextant']) await finds(name)
    await elsewhere('capstan')
    await finds('capstan', 'capstan')
  })
  await registry.stop()
}
