// The whole registry, driven by real clients: skopeo, and plain HTTP where a client says too little.
//
//   run.mjs HOLD APPVIEW WORK_DIR
//
// One line a step; the last line is the sum: "appview: N passed, N failed". Exit 1 when any failed.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import http from 'node:http'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { startStack } from '../demo/processes.mjs'
import { makeImage as makeImageAt, OCI_IMAGE, sha256 } from './images.mjs'
import { newAccount, Registry } from './registry.mjs'
import { allHeld, step, sum } from './steps.mjs'

const run = promisify(execFile)
const [holdBinary, appviewBinary, work] = process.argv.slice(2)
const PART_BYTES = 16 * 1024 * 1024

const stack = await startStack(work)
const [alice, bob] = await Promise.all(['alice.test', 'bob.test'].map((handle) => newAccount(stack.pds, handle)))
const [alicePassword, bobPassword] = [alice.appPassword, bob.appPassword]
const config = path.join(work, 'hold.toml')
await writeFile(config, '[tiers.small]\nquota = "1 MB"\n')
const binaries = { hold: holdBinary, appview: appviewBinary }
const registry = await Registry.start({ binaries, work, stack, owner: alice, config })
const { hold, appview } = registry

// --- the two ways to talk to it

const skopeo = (...args) => run('skopeo', ['--insecure-policy', ...args], { maxBuffer: 1 << 26 })
const copy = (...args) => skopeo('copy', '--preserve-digests', ...args)
const from = ['--src-tls-verify=false', '--src-no-creds']
const to = (user, password) => ['--dest-tls-verify=false', '--dest-creds', `${user}:${password}`]
const image = (name) => `docker://${appview.host}/${name}`

const token = (...args) => appview.token(...args)
const call = (...args) => appview.call(...args)
const makeImage = (name, lengths) => makeImageAt(path.join(work, name), lengths)

const record = async (collection, rkey) => {
  const query = new URLSearchParams({ repo: alice.did, collection, rkey })
  return (await (await fetch(`${stack.pds}/xrpc/com.atproto.repo.getRecord?${query}`)).json()).value
}

// --- steps

const app = await makeImage('app', [100, 3_000_000, 2 * PART_BYTES + 12_345])
const both = 'repository:alice.test/team/app:pull,push'

await step('skopeo pushes an image with an app password', async () => {
  await copy(...to('alice.test', alicePassword), app.source, image('alice.test/team/app:v1'))
})

await step('manifest, tag and layers are where they belong', async () => {
  const manifest = await record('io.atcr.manifest', app.manifest.digest.slice(7))
  assert.equal(manifest.digest, app.manifest.digest)
  assert.equal(manifest.holdDid, hold.did)
  assert.equal(manifest.repository, 'team/app')
  assert.deepEqual(manifest.layers.map((layer) => layer.digest), app.layers.map((layer) => layer.digest))
  const tag = await record('io.atcr.tag', 'team~app_v1')
  assert.equal(tag.manifest, `at://${alice.did}/io.atcr.manifest/${app.manifest.digest.slice(7)}`)
  const query = new URLSearchParams({ did: alice.did, cid: manifest.manifestBlob.ref.$link })
  const blob = await fetch(`${stack.pds}/xrpc/com.atproto.sync.getBlob?${query}`)
  assert.equal(sha256(Buffer.from(await blob.arrayBuffer())), app.manifest.digest)
  const ofHold = new URLSearchParams({ repo: hold.did, collection: 'io.atcr.hold.layer' })
  const layers = await fetch(`${hold.url}/xrpc/com.atproto.repo.listRecords?${ofHold}`)
  const recorded = (await layers.json()).records.map((view) => view.value.digest)
  assert.deepEqual(new Set(recorded), new Set(app.layers.map((layer) => layer.digest)))
})

