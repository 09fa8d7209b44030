// The index follows the network: the real firehose of a real PDS. What another account writes there by the PDS's own API
// is found at a front end that never saw it pass; a kill -9 in the middle loses nothing.
//
//   follow.mjs HOLD APPVIEW WORK_DIR
//
// The last line is the sum: "appview: N passed, N failed". Exit 1 when any failed.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { freePort, startStackInParts } from '../demo/processes.mjs'
import { serviceToken } from '../stack/account.mjs'
import { Person } from './pages.mjs'
import { Appview, newAccount, Registry } from './registry.mjs'
import { allHeld, step, sum } from './steps.mjs'

const run = promisify(execFile)
const [holdBinary, appviewBinary, work] = process.argv.slice(2)
const stack = await startStackInParts(work)
const [alice, bob, carol] = await Promise.all(['alice.test', 'bob.test', 'carol.test'].map((handle) => newAccount(stack.pds, handle)))
const registry = await Registry.start({ binaries: { hold: holdBinary, appview: appviewBinary }, work: path.join(work, 'near'), stack, owner: alice })

const port = await freePort()
const far = path.join(work, 'far')
await mkdir(far)
const follower = new Appview(appviewBinary, far, port, {
  ATCR_BASE_URL: `http://localhost:${port}`,
  ATCR_HTTP_ADDR: `127.0.0.1:${port}`,
  ATCR_DATABASE_PATH: path.join(far, 'appview.db'),
  ATCR_PLC_DIRECTORY_URL: stack.plc,
  ATCR_HANDLE_RESOLVER_URL: stack.pds,
  ATCR_RELAY_URL: stack.pds,
  TEST_MODE: 'true',
})

async function call(account, method, body) {
  const response = await fetch(`${stack.pds}/xrpc/${method}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${account.accessJwt}`, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  })
  const text = await response.text()
  return response.ok ? text : Promise.reject(new Error(text))
}

const put = (account, collection, rkey, record) =>
  call(account, 'com.atproto.repo.putRecord', { repo: account.did, collection, rkey, record: { $type: collection, ...record }, validate: false })
const remove = (account, collection, rkey) => call(account, 'com.atproto.repo.deleteRecord', { repo: account.did, collection, rkey })
const hexOf = (text) => createHash('sha256').update(text).digest('hex')

/** The records of an image, as any registry writes them. */
async function image(account, repository, tag, about = '') {
  const hex = hexOf(`${account.did}/${repository}:${tag}`)
  const createdAt = new Date().toISOString()
  const annotations = { 'org.opencontainers.image.description': about }
  const platform = { os: 'linux', architecture: 'riscv64' }
  const manifests = [{ mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: `sha256:${hex}`, size: 7, platform }]
  await put(account, 'io.atcr.manifest', hex, { repository, digest: `sha256:${hex}`, mediaType: 'application/vnd.oci.image.index.v1+json', schemaVersion: 2, createdAt, holdDid: registry.hold.did, annotations, manifests })
  const manifest = `at://${account.did}/io.atcr.manifest/${hex}`
  await put(account, 'io.atcr.tag', `${repository.replaceAll('/', '~')}_${tag}`, { repository, tag, manifest, updatedAt: createdAt, createdAt })
  return hex
}

async function search(words) {
  const response = await fetch(`${follower.url}/xrpc/io.atcr.appview.searchRepositories?q=${encodeURIComponent(words)}`)
  assert.equal(response.status, 200)
  return (await response.json()).repositories
}

