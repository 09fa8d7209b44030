// Owners' PDSes that stall, lie, redirect, talk garbage or without an end, or break off; and owners whose DID documents
// change between push and pull, and in the middle of a push. A real PDS, PLC directory and hold; what a fault needs is
// answered before them.
//
//   faults.mjs HOLD APPVIEW WORK_DIR
//
// One line a step; the last line is the sum: "appview: N passed, N failed".

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createAccount } from '../stack/account.mjs'
import { startStack } from '../demo/processes.mjs'
import { OCI_IMAGE, sha256 } from './images.mjs'
import { bodyOf, FAULTS, Meddler, says, saysJson, SLOW_FAULTS } from './meddler.mjs'
import { newAccount, Registry } from './registry.mjs'
import { allHeld, step as anyStep, sum } from './steps.mjs'

const [holdBinary, appviewBinary, work] = process.argv.slice(2)
const EMPTY = { mediaType: 'application/vnd.oci.empty.v1+json', digest: sha256('{}'), size: 2 }
const ALL_FAULTS = { ...FAULTS, ...SLOW_FAULTS }
const NO_ANSWER = [503, 'UNAVAILABLE', '5']

// --- a network whose documents and PDS can be meddled with

const stack = await startStack(work)
const pds = await Meddler.before(stack.pds)
const plc = await Meddler.before(stack.plc)
/** What else stands in documents, by DID. */
const changes = {}
plc.answer = async ({ method, url }) => {
  if (method !== 'GET' || !/^\/did:plc:[a-z2-7]{24}$/.test(url)) return undefined
  const response = await fetch(`${stack.plc}${url}`)
  const document = await response.json()
  if (!response.ok) return saysJson(response.status, document)
  document.service[0].serviceEndpoint = pds.url
  return saysJson(200, { ...document, ...changes[document.id]?.(document) })
}

const handles = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'mallory']
const accounts = {}
for (const handle of handles) accounts[handle] = await newAccount(stack.pds, `${handle}.test`)
const { alice, bob, carol, dave, erin, frank, mallory } = accounts
const binaries = { hold: holdBinary, appview: appviewBinary }
const registry = await Registry.start({ binaries, work, stack: { plc: plc.url, pds: stack.pds }, owner: alice })
const { appview, hold } = registry

// --- what accounts do

async function request(account, name, method, target, body, type) {
  const token = await appview.token(`repository:${name}:pull${account ? ',push' : ''}`, account?.handle, account?.appPassword)
  return send(token, name, method, target, body, type)
}

async function send(token, name, method, target, body, type) {
  const headers = { authorization: `Bearer ${token}`, ...(type && { 'content-type': type }) }
  const url = target.startsWith('/') ? target : `/v2/${name}/${target}`
  const response = await fetch(`${appview.url}${url}`, { method, headers, body, redirect: 'manual' })
  const bytes = Buffer.from(await response.arrayBuffer())
  const error = response.status >= 400 && bytes.length > 0 ? JSON.parse(bytes).errors[0] : {}
  return { status: response.status, headers: response.headers, bytes, code: error.code, message: error.message ?? '' }
}

const told = ({ status, code }) => [status, code]
const refusal = ({ status, code, headers }) => [status, code, headers.get('retry-after')]
const pull = (name, reference) => request(undefined, name, 'GET', `manifests/${reference}`)
const put = (account, name, reference, manifest) => request(account, name, 'PUT', `manifests/${reference}`, manifest, OCI_IMAGE)

async function upload(account, name, bytes) {
  const answer = await request(account, name, 'POST', `blobs/uploads/?digest=${sha256(bytes)}`, bytes)
  assert.equal(answer.status, 201, answer.message)
  return { mediaType: 'application/x', digest: sha256(bytes), size: Buffer.byteLength(bytes) }
}

/** An image with a layer of its own. */
async function image(account, name) {
  await upload(account, name, '{}')
  const layers = [await upload(account, name, randomBytes(50))]
  return JSON.stringify({ schemaVersion: 2, mediaType: OCI_IMAGE, config: EMPTY, layers })
}

async function push(account, name, tag) {
  const manifest = await image(account, name)
  const answer = await put(account, name, tag, manifest)
  assert.equal(answer.status, 201, answer.message)
  return { manifest, digest: sha256(manifest) }
}