await step('skopeo pulls it as nobody, byte for byte', async () => {
  await copy(...from, image('alice.test/team/app:v1'), `oci:${path.join(work, 'pulled')}:it`)
  const index = JSON.parse(readFileSync(path.join(work, 'pulled', 'index.json')))
  assert.equal(index.manifests[0].digest, app.manifest.digest)
  for (const { digest } of [...app.layers, app.config, app.manifest]) {
    assert.equal(sha256(readFileSync(path.join(work, 'pulled', 'blobs', 'sha256', digest.slice(7)))), digest)
  }
})

await step('by the hyphened DID and by digest it is the same', async () => {
  const name = `${alice.did.replaceAll(':', '-')}/team/app`
  const { stdout } = await skopeo('inspect', '--no-creds', '--tls-verify=false', '--raw', image(`${name}@${app.manifest.digest}`))
  assert.equal(stdout, app.bytes.toString())
})

await step('a second name needs no bytes', async () => {
  const bearer = await token(both, 'alice.test', alicePassword)
  const mount = await call(bearer, 'POST', `/v2/alice.test/team/app/blobs/uploads/?mount=${app.layers[0].digest}&from=alice.test/x`)
  assert.equal(mount.status, 201)
  const nothing = await call(bearer, 'POST', `/v2/alice.test/team/app/blobs/uploads/?mount=${sha256('nothing')}`)
  assert.equal(nothing.status, 202)
  await copy(...from, ...to('alice.test', alicePassword), image('alice.test/team/app:v1'), image('alice.test/other:v2'))
  const { repository } = await record('io.atcr.manifest', app.manifest.digest.slice(7))
  assert.equal(repository, 'team/app', 'one record a digest keeps its first repository')
})

await step('others are refused: a wrong password, another owner, nobody, the main password', async () => {
  const refused = async (user, password, words) => {
    const theft = copy(...to(user, password), app.source, image('alice.test/stolen:v1'))
    await assert.rejects(theft, (error) => words.test(error.stderr) || assert.fail(error.stderr))
  }
  await refused('alice.test', 'aaaa-bbbb-cccc-dddd', /no such password|unauthorized/i)
  await refused('bob.test', bobPassword, /only its owner|denied|unauthorized|authentication required/i)
  await assert.rejects(token(both, 'alice.test', alice.password), /main password/)
  const bearer = await token('repository:alice.test/stolen:pull,push')
  const anonymous = await call(bearer, 'POST', '/v2/alice.test/stolen/blobs/uploads/')
  assert.equal(anonymous.status, 401)
  assert.match(anonymous.headers.get('www-authenticate'), /scope="repository:alice\.test\/stolen:pull,push",error="insufficient_scope"/)
})

await step('chunks, their order, and a restart between them', async () => {
  const bearer = await token(both, 'alice.test', alicePassword)
  const bytes = randomBytes(PART_BYTES + 5_000_000)
  const begun = await call(bearer, 'POST', '/v2/alice.test/team/app/blobs/uploads/')
  assert.equal(begun.status, 202)
  const place = begun.headers.get('location')
  const patch = (start, end) =>
    call(bearer, 'PATCH', place, { body: bytes.subarray(start, end), headers: { 'content-range': `${start}-${end - 1}` } })
  const first = await patch(0, 7_000_000)
  assert.deepEqual([first.status, first.headers.get('range')], [202, '0-6999999'])
  const wrong = await patch(8_000_000, 9_000_000)
  assert.deepEqual([wrong.status, wrong.code, wrong.headers.get('range')], [416, 'BLOB_UPLOAD_INVALID', '0-6999999'])
  await appview.kill()
  await appview.start()
  const where = await call(bearer, 'GET', place)
  assert.deepEqual([where.status, where.headers.get('range')], [204, '0-6999999'])
  assert.equal((await patch(7_000_000, 18_000_000)).status, 202)
  await appview.kill()
  await appview.start()
  const digest = sha256(bytes)
  const done = await call(bearer, 'PUT', `${place}?digest=${digest}`, { body: bytes.subarray(18_000_000) })
  assert.deepEqual([done.status, done.headers.get('docker-content-digest')], [201, digest])
  const blob = await call(bearer, 'GET', `/v2/alice.test/team/app/blobs/${digest}`)
  assert.equal(blob.status, 307)
  const whole = Buffer.from(await (await fetch(blob.headers.get('location'))).arrayBuffer())
  assert.equal(sha256(whole), digest)
  assert.equal((await call(bearer, 'GET', place)).code, 'BLOB_UPLOAD_UNKNOWN')
})

