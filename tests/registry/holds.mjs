// Which hold an image's blobs go to and come from: private holds, profiles, older records, successors, holds that are away,
// stall or forget. Real holds; where a fault is needed a proxy before one makes it.
//
//   holds.mjs HOLD APPVIEW WORK_DIR
//
// One line a step; the last line is the sum: "appview: N passed, N failed".

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort, Hold, startStack } from '../demo/processes.mjs'
import { OCI_IMAGE, sha256 } from './images.mjs'
import { inventedDid, serviceToken } from '../stack/account.mjs'
import { plcIdentity } from '../stack/plc.mjs'
import { FAULTS, Meddler, SLOW_FAULTS, says, saysJson, stalls } from './meddler.mjs'
import { newAccount, Registry } from './registry.mjs'
import { allHeld, step, sum } from './steps.mjs'

const run = promisify(execFile)
const [holdBinary, appviewBinary, work] = process.argv.slice(2)

const stack = await startStack(work)
const handles = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi', 'ivan', 'judy']
const accounts = {}
for (const handle of handles) accounts[handle] = await newAccount(stack.pds, `${handle}.test`)
const { alice, bob, carol, dave, erin, frank, grace, heidi, ivan, judy } = accounts

/** Another hold of alice's, with its configuration. */
async function startHold(name, settings, toml = '') {
  const folder = path.join(work, name)
  await mkdir(folder)
  const hold = await Hold.prepare({ binary: holdBinary, work: folder, owner: alice.did, plc: stack.plc })
  Object.assign(hold.settings, { HOLD_PUBLIC: 'true', HOLD_ALLOW_ALL_CREW: 'true' }, settings)
  hold.config = path.join(folder, 'hold.toml')
  await writeFile(hold.config, toml)
  if (!settings?.later) await hold.start(hold.config)
  return hold
}

const config = path.join(work, 'hold.toml')
await writeFile(config, '[gc]\ngrace_s = 2\n')
const binaries = { hold: holdBinary, appview: appviewBinary }
const registry = await Registry.start({ binaries, work, stack, owner: alice, config })
const { appview, hold } = registry
const crewOfPrivate = `[crew."${bob.did}"]\npermissions = ["blob:read"]\n`
const privateHold = await startHold('private', { HOLD_PUBLIC: 'false', HOLD_ALLOW_ALL_CREW: 'false' }, crewOfPrivate)
const second = await startHold('second')

// --- what accounts do

async function atPds(account, method, input) {
  const headers = { authorization: `Bearer ${account.accessJwt}`, 'content-type': 'application/json' }
  const response = await fetch(`${stack.pds}/xrpc/com.atproto.repo.${method}`, { method: 'POST', headers, body: JSON.stringify(input) })
  assert(response.ok, `${method}: ${response.status} ${await response.text()}`)
}

const write = (account, collection, rkey, record) =>
  atPds(account, 'putRecord', { repo: account.did, collection, rkey, record: { $type: collection, ...record } })

const now = () => new Date().toISOString()
const profile = (account, defaultHold) => write(account, 'io.atcr.sailor.profile', 'self', { defaultHold, createdAt: now(), updatedAt: now() })

async function record(account, collection, rkey) {
  const query = new URLSearchParams({ repo: account.did, collection, rkey })
  return (await (await fetch(`${stack.pds}/xrpc/com.atproto.repo.getRecord?${query}`)).json()).value
}