async function record(account, collection, rkey) {
  const query = new URLSearchParams({ repo: account.did, collection, rkey })
  return (await (await fetch(`${stack.pds}/xrpc/com.atproto.repo.getRecord?${query}`)).json()).value
}

async function asAccount(account, method, input) {
  const headers = { authorization: `Bearer ${account.accessJwt}`, 'content-type': 'application/json' }
  const response = await fetch(`${stack.pds}/xrpc/${method}`, { method: 'POST', headers, body: JSON.stringify(input) })
  assert(response.ok, `${method}: ${response.status} ${await response.text()}`)
}

/** A step; none of its faults is there in the next one. */
const step = (title, test) => anyStep(title, () => Promise.resolve(test()).finally(() => (pds.answer = () => undefined)))

/** The front end forgets what it knows of accounts and their records. */
async function restart() {
  await appview.kill()
  await appview.start()
}

/** The most memory that the front end has had, in MiB. */
const memory = () => Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${appview.child.pid}/status`, 'utf8'))[1]) / 1024

/** Each fault at once, `test(what, fault)`; how long the longest took is bounded by `seconds`. */
async function each(faults, seconds, test) {
  const failures = []
  const one = async ([what, fault]) => {
    const began = performance.now()
    await test(what, fault).catch((error) => failures.push(`${what}: ${error.message}`))
    const took = (performance.now() - began) / 1000
    if (took > seconds) failures.push(`${what}: ${took.toFixed(1)} s`)
  }
  await Promise.all(Object.entries(faults).map(one))
  pds.answer = () => undefined
  assert.deepEqual(failures, [])
}

/** In the order of its faults, a word for each that fits in a tag. */
const tagOf = (what) => what.replaceAll(' ', '-')

// --- a PDS that is read

await push(alice, 'alice.test/app', 'v1')

await step('pds: whatever it answers for a tag, clients are told that it does not answer, in time and in bounds', async () => {
  const before = memory()
  pds.answer = ({ url }) => Object.entries(ALL_FAULTS).find(([what]) => url.endsWith(`rkey=app_${tagOf(what)}`))?.[1]
  await each(ALL_FAULTS, 60, async (what) => {
    assert.deepEqual(refusal(await pull('alice.test/app', tagOf(what))), NO_ANSWER)
  })
  assert(memory() - before < 48, `${(memory() - before).toFixed(0)} MiB more`)
  assert.equal((await pull('alice.test/app', 'v1')).status, 200, 'it goes on')
})

await step('pds: whatever it answers for the bytes of a manifest, none is passed on that has not their digest', async () => {
  const images = {}
  const faults = {
    ...ALL_FAULTS,
    'other bytes': says(200, {}, 'other bytes'),
    'six mebibytes': says(200, {}, Buffer.alloc(6 << 20)),
  }
  for (const what of Object.keys(faults)) images[what] = await push(alice, 'alice.test/bytes', tagOf(what))
  const cids = {}
  for (const [what, { digest }] of Object.entries(images)) {
    cids[(await record(alice, 'io.atcr.manifest', digest.slice(7))).manifestBlob.ref.$link] = what
  }
  await restart()
  const before = memory()
  pds.answer = ({ url }) => (url.includes('sync.getBlob') ? faults[cids[new URL(url, pds.url).searchParams.get('cid')]] : undefined)
  await each(faults, 90, async (what) => {
    const { digest } = images[what]
    const references = what in SLOW_FAULTS ? [digest] : [tagOf(what), digest]
    for (const reference of references) assert.deepEqual(refusal(await pull('alice.test/bytes', reference)), NO_ANSWER)
  })
  assert(memory() - before < 64, `${(memory() - before).toFixed(0)} MiB more`)
  for (const { digest, manifest } of Object.values(images)) {
    assert.equal((await pull('alice.test/bytes', digest)).bytes.toString(), manifest)
  }
})

await step('pds: records that lie lead nowhere, and to no type that is none of a manifest', async () => {
  const [one, other] = [await push(alice, 'alice.test/lies', 'v1'), await push(alice, 'alice.test/lies', 'v2')]
  const tag = await record(alice, 'io.atcr.tag', 'lies_v1')
  const manifest = await record(alice, 'io.atcr.manifest', one.digest.slice(7))
  const says = (values) => {
    pds.answer = ({ url }) => {
      const rkey = url.includes('getRecord') && new URL(url, pds.url).searchParams.get('rkey')
      return values[rkey] === undefined ? undefined : saysJson(200, { uri: `at://${alice.did}/io.atcr.any/${rkey}`, value: values[rkey] })
    }
  }
  const elsewhere = `at://${bob.did}/io.atcr.manifest/${one.digest.slice(7)}`
  for (const lie of [{ ...tag, manifest: elsewhere }, { ...tag, repository: 'other' }, { ...tag, manifest: 'x' }, { manifest: 7 }, 'x', null]) {
    await restart()
    says({ lies_v1: lie })
    assert.deepEqual(told(await pull('alice.test/lies', 'v1')), [404, 'MANIFEST_UNKNOWN'], JSON.stringify(lie))
  }
  // Of another manifest: the bytes are those of the digest that was asked for.
  await restart()
  says({ [one.digest.slice(7)]: { ...manifest, digest: other.digest, mediaType: 'text/html\r\nX: y' } })
  const found = await pull('alice.test/lies', one.digest)
  assert.deepEqual([found.status, found.bytes.toString(), found.headers.get('content-type')], [200, one.manifest, OCI_IMAGE])
  for (const lie of ['x', 7, { layers: 'x' }, []]) {
    await restart()
    says({ [one.digest.slice(7)]: lie })
    assert.deepEqual(told(await pull('alice.test/lies', one.digest)), [404, 'MANIFEST_UNKNOWN'], JSON.stringify(lie))
  }
  pds.answer = () => undefined
})