await step('a body without a length, an empty blob, a whole one in one request', async () => {
  const bearer = await token(both, 'alice.test', alicePassword)
  const bytes = randomBytes(PART_BYTES + 1_000_000)
  const begun = await call(bearer, 'POST', '/v2/alice.test/team/app/blobs/uploads/')
  const place = begun.headers.get('location')
  const body = new Blob([bytes]).stream()
  const chunked = await call(bearer, 'PATCH', place, { body, duplex: 'half' })
  assert.deepEqual([chunked.status, chunked.headers.get('range')], [202, `0-${bytes.length - 1}`])
  assert.equal((await call(bearer, 'PUT', `${place}?digest=${sha256(bytes)}`)).status, 201)
  for (const whole of [Buffer.alloc(0), Buffer.from('small')]) {
    const target = `/v2/alice.test/team/app/blobs/uploads/?digest=${sha256(whole)}`
    assert.equal((await call(bearer, 'POST', target, { body: whole })).status, 201)
    const found = await call(bearer, 'HEAD', `/v2/alice.test/team/app/blobs/${sha256(whole)}`)
    assert.equal(found.status, 307)
  }
})

await step('a body without a length that breaks off leaves no part, and what follows goes on from where the upload says', async () => {
  const bearer = await token(both, 'alice.test', alicePassword)
  // More than what the front end sends the hold as one part.
  const bytes = randomBytes(70_000_000)
  const begun = await call(bearer, 'POST', '/v2/alice.test/team/app/blobs/uploads/')
  const place = begun.headers.get('location')
  const offset = async () => {
    const last = Number((await call(bearer, 'GET', place)).headers.get('range').split('-')[1])
    return last === 0 ? 0 : last + 1
  }
  const broken = http.request(`${appview.url}${place}`, { method: 'PATCH', headers: { authorization: `Bearer ${bearer}` } })
  broken.on('error', () => {})
  await new Promise((resolve) => broken.write(bytes.subarray(0, 30_000_000), resolve))
  broken.destroy()
  const began = await offset()
  assert.ok(began <= 30_000_000)
  const body = new Blob([bytes.subarray(began)]).stream()
  assert.equal((await call(bearer, 'PATCH', place, { body, duplex: 'half' })).status, 202)
  assert.equal(await offset(), bytes.length)
  assert.equal((await call(bearer, 'PUT', `${place}?digest=${sha256(bytes)}`)).status, 201)
  const blob = await call(bearer, 'GET', `/v2/alice.test/team/app/blobs/${sha256(bytes)}`)
  assert.equal(sha256(Buffer.from(await (await fetch(blob.headers.get('location'))).arrayBuffer())), sha256(bytes))
})