/** A request as `account`, or nobody, under a token with these actions in the repository that the path names. */
async function request(account, actions, method, target, body, type) {
  const name = target.split(/\/(?:blobs|manifests|tags)\//)[0]
  const token = await appview.token(`repository:${name}:${actions}`, account?.handle, account?.appPassword)
  const headers = { authorization: `Bearer ${token}`, ...(type && { 'content-type': type }) }
  const response = await fetch(`${appview.url}/v2/${target}`, { method, headers, body, redirect: 'manual' })
  const text = await response.text()
  const error = response.status >= 400 && text ? JSON.parse(text).errors[0] : {}
  return { status: response.status, headers: response.headers, text, code: error.code, message: error.message ?? '' }
}

const told = ({ status, code }) => [status, code]
const host = (response) => new URL(response.headers.get('location')).origin
const blob = (account, name, bytes) => request(account, 'pull,push', 'POST', `${name}/blobs/uploads/?digest=${sha256(bytes)}`, bytes)
const pull = (account, name, digest) => request(account, 'pull', 'GET', `${name}/blobs/${digest}`)

/** An image with a layer of its own; the answer to its manifest, with its digests. */
async function push(account, name, tag) {
  const bytes = [Buffer.from('{}'), randomBytes(100)]
  const [configuration, layer] = bytes.map((one) => ({ mediaType: 'application/x', digest: sha256(one), size: one.length }))
  for (const one of bytes) {
    const answer = await blob(account, name, one)
    if (answer.status !== 201) return answer
  }
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType: OCI_IMAGE, config: configuration, layers: [layer] })
  const answer = await request(account, 'pull,push', 'PUT', `${name}/manifests/${tag}`, manifest, OCI_IMAGE)
  return { ...answer, digest: sha256(manifest), layer: layer.digest, bytes: bytes[1] }
}

const pushed = async (...image) => {
  const answer = await push(...image)
  assert.equal(answer.status, 201, answer.text)
  return answer
}

/** The front end forgets what it knows of profiles. */
async function restart() {
  await appview.kill()
  await appview.start()
}

// --- steps

await step('private: nobody is asked to sign in, others are refused in words, the puller\'s own token counts', async () => {
  await profile(alice, privateHold.did)
  const { layer, bytes, digest } = await pushed(alice, 'alice.test/secret', 'v1')
  assert.equal((await record(alice, 'io.atcr.manifest', digest.slice(7))).holdDid, privateHold.did)
  for (const method of ['GET', 'HEAD']) {
    const nobody = await request(undefined, 'pull', method, `alice.test/secret/blobs/${layer}`)
    assert.equal(nobody.status, 401)
    assert.match(nobody.headers.get('www-authenticate'), /scope="repository:alice\.test\/secret:pull"/)
  }
  const stranger = await pull(carol, 'alice.test/secret', layer)
  assert.deepEqual(told(stranger), [403, 'DENIED'])
  assert.match(stranger.message, /access denied for blob:read/)
  for (const account of [alice, bob]) {
    const found = await pull(account, 'alice.test/secret', layer)
    assert.deepEqual([found.status, host(found)], [307, privateHold.url], account.handle)
    const got = await fetch(found.headers.get('location'))
    assert.equal(sha256(Buffer.from(await got.arrayBuffer())), sha256(bytes))
  }
})

await step('private: who is not crew cannot push there, and is told why', async () => {
  await profile(carol, privateHold.did)
  const refused = await push(carol, 'carol.test/app', 'v1')
  assert.deepEqual(told(refused), [403, 'DENIED'])
  assert.match(refused.message, /access denied for blob:write/)
  const reader = await profile(bob, privateHold.did).then(() => push(bob, 'bob.test/app', 'v1'))
  assert.deepEqual(told(reader), [403, 'DENIED'])
})

await step('private, and anyone may join: who first looks whether a layer is there is taken in, and pushes', async () => {
  const open = await startHold('open', { HOLD_PUBLIC: 'false' })
  const kate = await newAccount(stack.pds, 'kate.test')
  await profile(kate, open.did)
  // As skopeo, crane and containerd do before they send anything.
  for (const method of ['HEAD', 'GET']) {
    const missing = await request(kate, 'pull,push', method, `kate.test/app/blobs/${sha256('nothing')}`)
    assert.equal(missing.status, 404, method)
  }
  const { digest } = await pushed(kate, 'kate.test/app', 'v1')
  assert.equal((await record(kate, 'io.atcr.manifest', digest.slice(7))).holdDid, open.did)
  open.signal('SIGKILL')
})