await step('pds: whatever it answers for lists of records, no list is made of it', async () => {
  const before = memory()
  for (const [what, fault] of Object.entries(FAULTS)) {
    pds.answer = ({ url }) => (url.includes('listRecords') ? fault : undefined)
    const list = await request(undefined, 'alice.test/app', 'GET', 'tags/list')
    assert.deepEqual(refusal(list), NO_ANSWER, what)
  }
  const circles = saysJson(200, { records: [], cursor: 'again' })
  pds.answer = ({ url }) => (url.includes('listRecords') ? circles : undefined)
  const list = await request(undefined, 'alice.test/app', 'GET', 'tags/list')
  assert.deepEqual(refusal(list), [400, 'UNSUPPORTED', null], 'no end of tags')
  await Promise.all(Object.values(SLOW_FAULTS).map(async (fault) => {
    pds.answer = ({ url }) => (url.includes('listRecords') ? fault : undefined)
    const began = performance.now()
    assert.deepEqual(refusal(await request(undefined, 'alice.test/app', 'GET', 'tags/list')), NO_ANSWER)
    assert(performance.now() - began < 90_000, 'it takes too long')
  }))
  pds.answer = () => undefined
  assert(memory() - before < 48, `${(memory() - before).toFixed(0)} MiB more`)
})

// --- a PDS that signs in and is written to

await step('pds: whatever it answers to a password, nobody is signed in by it', async () => {
  const faults = {
    ...FAULTS,
    'is of another account': saysJson(200, { did: mallory.did, handle: 'bob.test', accessJwt: 'e30.e30.s', refreshJwt: 'r' }),
    'has no tokens': saysJson(200, { did: bob.did }),
  }
  const scope = 'repository:bob.test/app:pull,push'
  const signIn = async (account) => {
    const headers = { authorization: `Basic ${btoa(`${account.handle}:${randomBytes(4).toString('hex')}`)}` }
    const response = await fetch(`${appview.url}/auth/token?service=x&scope=${scope}`, { headers })
    const body = await response.json()
    return [response.status, body.errors[0].code, response.headers.get('retry-after')]
  }
  // Of each account some: passwords that nobody could ask about count as tried.
  const turns = [bob, erin, frank]
  for (const [number, [what, fault]] of Object.entries(faults).entries()) {
    pds.answer = ({ url }) => (url.includes('createSession') ? fault : undefined)
    assert.deepEqual(await signIn(turns[number % turns.length]), NO_ANSWER, what)
  }
  pds.answer = ({ url }) => (url.includes('createSession') ? saysJson(429, { error: 'RateLimitExceeded' }) : undefined)
  assert.deepEqual(await signIn(bob), [429, 'TOOMANYREQUESTS', '5'])
  for (const [status, code] of [[429, 'TOOMANYREQUESTS'], [503, 'UNAVAILABLE']]) {
    const busy = says(status, { 'retry-after': '77' }, '')
    pds.answer = ({ url }) => (url.includes('createSession') ? busy : undefined)
    assert.deepEqual(await signIn(erin), [status, code, '77'])
  }
  const slow = { stalls: carol, trickles: dave }
  pds.answer = async (incoming) => {
    if (!incoming.url.includes('createSession')) return undefined
    const { identifier } = JSON.parse(await bodyOf(incoming))
    return SLOW_FAULTS[Object.keys(slow).find((what) => slow[what].did === identifier)]
  }
  await each(SLOW_FAULTS, 90, async (what) => assert.deepEqual(await signIn(slow[what]), NO_ANSWER))
  await restart()
})