await step('what is wrong is refused, and nothing of it is kept', async () => {
  const bearer = await token(both, 'alice.test', alicePassword)
  const upload = async () => (await call(bearer, 'POST', '/v2/alice.test/team/app/blobs/uploads/')).headers.get('location')
  const place = await upload()
  const other = await call(bearer, 'PUT', `${place}?digest=${sha256('other')}`, { body: 'bytes' })
  assert.deepEqual([other.status, other.code], [400, 'DIGEST_INVALID'])
  assert.equal((await call(bearer, 'GET', place)).code, 'BLOB_UPLOAD_UNKNOWN')
  assert.equal((await call(bearer, 'PUT', `${await upload()}?digest=sha512:00`, { body: 'x' })).code, 'DIGEST_INVALID')
  const given = await upload()
  assert.equal((await call(bearer, 'DELETE', given)).status, 204)
  assert.equal((await call(bearer, 'GET', given)).code, 'BLOB_UPLOAD_UNKNOWN')
  const put = (reference, body, type = OCI_IMAGE) =>
    call(bearer, 'PUT', `/v2/alice.test/team/app/manifests/${reference}`, { body, headers: { 'content-type': type } })
  const manifest = JSON.parse(app.bytes)
  const missing = { ...manifest, layers: [{ ...manifest.layers[0], digest: sha256('missing') }] }
  assert.equal((await put('x', JSON.stringify(missing))).code, 'MANIFEST_BLOB_UNKNOWN')
  assert.equal((await put(sha256('other'), app.bytes)).code, 'DIGEST_INVALID')
  assert.equal((await put('x', '{')).code, 'MANIFEST_INVALID')
  const large = await put('x', ' '.repeat(5 * 1024 * 1024 + 1))
  assert.equal(large.status, 413)
  const get = (target) => call(bearer, 'GET', `/v2/alice.test/team/app/${target}`)
  assert.equal((await get('manifests/none')).code, 'MANIFEST_UNKNOWN')
  assert.equal((await get(`manifests/${sha256('none')}`)).code, 'MANIFEST_UNKNOWN')
  assert.equal((await get(`blobs/${sha256('none')}`)).code, 'BLOB_UNKNOWN')
})

await step('an index, by skopeo, with its image', async () => {
  const bearer = await token(both, 'alice.test', alicePassword)
  const index = JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{ ...app.manifest, platform: { architecture: 'amd64', os: 'linux' } }],
  })
  const headers = { 'content-type': 'application/vnd.oci.image.index.v1+json' }
  const put = await call(bearer, 'PUT', '/v2/alice.test/team/app/manifests/multi', { body: index, headers })
  assert.deepEqual([put.status, put.headers.get('docker-content-digest')], [201, sha256(index)])
  await copy('--all', ...from, image('alice.test/team/app:multi'), `oci:${path.join(work, 'multi')}:it`)
})

await step('tags are listed in order and in pages, by anybody', async () => {
  const bearer = await token('repository:alice.test/team/app:pull')
  const list = async (query = '', name = 'alice.test/team/app') => {
    const response = await fetch(`${appview.url}/v2/${name}/tags/list${query}`, { headers: { authorization: `Bearer ${bearer}` } })
    return [response.status, await response.json(), response.headers.get('link')]
  }
  const name = 'alice.test/team/app'
  assert.deepEqual(await list(), [200, { name, tags: ['multi', 'v1'] }, null])
  const next = `</v2/${name}/tags/list?n=1&last=multi>; rel="next"`
  assert.deepEqual(await list('?n=1'), [200, { name, tags: ['multi'] }, next])
  assert.deepEqual(await list('?n=1&last=multi'), [200, { name, tags: ['v1'] }, null])
  assert.deepEqual(await list('?last=n'), [200, { name, tags: ['v1'] }, null])
  assert.deepEqual(await list('?n=0'), [200, { name, tags: [] }, null])
  assert.equal((await list('?n=-1'))[0], 400)
  const { stdout } = await skopeo('list-tags', '--no-creds', '--tls-verify=false', image('alice.test/other'))
  assert.deepEqual(JSON.parse(stdout).Tags, ['v2'])
  const none = await call(await token('repository:alice.test/none:pull'), 'GET', '/v2/alice.test/none/tags/list')
  assert.deepEqual([none.status, none.code], [404, 'NAME_UNKNOWN'])
  const write = await call(bearer, 'DELETE', `/v2/${name}/tags/list`)
  assert.deepEqual([write.status, write.code], [405, 'UNSUPPORTED'])
})