await step('did:plc: a hold is found by its DID document, also after it has moved', async () => {
  const liam = await newAccount(stack.pds, 'liam.test')
  const identity = await plcIdentity(stack.plc, 'named.test', 'http://localhost:1')
  const named = await startHold('named', { HOLD_PUBLIC: 'false', HOLD_DID: identity.did })
  const log = () => readFileSync(named.log, 'utf8')
  /** Brings the directory up to date, as its operator does: with what the hold says of itself. */
  const publish = async () => {
    const shown = await run(named.binary, ['--config', named.config, 'identity', 'show', '--json'], { env: named.settings })
    await identity.update(JSON.parse(shown.stdout).plc)
  }
  await within(10, 'the log does not say what the document lacks', () => log().includes('the PDS http://localhost:1 in place of'))
  await profile(liam, identity.did)
  await publish()
  for (const path of ['/.well-known/atproto-did', '/xrpc/com.atproto.server.describeServer']) {
    assert((await (await fetch(`${named.url}${path}`)).text()).includes(identity.did), path)
  }
  const { layer, digest } = await pushed(liam, 'liam.test/app', 'v1')
  assert.equal((await record(liam, 'io.atcr.manifest', digest.slice(7))).holdDid, identity.did)
  named.did = identity.did
  await within(10, 'the hold was not told', () => knows({ hold: named }, layer))
  // Tokens for the did:web of its address are for another hold.
  const token = await serviceToken(stack.pds, liam.accessJwt, { aud: `did:web:${named.url.slice(7).replace(':', '%3A')}`, lxm: 'io.atcr.hold.requestCrew' })
  const foreign = await fetch(`${named.url}/xrpc/io.atcr.hold.requestCrew`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
  assert.equal(foreign.status, 401)
  // It reads its document once a minute until that fits.
  await within(90, 'the hold did not see its document', () => log().includes(`the DID document of ${identity.did} fits this hold`))

  named.signal('SIGTERM')
  await named.end()
  const port = await freePort()
  named.url = `http://localhost:${port}`
  Object.assign(named.settings, { HOLD_PUBLIC_URL: named.url, HOLD_SERVER_ADDR: `127.0.0.1:${port}` })
  await named.start(named.config)
  await publish()
  await restart()
  assert.equal(host(await pull(liam, 'liam.test/app', layer)), named.url)
  assert.equal((await pull(undefined, 'liam.test/app', layer)).status, 401)
  await pushed(liam, 'liam.test/app', 'v2')

  // A hold that it follows: a manifest says that one, and of its blobs only this one has any.
  const former = await startHold('former', { HOLD_SUCCESSOR: identity.did })
  const manifest = await record(liam, 'io.atcr.manifest', digest.slice(7))
  await write(liam, 'io.atcr.manifest', digest.slice(7), { ...manifest, holdDid: former.did })
  await profile(liam, former.did)
  await restart()
  assert.equal(host(await pull(liam, 'liam.test/app', layer)), named.url)
  const next = await pushed(liam, 'liam.test/app', 'v3')
  assert.equal((await record(liam, 'io.atcr.manifest', next.digest.slice(7))).holdDid, identity.did)
  former.signal('SIGKILL')
  await profile(liam, identity.did)
  await restart()

  named.signal('SIGTERM')
  await named.end()
  const away = await blob(liam, 'liam.test/app', randomBytes(10))
  assert.deepEqual(told(away), [503, 'UNAVAILABLE'])
  assert(away.message.includes(identity.did), away.message)
  await profile(liam, inventedDid())
  await restart()
  const nowhere = await blob(liam, 'liam.test/app', randomBytes(10))
  assert.deepEqual(told(nowhere), [403, 'DENIED'])
  assert.match(nowhere.message, /no such DID/)
})

await step('choice: null is no hold, an older record is one, nothing is the default', async () => {
  await profile(dave, null)
  const none = await push(dave, 'dave.test/app', 'v1')
  assert.deepEqual(told(none), [403, 'DENIED'])
  assert.match(none.message, /has no hold/)
  await write(erin, 'io.atcr.hold', 'mine', { endpoint: second.url, owner: erin.did, public: true, createdAt: now() })
  const older = await pushed(erin, 'erin.test/app', 'v1')
  assert.equal((await record(erin, 'io.atcr.manifest', older.digest.slice(7))).holdDid, second.did)
  const plain = await pushed(frank, 'frank.test/app', 'v1')
  assert.equal((await record(frank, 'io.atcr.manifest', plain.digest.slice(7))).holdDid, hold.did)
})

await step('two holds: pulls follow the manifest; HEAD and mount of who may push ask where new blobs go', async () => {
  const { layer, digest } = await pushed(frank, 'frank.test/moves', 'v1')
  await profile(frank, second.did)
  await restart()
  assert.equal(host(await pull(frank, 'frank.test/moves', layer)), hold.url)
  assert.equal(host(await pull(undefined, 'frank.test/moves', layer)), hold.url)
  const head = await request(frank, 'pull,push', 'HEAD', `frank.test/moves/blobs/${layer}`)
  assert.equal(head.status, 404)
  const mount = await request(frank, 'pull,push', 'POST', `frank.test/moves/blobs/uploads/?mount=${layer}&from=frank.test/app`)
  assert.equal(mount.status, 202)
  const manifest = (await request(frank, 'pull', 'GET', 'frank.test/moves/manifests/v1')).text
  const early = await request(frank, 'pull,push', 'PUT', 'frank.test/moves/manifests/v2', manifest, OCI_IMAGE)
  assert.deepEqual(told(early), [400, 'MANIFEST_BLOB_UNKNOWN'], 'its layers are in the other hold')
  const again = await pushed(frank, 'frank.test/moves', 'v3')
  assert.equal((await record(frank, 'io.atcr.manifest', again.digest.slice(7))).holdDid, second.did)
  assert.equal((await record(frank, 'io.atcr.manifest', digest.slice(7))).holdDid, hold.did)
})

await step('successor: new blobs go to the hold that follows, old ones are found by both', async () => {
  const first = await startHold('first')
  await profile(grace, first.did)
  const before = await pushed(grace, 'grace.test/app', 'v1')
  first.signal('SIGTERM')
  await first.end()
  first.settings.HOLD_SUCCESSOR = second.did
  await first.start(first.config)
  await restart()
  const after = await pushed(grace, 'grace.test/app', 'v2')
  assert.equal((await record(grace, 'io.atcr.manifest', after.digest.slice(7))).holdDid, second.did)
  assert.equal(host(await pull(undefined, 'grace.test/app', before.layer)), first.url)
  assert.equal(host(await pull(undefined, 'grace.test/app', after.layer)), second.url)
  // A manifest that says the first one, of what only the second has.
  const moved = await record(grace, 'io.atcr.manifest', after.digest.slice(7))
  await write(grace, 'io.atcr.manifest', after.digest.slice(7), { ...moved, holdDid: first.did })
  await restart()
  assert.equal(host(await pull(undefined, 'grace.test/app', after.layer)), second.url)
  first.signal('SIGKILL')
})

await step('records: a manifest with a URL of its hold alone, a tag with a digest alone', async () => {
  const { digest, layer } = await pushed(heidi, 'heidi.test/app', 'v1')
  const { holdDid, ...older } = await record(heidi, 'io.atcr.manifest', digest.slice(7))
  await profile(heidi, second.did)
  await write(heidi, 'io.atcr.manifest', digest.slice(7), { ...older, holdEndpoint: hold.url })
  await write(heidi, 'io.atcr.tag', 'app_v1', { repository: 'app', tag: 'v1', manifestDigest: digest, createdAt: now(), updatedAt: now() })
  await restart()
  const found = await request(undefined, 'pull', 'GET', 'heidi.test/app/manifests/v1')
  assert.deepEqual([found.status, sha256(found.text)], [200, digest])
  assert.equal(host(await pull(undefined, 'heidi.test/app', layer)), hold.url)
})

/** A real hold behind a server that can answer in its place. */
async function proxied(name) {
  const behind = await startHold(name, { later: 'true' })
  const port = await freePort()
  behind.settings.HOLD_SERVER_ADDR = `127.0.0.1:${port}`
  delete behind.settings.later
  const proxy = await Meddler.before(`http://localhost:${port}`, Number(new URL(behind.url).port))
  await behind.start(behind.config)
  const stop = () => {
    behind.signal('SIGKILL')
    proxy.stop()
  }
  return { hold: behind, proxy, stop }
}

const faulty = await proxied('faulty')
await profile(ivan, faulty.hold.did)
await pushed(ivan, 'ivan.test/app', 'v1')

const WORDS = { initiateUpload: 'begins', getPartUploadUrl: 'gets an address', completeUpload: 'ends' }

for (const [what, fault] of Object.entries({ ...FAULTS, ...SLOW_FAULTS })) {
  await step(`faults: a hold whose answer ${what} is named in seconds, and nothing is acknowledged`, async () => {
    for (const method of ['initiateUpload', 'getPartUploadUrl', 'completeUpload']) {
      // A hold may be long about the end of an upload: it reads back what it has.
      if (what in SLOW_FAULTS && method === 'completeUpload') continue
      faulty.proxy.answer = ({ url }) => (url.includes(method) ? fault : undefined)
      const began = performance.now()
      const bytes = randomBytes(10)
      const refused = await blob(ivan, 'ivan.test/app', bytes)
      assert.deepEqual(told(refused), [503, 'UNAVAILABLE'], `${WORDS[method]}: ${refused.text}`)
      assert(refused.message.includes(faulty.hold.did), refused.message)
      assert.equal(refused.headers.get('retry-after'), '5')
      assert(performance.now() - began < 60_000, `${WORDS[method]}: ${performance.now() - began} ms`)
      faulty.proxy.answer = () => undefined
      assert.deepEqual(told(await pull(ivan, 'ivan.test/app', sha256(bytes))), [404, 'BLOB_UNKNOWN'])
    }
    faulty.proxy.answer = ({ url }) => (url.includes('getBlob') ? fault : undefined)
    const found = await pull(ivan, 'ivan.test/app', sha256('x'))
    // One that sends its clients elsewhere has moved; that nobody can be there is the owner's affair.
    assert.deepEqual(told(found), what === 'redirects' ? [403, 'DENIED'] : [503, 'UNAVAILABLE'], found.text)
    faulty.proxy.answer = () => undefined
    await pushed(ivan, 'ivan.test/app', 'v1')
  })
}

await step('faults: a part that a hold does not take as it should is not there', async () => {
  const isPart = (url) => !url.startsWith('/xrpc/') || url.includes('uploadPart')
  const faults = {
    refuses: says(403, {}, '<Error>AccessDenied</Error>'),
    fails: says(500),
    'has no ETag': (incoming, outgoing) => incoming.resume().on('end', () => outgoing.writeHead(200).end()),
    redirects: says(307, { location: 'http://169.254.169.254/' }),
    'hangs up': (_, outgoing) => outgoing.destroy(),
    'is no HTTP': FAULTS['is no HTTP'],
    // And reads no more of it: else all of it may have been sent before the answer is seen.
    'says yes before it has it': (_, outgoing) => outgoing.writeHead(200, { etag: '"x"', 'content-length': 0 }).flushHeaders(),
  }
  for (const [what, fault] of Object.entries(faults)) {
    faulty.proxy.answer = ({ method, url }) => (method === 'PUT' && isPart(url) ? fault : undefined)
    // Beyond what the kernels keep for who does not read.
    const bytes = randomBytes(15_000_000)
    const refused = await blob(ivan, 'ivan.test/app', bytes)
    assert.deepEqual(told(refused), what === 'refuses' ? [403, 'DENIED'] : [503, 'UNAVAILABLE'], `${what}: ${refused.text}`)
    faulty.proxy.answer = () => undefined
    assert.deepEqual(told(await pull(ivan, 'ivan.test/app', sha256(bytes))), [404, 'BLOB_UNKNOWN'], what)
  }
  for (const url of ['javascript:alert(1)', 'file:///etc/passwd', 'x', '', 'http://169.254.169.254/', 'http://127.0.0.1:1/', 'https://0x7f.1/']) {
    faulty.proxy.answer = (request) => (request.url.includes('getPartUploadUrl') ? saysJson(200, { url }) : undefined)
    assert.deepEqual(told(await blob(ivan, 'ivan.test/app', randomBytes(10))), [503, 'UNAVAILABLE'], url)
  }
})

await step('faults: what a hold says of a blob is passed on only where a client can be sent', async () => {
  for (const url of ['javascript:alert(1)', 'file:///etc/passwd', 'x', '', 'https://a.example/\r\nSet-Cookie: x']) {
    faulty.proxy.answer = (request) => (request.url.includes('getBlob') ? saysJson(200, { url }) : undefined)
    assert.deepEqual(told(await pull(ivan, 'ivan.test/app', sha256('x'))), [503, 'UNAVAILABLE'], url)
  }
  faulty.proxy.answer = () => undefined
})

await step('faults: a hold that takes no token says so to whoever pushes', async () => {
  for (const [status, error] of [[401, 'AuthenticationRequired'], [403, 'Forbidden'], [400, 'InvalidRequest']]) {
    faulty.proxy.answer = ({ url }) => (url.includes('initiateUpload') ? saysJson(status, { error, message: 'not\nyou' }) : undefined)
    const refused = await blob(ivan, 'ivan.test/app', randomBytes(10))
    assert.deepEqual(told(refused), [403, 'DENIED'])
    assert.match(refused.message, /refuses it: not you$/)
  }
  const full = saysJson(429, { error: 'RateLimitExceeded', message: 'x' })
  faulty.proxy.answer = ({ url }) => (url.includes('initiateUpload') ? full : undefined)
  const later = await blob(ivan, 'ivan.test/app', randomBytes(10))
  assert.deepEqual([...told(later), later.headers.get('retry-after')], [429, 'TOOMANYREQUESTS', '5'])
})

await step('faults: a client is told how long a hold takes nothing, an hour at most', async () => {
  const inAMinute = () => new Date(Date.now() + 90_000).toUTCString()
  const cases = [['120', '120'], ['0', '1'], ['86400', '3600'], ['soon', '5'], [inAMinute, /^[78]\d$|^90$/]]
  for (const status of [429, 503]) {
    for (const [said, expected] of cases) {
      const head = () => ({ 'content-type': 'application/json', 'retry-after': said.call?.() ?? said })
      const full = (...exchange) => says(status, head(), '{"error":"Busy","message":"x"}')(...exchange)
      faulty.proxy.answer = ({ url }) => (url.includes('initiateUpload') ? full : undefined)
      const later = await blob(ivan, 'ivan.test/app', randomBytes(10))
      assert.equal(later.status, status)
      assert.match(later.headers.get('retry-after'), new RegExp(expected.source ?? `^${expected}$`), `${status}: ${said}`)
    }
  }
})

await step('faults: a token that a hold does not take any more is replaced, and nobody notices', async () => {
  faulty.proxy.answer = () => undefined
  assert.equal((await blob(ivan, 'ivan.test/app', randomBytes(10))).status, 201)
  await sleep(1100)
  let old
  faulty.proxy.answer = ({ url, headers }) => {
    if (!url.includes('initiateUpload')) return undefined
    old ??= headers.authorization
    return headers.authorization === old ? saysJson(401, { error: 'JwtExpired', message: 'too old' }) : undefined
  }
  const bytes = randomBytes(10)
  assert.equal((await blob(ivan, 'ivan.test/app', bytes)).status, 201)
  assert.equal((await pull(ivan, 'ivan.test/app', sha256(bytes))).status, 307)
  faulty.proxy.answer = () => undefined
})

await step('faults: a hold that is away is named', async () => {
  faulty.stop()
  const away = await blob(ivan, 'ivan.test/app', randomBytes(10))
  assert.deepEqual(told(away), [503, 'UNAVAILABLE'])
  assert(away.message.includes(faulty.hold.did))
})

/** Whether a hold knows of a layer by now. */
async function knows({ hold }, layer) {
  const query = new URLSearchParams({ repo: hold.did, collection: 'io.atcr.hold.layer' })
  const { records } = await (await fetch(`${hold.url}/xrpc/com.atproto.repo.listRecords?${query}`)).json()
  return records.some(({ value }) => value.digest === layer)
}

async function within(seconds, what, test) {
  const deadline = performance.now() + seconds * 1000
  for (;;) {
    const found = await test()
    if (found) return found
    assert(performance.now() < deadline, what)
    await sleep(500)
  }
}

/** Runs a command of the front end. */
const command = (...words) => run(appviewBinary, words, { env: { PATH: process.env.PATH, ...appview.settings }, cwd: work })

await step('notices: a hold that cannot be told of a manifest is told later, over a kill of the front end', async () => {
  const deaf = await proxied('deaf')
  await profile(judy, deaf.hold.did)
  deaf.proxy.answer = ({ url }) => (url.includes('notifyManifest') ? says(503) : undefined)
  const { layer } = await pushed(judy, 'judy.test/app', 'v1')
  assert.equal(deaf.proxy.asked('requestCrew'), 1, 'it asked once to be crew')
  await appview.kill()
  deaf.proxy.answer = () => undefined
  await appview.start()
  await within(150, 'the hold was never told', () => knows(deaf, layer))
  deaf.stop()
})

await step('notices: a hold that takes nothing for a while is left alone for so long', async () => {
  const busy = await proxied('busy')
  await profile(judy, busy.hold.did)
  appview.settings.ATCR_ADMIN_SOCKET = path.join(work, 'admin.sock')
  await restart()
  busy.proxy.answer = ({ url }) => (url.includes('notifyManifest') ? says(503, { 'retry-after': '1200' }) : undefined)
  await pushed(judy, 'judy.test/busy', 'v1')
  assert.equal(busy.proxy.asked('notifyManifest'), 1, 'once, while the client waits')
  await command('queue', 'retry')
  await within(30, 'the queue did not ask', () => busy.proxy.asked('notifyManifest') === 2)
  const [{ dueAt }] = await within(60, 'it is not put off', async () => {
    const waiting = JSON.parse((await command('queue', 'list', '--json')).stdout)
    return waiting.length === 1 && waiting[0].attempts === 1 && waiting
  })
  assert(Date.parse(dueAt) > Date.now() + 1_000_000, dueAt)
  busy.proxy.answer = () => undefined
  await command('queue', 'retry')
  await within(30, 'it was never told', async () => JSON.parse((await command('queue', 'list', '--json')).stdout).length === 0)
  busy.stop()
})

await step('notices: a hold that stalls keeps no other one waiting, and is asked once', async () => {
  const [stalling, good] = await Promise.all(['stalling', 'good'].map(proxied))
  await Promise.all([profile(judy, stalling.hold.did), profile(heidi, good.hold.did)])
  appview.settings.ATCR_ADMIN_SOCKET = path.join(work, 'admin.sock')
  await restart()
  const isNotice = ({ url }) => url.includes('notifyManifest')
  for (const { proxy } of [stalling, good]) proxy.answer = (request) => (isNotice(request) ? says(503) : undefined)
  for (const tag of ['v1', 'v2', 'v3']) await pushed(judy, 'judy.test/stalls', tag)
  const images = []
  for (const tag of ['v1', 'v2']) images.push(await pushed(heidi, 'heidi.test/good', tag))
  stalling.proxy.answer = (request) => (isNotice(request) ? stalls : undefined)
  good.proxy.answer = () => undefined
  stalling.proxy.seen.length = 0
  const retried = command('queue', 'retry')
  for (const { layer } of images) await within(10, 'a hold waits for another one', () => knows(good, layer))
  await retried
  assert.equal(stalling.proxy.asked('notifyManifest'), 1)
  const waiting = JSON.parse((await command('queue', 'list', '--json')).stdout)
  assert.equal(waiting.length, 3, 'they are tried again later')
  for (const notice of waiting) assert(notice.hold.includes(new URL(stalling.hold.url).port), JSON.stringify(notice))
  for (const one of [stalling, good]) one.stop()
})

await step('notices: what a hold refuses after the push was acknowledged its owner sees, until the hold takes it', async () => {
  const strict = await proxied('strict')
  const atHold = (...words) => run(holdBinary, words, { env: { PATH: process.env.PATH, ...strict.hold.settings }, cwd: work })
  await profile(judy, strict.hold.did)
  await restart()
  strict.proxy.answer = ({ url }) => (url.includes('notifyManifest') ? says(503) : undefined)
  const { digest } = await pushed(judy, 'judy.test/late', 'v1')
  await atHold('crew', 'ban', judy.did)
  strict.proxy.answer = () => undefined
  await command('queue', 'retry')
  const refused = async () => JSON.parse((await command('accounts', 'export', judy.did)).stdout).refused
  await within(30, 'the hold does not refuse it', async () => (await refused()).length > 0)
  const [{ repository, manifest, hold, problem }, ...more] = await refused()
  assert.deepEqual([repository, manifest, hold, more], ['late', digest, strict.hold.did, []])
  assert.match(problem, /refuses it/)
  await atHold('crew', 'unban', judy.did)
  await restart()
  const { text } = await request(judy, 'pull', 'GET', 'judy.test/late/manifests/v1')
  assert.equal((await request(judy, 'pull,push', 'PUT', 'judy.test/late/manifests/v1', text, OCI_IMAGE)).status, 201)
  assert.deepEqual(await refused(), [])
  strict.stop()
})

await step('garbage: with a collection every second, no layer of an acknowledged image is lost', async () => {
  let isOver = false
  let collections = 0
  const collect = async () => {
    while (!isOver) {
      const env = { PATH: process.env.PATH, ...hold.settings }
      await run(holdBinary, ['gc', '--run', '--force', '--config', config], { env, cwd: work })
      collections += 1
      await sleep(1000)
    }
  }
  const collecting = collect()
  const collected = async (more) => {
    const enough = collections + more
    await within(300, 'collections do not end', () => collections >= enough)
  }
  const images = []
  await profile(alice, hold.did)
  await restart()
  try {
    // On a slow machine for longer: so many are pushed while so many collections run.
    const [until, deadline] = [25_000, 600_000].map((ms) => performance.now() + ms)
    while (performance.now() < until || images.length <= 10 || collections <= 10) {
      assert(performance.now() < deadline, `${collections} collections, ${images.length} images`)
      const began = performance.now()
      const answer = await push(alice, 'alice.test/garbage', `v${images.length}`)
      if (answer.status === 201) images.push(answer)
      // Its blobs may go before it comes only when it takes longer than the grace of 2 s.
      else assert(answer.status === 400 && told(answer)[1] === 'MANIFEST_BLOB_UNKNOWN' && performance.now() - began > 2000, answer.text)
    }
    await collected(5)
    // Given up: its blob has no name, and goes.
    const orphan = randomBytes(50)
    assert.equal((await blob(alice, 'alice.test/garbage', orphan)).status, 201)
    // Who asked for it meanwhile would use it.
    await collected(8)
    assert.deepEqual(told(await request(alice, 'pull', 'GET', `alice.test/garbage/blobs/${sha256(orphan)}`)), [404, 'BLOB_UNKNOWN'])
  } finally {
    isOver = true
  }
  await collecting
  for (const { layer } of images) {
    const found = await pull(undefined, 'alice.test/garbage', layer)
    const got = await fetch(found.headers.get('location'))
    assert.equal(sha256(Buffer.from(await got.arrayBuffer())), layer)
  }
})

if (!allHeld()) console.log(appview.lastLogLines(40).join('\n'))
const held = sum()
for (const one of [privateHold, second]) one.signal('SIGKILL')
await registry.stop()
await stack.stop()
process.exit(held ? 0 : 1)