await step('pds: a manifest is acknowledged when its bytes, its record and its tag are there, and not before', async () => {
  const name = 'bob.test/writes'
  const lies = {
    'says that it got other bytes': saysJson(200, { blob: { $type: 'blob', ref: { $link: 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku' }, mimeType: OCI_IMAGE, size: 3 } }),
    'says nothing of the bytes': saysJson(200, { blob: null }),
  }
  const old = await push(bob, name, 'v1')
  for (const method of ['uploadBlob', 'putRecord']) {
    for (const [what, fault] of Object.entries({ ...FAULTS, ...(method === 'uploadBlob' && lies) })) {
      const manifest = await image(bob, name)
      pds.answer = ({ url }) => (url.includes(method) ? fault : undefined)
      const answer = await put(bob, name, 'v1', manifest)
      assert.deepEqual(refusal(answer), NO_ANSWER, `${method} ${what}: ${answer.message}`)
      pds.answer = () => undefined
      assert.equal((await pull(name, 'v1')).bytes.toString(), old.manifest, `${method} ${what}`)
    }
  }
  // The manifest's record is there, the tag's is not.
  const manifest = await image(bob, name)
  let writes = 0
  pds.answer = ({ url }) => (url.includes('putRecord') && ++writes === 2 ? FAULTS.fails : undefined)
  assert.deepEqual(refusal(await put(bob, name, 'v1', manifest)), NO_ANSWER)
  pds.answer = () => undefined
  assert.equal((await pull(name, 'v1')).bytes.toString(), old.manifest)
  assert.equal((await put(bob, name, 'v1', manifest)).status, 201, 'the same again')
  assert.equal((await pull(name, 'v1')).bytes.toString(), manifest)
})

await step('pds: a write that it is silent about is not acknowledged', async () => {
  const slow = { stalls: carol, trickles: dave }
  const images = {}
  for (const account of Object.values(slow)) images[account.did] = await image(account, `${account.handle}/slow`)
  pds.answer = async (incoming) => {
    const { url, headers } = incoming
    if (!url.includes('putRecord')) return undefined
    const { sub } = JSON.parse(Buffer.from(headers.authorization.split('.')[1], 'base64url'))
    return SLOW_FAULTS[Object.keys(slow).find((what) => slow[what].did === sub)]
  }
  await each(SLOW_FAULTS, 90, async (what) => {
    const account = slow[what]
    assert.deepEqual(refusal(await put(account, `${account.handle}/slow`, 'v1', images[account.did])), NO_ANSWER)
  })
  for (const { handle } of Object.values(slow)) assert.deepEqual(told(await pull(`${handle}/slow`, 'v1')), [404, 'MANIFEST_UNKNOWN'])
})

await step('pds: what it does not let an account do is said in its words', async () => {
  const cases = [
    ['getServiceAuth', 400, 'InvalidToken is not it', (name) => request(erin, name, 'POST', `blobs/uploads/?digest=${EMPTY.digest}`, '{}')],
    ['putRecord', 400, 'InvalidRequest', async (name) => put(bob, name, 'v1', await image(bob, name))],
    ['uploadBlob', 403, 'BlobTooLarge', async (name) => put(bob, name, 'v1', await image(bob, name))],
  ]
  for (const [method, status, error, attempt] of cases) {
    const account = method === 'getServiceAuth' ? erin : bob
    pds.answer = ({ url }) => (url.includes(method) ? saysJson(status, { error, message: 'not you' }) : undefined)
    const answer = await attempt(`${account.handle}/no`)
    assert.deepEqual(told(answer), [403, 'DENIED'], `${method}: ${answer.message}`)
    assert.match(answer.message, new RegExp(`PDS refuses it: ${error}: not you`))
    pds.answer = () => undefined
  }
})

// --- documents that change

await step('moves: images are found and pushed at another PDS as soon as the old one does not serve them, also during a push', async () => {
  const name = 'frank.test/moves'
  const before = await push(frank, name, 'v1')
  const token = await appview.token(`repository:${name}:pull,push`, frank.handle, frank.appPassword)
  const bytes = randomBytes(1000)
  const place = (await send(token, name, 'POST', 'blobs/uploads/')).headers.get('location')
  assert.equal((await send(token, name, 'PATCH', place, bytes.subarray(0, 400))).status, 202)
  const other = await Meddler.before(stack.pds)
  changes[frank.did] = ({ service }) => ({ service: [{ ...service[0], serviceEndpoint: other.url }] })
  const gone = saysJson(400, { error: 'RepoDeactivated', message: 'moved' })
  pds.answer = ({ url, headers }) => {
    const isHis = url.includes(encodeURIComponent(frank.did)) || headers.authorization?.includes('.')
    return isHis ? gone : undefined
  }
  await new Promise((resolve) => setTimeout(resolve, 6000))
  const done = await send(token, name, 'PUT', `${place}?digest=${sha256(bytes)}`, bytes.subarray(400))
  assert.equal(done.status, 201, done.message)
  const manifest = JSON.stringify({ ...JSON.parse(before.manifest), layers: [{ mediaType: 'application/x', digest: sha256(bytes), size: 1000 }] })
  const put = await send(token, name, 'PUT', 'manifests/v2', manifest, OCI_IMAGE)
  assert.equal(put.status, 201, put.message)
  assert.equal((await pull(name, 'v1')).bytes.toString(), before.manifest)
  assert.equal((await pull(name, 'v2')).bytes.toString(), manifest)
  assert.deepEqual(JSON.parse((await request(undefined, name, 'GET', 'tags/list')).bytes).tags, ['v1', 'v2'])
  assert.equal((await pull(`${frank.did.replaceAll(':', '-')}/moves`, 'v2')).status, 200)
  assert(other.asked('putRecord') > 0 && other.asked('getRecord') > 0, 'the other one was asked')
  // A new one that does not know the account is not asked for what the old one would have.
  pds.answer = () => undefined
  other.stop()
  delete changes[frank.did]
  await restart()
  assert.equal((await pull(name, 'v1')).status, 200)
})

const rename = (account, handle) => asAccount(account, 'com.atproto.identity.updateHandle', { handle }).then(() => (account.handle = handle))

await step('handles: a renamed owner loses nothing, pushes by the new name at once, and ends what began under the old one', async () => {
  const old = 'erin.test/app'
  const { manifest } = await push(erin, old, 'v1')
  const token = await appview.token(`repository:${old}:pull,push`, erin.handle, erin.appPassword)
  const place = (await send(token, old, 'POST', 'blobs/uploads/')).headers.get('location')
  await rename(erin, 'erin-two.test')
  const done = await send(token, old, 'PUT', `${place}?digest=${sha256('late')}`, 'late')
  assert.equal(done.status, 201, done.message)
  const name = 'erin-two.test/app'
  assert.equal((await pull(name, 'v1')).bytes.toString(), manifest)
  await push(erin, name, 'v2')
  assert.deepEqual(JSON.parse((await request(undefined, name, 'GET', 'tags/list')).bytes).tags, ['v1', 'v2'])
  await restart()
  assert.deepEqual(told(await pull(old, 'v1')), [404, 'NAME_UNKNOWN'])
  const late = await send(token, old, 'POST', 'blobs/uploads/')
  assert.deepEqual(told(late), [404, 'NAME_UNKNOWN'])
  assert.equal((await pull(`${erin.did.replaceAll(':', '-')}/app`, 'v1')).bytes.toString(), manifest)
})

await step('handles: whoever takes a handle over has none of its images, and cannot be written to by who had it', async () => {
  const name = 'carol.test/app'
  const { manifest, digest } = await push(carol, name, 'v1')
  const token = await appview.token(`repository:${name}:pull,push`, 'carol.test', carol.appPassword)
  const place = (await send(token, name, 'POST', 'blobs/uploads/')).headers.get('location')
  await rename(carol, 'carol-two.test')
  await rename(mallory, 'carol.test')
  // As long as the handle is remembered it is hers; afterwards it is the other one's. At no time are images mixed.
  const stolen = await request({ ...mallory, handle: mallory.did }, name, 'PUT', 'manifests/v1', manifest, OCI_IMAGE)
  assert.deepEqual(told(stolen), [401, 'UNAUTHORIZED'])
  await restart()
  for (const reference of ['v1', digest]) assert.deepEqual(told(await pull(name, reference)), [404, 'MANIFEST_UNKNOWN'], reference)
  for (const [method, target, body] of [['POST', 'blobs/uploads/'], ['PUT', 'manifests/v1', manifest], ['DELETE', 'manifests/v1']]) {
    assert.deepEqual(told(await send(token, name, method, target, body, OCI_IMAGE)), [403, 'DENIED'], `${method} ${target}`)
  }
  assert.equal((await send(token, name, 'PUT', `${place}?digest=${sha256('x')}`, 'x')).status, 201, 'her upload into her hold')
  const theirs = await push(mallory, name, 'v1')
  assert.equal((await pull(name, 'v1')).bytes.toString(), theirs.manifest)
  assert.equal((await pull('carol-two.test/app', 'v1')).bytes.toString(), manifest)
})

await step('keys: with a key that its PDS does not have an account pushes nothing, and its images are there', async () => {
  const name = 'dave.test/keys'
  const { manifest } = await push(dave, name, 'v1')
  const other = await (await fetch(`${stack.plc}/${mallory.did}`)).json()
  const { publicKeyMultibase } = other.verificationMethod[0]
  changes[dave.did] = ({ verificationMethod: [own] }) => ({ verificationMethod: [{ ...own, publicKeyMultibase }] })
  hold.signal('SIGKILL')
  await hold.end()
  await hold.start()
  await restart()
  const refused = await request(dave, name, 'POST', 'blobs/uploads/')
  assert.deepEqual(told(refused), [403, 'DENIED'])
  assert.match(refused.message, /the hold did:web:localhost%3A\d+ refuses it/)
  assert.equal((await pull(name, 'v1')).bytes.toString(), manifest)
})

await step('documents: without a PDS, of another DID, and none at all: the owner is unknown, or nobody at present', async () => {
  const account = await createAccount(stack.pds, 'nobody-yet.test')
  const cases = [
    [() => ({ service: [] }), [404, 'NAME_UNKNOWN']],
    [() => ({ id: mallory.did }), [404, 'NAME_UNKNOWN']],
    [() => ({ verificationMethod: [] }), [404, 'NAME_UNKNOWN']],
    [() => ({ alsoKnownAs: ['at://other.test'] }), [404, 'NAME_UNKNOWN']],
    [({ service }) => ({ service: [{ ...service[0], serviceEndpoint: 'javascript:alert(1)' }] }), [404, 'NAME_UNKNOWN']],
  ]
  for (const [change, expected] of cases) {
    changes[account.did] = change
    await restart()
    assert.deepEqual(told(await pull('nobody-yet.test/app', 'v1')), expected, change.toString())
  }
  delete changes[account.did]
  const documents = plc.answer
  for (const [what, fault] of Object.entries({ ...FAULTS, stalls: SLOW_FAULTS.stalls })) {
    plc.answer = (incoming) => (incoming.url.includes(account.did) ? fault : documents(incoming))
    await restart()
    const began = performance.now()
    const { status } = await pull('nobody-yet.test/app', 'v1')
    assert([404, 503].includes(status), `${what}: ${status}`)
    assert(performance.now() - began < 40_000, what)
  }
  plc.answer = documents
})

if (!allHeld()) console.log(appview.lastLogLines(40).join('\n'))
const held = sum()
await registry.stop()
for (const one of [pds, plc]) one.stop()
await stack.stop()
process.exit(held ? 0 : 1)