await step('a tag that moves is seen at once, however often it was just pulled', async () => {
  const bearer = await token(both, 'alice.test', alicePassword)
  const place = '/v2/alice.test/team/app/manifests'
  const put = (bytes) => call(bearer, 'PUT', `${place}/moving`, { body: bytes, headers: { 'content-type': OCI_IMAGE } })
  const first = JSON.parse(app.bytes)
  for (const layers of [first.layers, first.layers.slice(1), first.layers.slice(0, 1)]) {
    const bytes = JSON.stringify({ ...first, layers })
    assert.equal((await put(bytes)).status, 201)
    const heads = await Promise.all(Array.from({ length: 20 }, () => call(bearer, 'HEAD', `${place}/moving`)))
    assert.deepEqual(new Set(heads.map(({ headers }) => headers.get('docker-content-digest'))), new Set([sha256(bytes)]))
    assert.equal(await (await call(bearer, 'GET', `${place}/${sha256(bytes)}`)).text(), bytes)
  }
})

await step('who joins the crew pushes within its quota, and beyond it leaves nothing behind', async () => {
  const [small, large] = [await makeImage('small', [1000]), await makeImage('large', [3_000_000])]
  await copy(...to('bob.test', bobPassword), small.source, image('bob.test/app:v1'))
  await copy(...from, image('bob.test/app:v1'), `oci:${path.join(work, 'bob')}:it`)
  const refused = copy(...to('bob.test', bobPassword), large.source, image('bob.test/app:v2'))
  await assert.rejects(refused, (error) => /quota/i.test(error.stderr) || assert.fail(error.stderr))
  const bearer = await token('repository:bob.test/app:pull')
  assert.equal((await call(bearer, 'GET', '/v2/bob.test/app/manifests/v2')).code, 'MANIFEST_UNKNOWN')
  const digest = await call(bearer, 'GET', `/v2/bob.test/app/manifests/${large.manifest.digest}`)
  assert.equal(digest.code, 'MANIFEST_UNKNOWN')
})

/** Sessions by app passwords that the PDS has made for an account: rows of its own table. */
function sessionsAtPds({ did }) {
  const database = new DatabaseSync(path.join(work, 'pds', 'account.sqlite'), { readOnly: true })
  const { count } = database.prepare('SELECT count(*) AS count FROM refresh_token WHERE did = ? AND appPasswordName IS NOT NULL').get(did)
  database.close()
  return count
}

await step('a hundred tokens are one sign-in at the PDS', async () => {
  const carol = await newAccount(stack.pds, 'carol.test')
  const scope = 'repository:carol.test/app:pull,push'
  assert.equal(sessionsAtPds(carol), 0)
  const tokens = await Promise.all(Array.from({ length: 100 }, () => token(scope, 'carol.test', carol.appPassword)))
  assert.equal(tokens.length, 100)
  assert.equal(sessionsAtPds(carol), 1)
  await appview.kill()
  await appview.start()
  await Promise.all(Array.from({ length: 20 }, () => token(scope, carol.did, carol.appPassword)))
  assert.equal(sessionsAtPds(carol), 1, 'also over a restart, and by the other name')
  await assert.rejects(token(scope, 'carol.test', 'aaaa-bbbb-cccc-dddd'), /no such password/)
  assert.equal(sessionsAtPds(carol), 1)
})

await step('a hold that is away is named, and the registry goes on when it is back', async () => {
  const bearer = await token(both, 'alice.test', alicePassword)
  hold.signal('SIGKILL')
  await hold.end()
  const away = await call(bearer, 'POST', '/v2/alice.test/team/app/blobs/uploads/')
  assert.deepEqual([away.status, away.code], [503, 'UNAVAILABLE'])
  assert.equal(away.headers.get('retry-after'), '5')
  const manifest = await call(bearer, 'GET', '/v2/alice.test/team/app/manifests/v1')
  assert.equal(manifest.status, 200, 'manifests need no hold')
  assert.equal((await call(bearer, 'HEAD', '/v2/alice.test/team/app/manifests/v1')).headers.get('content-length'), String(app.bytes.length))
  await hold.start(config)
  await copy(...from, image('alice.test/team/app:v1'), `oci:${path.join(work, 'again')}:it`)
})

if (!allHeld()) console.log(appview.lastLogLines(40).join('\n'))
const held = sum()
await registry.stop()
await stack.stop()
process.exit(held ? 0 : 1)