/** Waits until a search finds what is expected. */
async function found(words, expected) {
  const deadline = performance.now() + 120_000
  for (;;) {
    const repositories = await search(words)
    if (expected(repositories)) return repositories
    assert(performance.now() < deadline, `${words}: ${JSON.stringify(repositories)}\n${follower.lastLogLines(8).join('\n')}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
const one = (repositories) => repositories.length === 1
const none = (repositories) => repositories.length === 0

await image(bob, 'early', 'v1', 'Pushed before anybody listened')
await follower.start()

await step('what an account had before is found: the PDS was asked for its accounts', async () => {
  const [early] = await found('early', one)
  assert.equal(early.ownerDid, bob.did)
  assert.equal((await found('bob.test', one))[0].ownerHandle, 'bob.test')
})

await step('what another account writes by the API of its PDS is found within seconds', async () => {
  await image(carol, 'team/lantern', 'v1.0', 'A lamp that glows')
  // The manifest is written before its tag, and found before it.
  const [lantern] = await found('glows lamp', (repositories) => one(repositories) && repositories[0].tag)
  assert.deepEqual([lantern.repository, lantern.tag, lantern.platforms], ['team/lantern', 'v1.0', ['linux/riscv64']])
  await found('lantern:v1', one)
  const page = await (await fetch(`${follower.url.replace('localhost', '127.0.0.1')}/search?q=lantern`, { headers: { accept: 'text/html' } })).text()
  assert(page.includes('team/lantern') && page.includes('not verified'), page)
})

await step('a star of one account for another is counted, and taken back', async () => {
  const subject = `at://${carol.did}/io.atcr.repo.page/team~lantern`
  await put(bob, 'io.atcr.sailor.star', 'any-key', { subject, createdAt: new Date().toISOString() })
  await found('lantern', ([lantern]) => lantern?.starCount === 1)
  await remove(bob, 'io.atcr.sailor.star', 'any-key')
  await found('lantern', ([lantern]) => lantern?.starCount === 0)
})

await step('a kill -9 in the middle loses nothing', async () => {
  const names = Array.from({ length: 30 }, (_, number) => `steady${number}`)
  for (const [number, name] of names.entries()) {
    await image(carol, name, 'v1', 'of the flood')
    if (number === 9) await follower.kill()
    if (number === 19) await follower.start()
  }
  await follower.kill()
  await remove(carol, 'io.atcr.tag', 'team~lantern_v1.0')
  await remove(carol, 'io.atcr.manifest', hexOf(`${carol.did}/team/lantern:v1.0`))
  await follower.start()
  for (const name of names) await found(name, (repositories) => repositories.some(({ repository }) => repository === name))
  await found('lantern', none)
})

await step('while the PDS is away the index serves, and it goes on when that is back', async () => {
  await stack.killPds()
  assert.equal((await search('early')).length, 1)
  await stack.startPds()
  await image(bob, 'afterwards', 'v1')
  await found('afterwards', one)
})

await step('an account that is deactivated is not shown, and is again when it is active', async () => {
  await call(bob, 'com.atproto.server.deactivateAccount', {})
  await found('early', none)
  await call(bob, 'com.atproto.server.activateAccount')
  await found('early', one)
})

await step('hostile records do no harm', async () => {
  for (const [number, record] of [
    { repository: 'A'.repeat(5000), tag: 'v1' },
    { repository: 7, tag: null },
    { repository: '../..', tag: '<script>', manifest: `at://${alice.did}/io.atcr.manifest/${'7'.repeat(64)}` },
  ].entries()) {
    await put(carol, 'io.atcr.tag', `hostile${number}`, record)
  }
  await put(carol, 'io.atcr.sailor.star', 'x', { subject: 'at://did:plc:x/y', createdAt: 'never' })
  await image(carol, 'still-there', 'v1', '\u202e<script>alert(1)</script>'.repeat(1000))
  const [there] = await found('still-there', one)
  assert(there.description.length <= 301 && !there.description.includes('\u202e'))
})

await step('an operator sees it, has it built anew, and has an account forgotten', async () => {
  const command = async (...words) => (await run(appviewBinary, words, { cwd: far, env: { ...follower.settings, PATH: process.env.PATH } })).stdout
  const status = JSON.parse(await command('index', '--json', 'status'))
  assert(status.isConnected && status.shown > 30 && status.events > 5, JSON.stringify(status))
  assert.match(await command('index', 'rebuild'), /accounts are listed again/)
  await found('early', one)
  assert.match(await command('index', 'forget', bob.did), /is forgotten/)
  await found('early', none)
})

await step('whose crew one is of is in the menu of the settings, of a hold that images here name', async () => {
  const dave = await newAccount(stack.pds, 'dave.test')
  const token = await serviceToken(stack.pds, dave.accessJwt, { aud: registry.hold.did, lxm: 'io.atcr.hold.requestCrew' })
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const joined = await fetch(`${registry.hold.url}/xrpc/io.atcr.hold.requestCrew`, { method: 'POST', headers, body: '{}' })
  assert.equal(joined.status, 201, await joined.text())
  const person = new Person(follower.url.replace('localhost', '127.0.0.1'), dave)
  assert(!(await person.signIn()).text.includes(registry.hold.did), 'it is asked once an hour')
  await follower.kill()
  const database = new DatabaseSync(follower.settings.ATCR_DATABASE_PATH)
  database.exec('UPDATE index_hold SET ask_us = 0')
  database.close()
  await follower.start()
  const deadline = performance.now() + 120_000
  for (;;) {
    const { text } = await person.open('/settings')
    if (text.includes(`value="${registry.hold.did}"`) && text.includes('You may push to it.')) break
    assert(performance.now() < deadline, text)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  const bobs = new Person(follower.url.replace('localhost', '127.0.0.1'), bob)
  assert(!(await bobs.signIn()).text.includes('You may push to it.'), 'who is not of its crew may not')
})

await Promise.all([follower.kill(), registry.stop()])
await stack.stop()
sum()
process.exit(allHeld() ? 0 : 1)
