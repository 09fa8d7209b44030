// What a registry must answer, point by point: the distribution specification and what its conformance suite looks at,
// against a real PLC directory, PDS and hold.
// https://github.com/opencontainers/distribution-spec/tree/main/conformance
//
//   conformance.mjs HOLD APPVIEW WORK_DIR
//
// One line a step, `<workflow>: <point>`; the last line is the sum: "appview: N passed, N failed".

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { startStack } from '../demo/processes.mjs'
import { OCI_IMAGE, OCI_INDEX, sha256 } from './images.mjs'
import { newAccount, Registry } from './registry.mjs'
import { allHeld, step, sum } from './steps.mjs'

const [holdBinary, appviewBinary, work] = process.argv.slice(2)
const EMPTY = { mediaType: 'application/vnd.oci.empty.v1+json', digest: sha256('{}'), size: 2 }

const stack = await startStack(work)
const [alice, bob] = await Promise.all(['alice.test', 'bob.test'].map((handle) => newAccount(stack.pds, handle)))
const config = path.join(work, 'hold.toml')
await writeFile(config, '[tiers.small]\nquota = "1 MB"\n')
const binaries = { hold: holdBinary, appview: appviewBinary }
const registry = await Registry.start({ binaries, work, stack, owner: alice, config })
const { appview } = registry

// --- a repository and what is done in it

const scopes = (...names) => names.map((name) => `repository:${name}:pull,push,delete`).join(' ')

/** A repository of `account`, whose requests have a token with every right in it. */
class Repository {
  constructor(name, account) {
    Object.assign(this, { name, account })
  }

  async request(method, target, options) {
    const { handle, appPassword } = this.account
    this.token ??= await appview.token(scopes(this.name), handle, appPassword)
    const url = target.startsWith('/v2/') ? target : `/v2/${this.name}/${target}`
    const headers = { authorization: `Bearer ${this.token}`, ...options?.headers }
    const response = await fetch(`${appview.url}${url}`, { method, redirect: 'manual', ...options, headers })
    const bytes = Buffer.from(await response.arrayBuffer())
    const isJson = response.headers.get('content-type')?.includes('json')
    const json = isJson && bytes.length > 0 ? JSON.parse(bytes) : null
    return { status: response.status, headers: response.headers, bytes, json, code: json?.errors?.[0].code ?? '' }
  }

  /** Status and code, which is all that a refusal says to programs. */
  async refused(...request) {
    const { status, code } = await this.request(...request)
    return [status, code]
  }

  async blob(bytes) {
    const digest = sha256(bytes)
    const { status } = await this.request('POST', `blobs/uploads/?digest=${digest}`, { body: bytes })
    assert.equal(status, 201)
    return { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: Buffer.byteLength(bytes) }
  }

  put(reference, manifest, mediaType = OCI_IMAGE) {
    const body = typeof manifest === 'string' ? manifest : JSON.stringify(manifest)
    return this.request('PUT', `manifests/${reference}`, { body, headers: { 'content-type': mediaType } })
  }

  /** An image with a layer of its own, under a reference; its descriptor. */
  async push(reference, more = {}) {
    await this.blob('{}')
    const layers = [await this.blob(randomBytes(64))]
    return this.pushed(reference, { schemaVersion: 2, mediaType: OCI_IMAGE, config: EMPTY, layers, ...more })
  }

  async pushed(reference, manifest) {
    const text = JSON.stringify(manifest)
    const digest = sha256(text)
    const { status, json } = await this.put(reference ?? digest, text, manifest.mediaType)
    assert.equal(status, 201, JSON.stringify(json))
    return { mediaType: manifest.mediaType, digest, size: Buffer.byteLength(text) }
  }

  async tags(query = '') {
    const { status, json, code } = await this.request('GET', `tags/list${query}`)
    return status === 200 ? json.tags : [status, code]
  }
}

const UNKNOWN_MANIFEST = [404, 'MANIFEST_UNKNOWN']
const of = (name) => new Repository(`alice.test/${name}`, alice)

/** A record of the account, as its PDS has it. */
async function record(account, collection, rkey) {
  const query = new URLSearchParams({ repo: account.did, collection, rkey })
  return (await (await fetch(`${stack.pds}/xrpc/com.atproto.repo.getRecord?${query}`)).json()).value
}

// --- deletes

await step('delete: a tag goes, the manifest and its other tags stay', async () => {
  const app = of('deletes')
  const { digest } = await app.push('one')
  await app.put('two', (await app.request('GET', `manifests/${digest}`)).bytes.toString())
  assert.equal((await app.request('DELETE', 'manifests/one')).status, 202)
  assert.deepEqual(await app.refused('GET', 'manifests/one'), UNKNOWN_MANIFEST)
  assert.deepEqual(await app.tags(), ['two'])
  assert.equal((await app.request('GET', `manifests/${digest}`)).status, 200)
  assert.deepEqual(await app.refused('DELETE', 'manifests/one'), UNKNOWN_MANIFEST)
})

await step('delete: a manifest takes its tags with it', async () => {
  const app = of('deletes/all')
  const { digest } = await app.push('one')
  const other = await app.push('other')
  await app.put('two', (await app.request('GET', `manifests/${digest}`)).bytes.toString())
  assert.equal((await app.request('DELETE', `manifests/${digest}`)).status, 202)
  for (const reference of ['one', 'two', digest]) {
    assert.deepEqual(await app.refused('GET', `manifests/${reference}`), UNKNOWN_MANIFEST)
  }
  assert.deepEqual(await app.tags(), ['other'])
  assert.equal(await record(alice, 'io.atcr.manifest', digest.slice(7)), undefined)
  assert.deepEqual(await app.refused('DELETE', `manifests/${digest}`), UNKNOWN_MANIFEST)
  assert.equal((await app.request('GET', `manifests/${other.digest}`)).status, 200)
})

await step('delete: a manifest that another repository has a tag for stays there', async () => {
  const [first, second] = [of('deletes/first'), of('deletes/second')]
  const { digest } = await first.push('v1')
  await second.put('v2', (await first.request('GET', 'manifests/v1')).bytes.toString())
  assert.equal((await first.request('DELETE', `manifests/${digest}`)).status, 202)
  assert.deepEqual(await first.refused('GET', 'manifests/v1'), UNKNOWN_MANIFEST)
  assert.equal((await second.request('GET', 'manifests/v2')).status, 200)
  assert.equal((await record(alice, 'io.atcr.manifest', digest.slice(7))).repository, 'deletes/second')
  assert.deepEqual(await first.refused('DELETE', `manifests/${digest}`), UNKNOWN_MANIFEST, 'it is at home elsewhere')
  assert.equal((await second.request('DELETE', `manifests/${digest}`)).status, 202)
  assert.deepEqual(await second.refused('GET', `manifests/${digest}`), UNKNOWN_MANIFEST)
})

await step('delete: what is deleted can be pushed again', async () => {
  const app = of('deletes/again')
  const { digest } = await app.push('v1')
  const text = (await app.request('GET', 'manifests/v1')).bytes.toString()
  assert.equal((await app.request('DELETE', `manifests/${digest}`)).status, 202)
  assert.equal((await app.put('v1', text)).status, 201)
  assert.equal(sha256((await app.request('GET', 'manifests/v1')).bytes), digest)
})

await step('delete: blobs are not deleted', async () => {
  const app = of('deletes')
  const { status, code, headers, json } = await app.request('DELETE', `blobs/${EMPTY.digest}`)
  assert.deepEqual([status, code, headers.get('allow')], [405, 'UNSUPPORTED', 'GET, HEAD'])
  assert.match(json.errors[0].message, /a hold removes those that no manifest names/)
})

await step('delete: by owners alone, with a token that has delete, push or *', async () => {
  const app = of('deletes/rights')
  await app.push('v1')
  const target = `/v2/${app.name}/manifests/v1`
  const by = async (action, account) => {
    const scope = `repository:${app.name}:${action}`
    const token = await appview.token(scope, account?.handle, account?.appPassword)
    const response = await appview.call(token, 'DELETE', target)
    return [response.status, response.code, response.headers.get('www-authenticate')]
  }
  for (const [action, account] of [['pull', alice], ['*', bob], ['delete', undefined]]) {
    const [status, code, challenge] = await by(action, account)
    assert.deepEqual([status, code], [401, 'UNAUTHORIZED'], action)
    assert.match(challenge, /scope="repository:alice\.test\/deletes\/rights:delete",error="insufficient_scope"/)
  }
  for (const action of ['delete', 'push', '*']) {
    assert.equal((await by(action, alice))[0], 202, action)
    await app.push('v1')
  }
})

// --- pushes at once

await step('parallel: pushes of one tag end with one of them, and with all manifests', async () => {
  const app = of('parallel')
  await app.push('x')
  const pushed = await Promise.all(Array.from({ length: 8 }, () => app.push('v1')))
  const { headers } = await app.request('GET', 'manifests/v1')
  assert(pushed.some(({ digest }) => digest === headers.get('docker-content-digest')))
  for (const { digest } of pushed) assert.equal((await app.request('GET', `manifests/${digest}`)).status, 200)
})

await step('parallel: a manifest under eight tags is there under each', async () => {
  const app = of('parallel/tags')
  const { digest } = await app.push('x')
  const text = (await app.request('GET', 'manifests/x')).bytes.toString()
  await app.request('DELETE', `manifests/${digest}`)
  const tags = Array.from({ length: 8 }, (_, number) => `v${number}`)
  const answers = await Promise.all(tags.map((tag) => app.put(tag, text)))
  assert.deepEqual(answers.map(({ status }) => status), tags.map(() => 201))
  assert.deepEqual(await app.tags(), tags)
})

await step('parallel: what goes beyond a quota is undone, and a push beside it under the same tag is not', async () => {
  const app = new Repository('bob.test/app', bob)
  await app.blob('{}')
  const bytes = randomBytes(3_000_000)
  const upload = await app.request('POST', `blobs/uploads/?digest=${sha256(bytes)}`, { body: bytes })
  assert.equal(upload.status, 403, 'a blob of his own is refused as it comes')
  // Hers is there, and counts for him as soon as a manifest of his names it.
  const image = async (layer) => ({ schemaVersion: 2, mediaType: OCI_IMAGE, config: EMPTY, layers: [await layer] })
  const [before, small] = [await image(app.blob(randomBytes(10))), await image(app.blob(randomBytes(20)))]
  const large = await image(of('quota').blob(bytes))
  await app.pushed('v1', before)
  for (let round = 0; round < 5; round += 1) {
    const [kept, refused] = await Promise.all([app.put('v1', small), app.put('v1', large)])
    assert.deepEqual([kept.status, refused.status, refused.code], [201, 403, 'DENIED'])
    assert.match(refused.json.errors[0].message, /quota/i)
    const { headers } = await app.request('GET', 'manifests/v1')
    assert.equal(headers.get('docker-content-digest'), sha256(JSON.stringify(small)))
    assert.deepEqual(await app.refused('GET', `manifests/${sha256(JSON.stringify(large))}`), UNKNOWN_MANIFEST)
    assert.equal((await app.put('v1', before)).status, 201)
  }
  const alone = await app.put('v1', large)
  assert.deepEqual([alone.status, alone.code], [403, 'DENIED'])
  const { headers } = await app.request('GET', 'manifests/v1')
  assert.equal(headers.get('docker-content-digest'), sha256(JSON.stringify(before)), 'the tag leads where it led')
})

await step('parallel: a tag that would have the record of another image is refused', async () => {
  await of('with_line').push('v1')
  const text = (await of('with_line').request('GET', 'manifests/v1')).bytes.toString()
  const { status, code } = await of('with').put('line_v1', text)
  assert.deepEqual([status, code], [403, 'DENIED'])
  assert.deepEqual(await of('with_line').tags(), ['v1'])
})

// --- push

await step('push: an API version stands in every answer, also in refusals', async () => {
  for (const target of ['/v2/', '/v2/alice.test/none/tags/list', '/v2/alice.test/push/blobs/x']) {
    const response = await fetch(`${appview.url}${target}`)
    assert.equal(response.headers.get('docker-distribution-api-version'), 'registry/2.0', target)
  }
})

await step('push: a blob in one request, in two, in chunks, and an empty one', async () => {
  const app = of('push')
  const bytes = randomBytes(1000)
  const digest = sha256(bytes)
  const begun = async () => (await app.request('POST', 'blobs/uploads/')).headers
  const done = ({ status, headers }) => [status, headers.get('location'), headers.get('docker-content-digest')]
  const created = [201, `/v2/${app.name}/blobs/${digest}`, digest]
  assert.deepEqual(done(await app.request('POST', `blobs/uploads/?digest=${digest}`, { body: bytes })), created)
  const place = (await begun()).get('location')
  assert.deepEqual(done(await app.request('PUT', `${place}?digest=${digest}`, { body: bytes })), created)
  const headers = await begun()
  const upload = headers.get('location')
  assert.equal(headers.get('range'), '0-0')
  const first = await app.request('PATCH', upload, { body: bytes.subarray(0, 600), headers: { 'content-range': '0-599' } })
  assert.deepEqual([first.status, first.headers.get('range'), first.headers.get('location')], [202, '0-599', upload])
  const last = await app.request('PUT', `${upload}?digest=${digest}`, { body: bytes.subarray(600), headers: { 'content-range': '600-999' } })
  assert.deepEqual(done(last), created)
  const empty = await app.blob(Buffer.alloc(0))
  const found = await app.request('HEAD', `blobs/${empty.digest}`)
  const blob = await fetch((await app.request('GET', `blobs/${empty.digest}`)).headers.get('location'))
  assert.deepEqual([found.status, blob.status, (await blob.arrayBuffer()).byteLength], [307, 200, 0])
  const head = await fetch(found.headers.get('location'), { method: 'HEAD' })
  assert.deepEqual([head.status, head.headers.get('content-length')], [200, '0'], 'python-dxf fails without it')
})

await step('push: a chunk out of order is 416 with Location and Range, and the upload goes on', async () => {
  const app = of('push')
  const place = (await app.request('POST', 'blobs/uploads/')).headers.get('location')
  const chunk = (range, length) => app.request('PATCH', place, { body: Buffer.alloc(length), headers: { 'content-range': range } })
  const told = ({ status, code, headers }) => [status, code, headers.get('location'), headers.get('range')]
  assert.deepEqual(told(await chunk('10-19', 10)), [416, 'BLOB_UPLOAD_INVALID', place, '0-0'])
  assert.equal((await chunk('0-9', 10)).status, 202)
  for (const range of ['0-9', '20-29', '9-18', '-1-5', 'x', '']) {
    assert.deepEqual(told(await chunk(range || 'bytes', 10)), [416, 'BLOB_UPLOAD_INVALID', place, '0-9'], range)
  }
  const whole = Buffer.alloc(20)
  const late = await app.request('PUT', `${place}?digest=${sha256(whole)}`, { body: Buffer.alloc(10), headers: { 'content-range': '30-39' } })
  assert.deepEqual(told(late), [416, 'BLOB_UPLOAD_INVALID', place, '0-9'])
  assert.equal((await chunk('10-19', 10)).status, 202)
  const where = await app.request('GET', place)
  assert.deepEqual([where.status, where.headers.get('range'), where.headers.get('location')], [204, '0-19', place])
  assert.equal((await app.request('PUT', `${place}?digest=${sha256(whole)}`)).status, 201)
})

await step('push: five ways of a wrong digest, and sha512', async () => {
  const app = of('push')
  const wrong = sha256('other')
  const place = async () => (await app.request('POST', 'blobs/uploads/')).headers.get('location')
  const INVALID = [400, 'DIGEST_INVALID']
  assert.deepEqual(await app.refused('POST', `blobs/uploads/?digest=${wrong}`, { body: 'bytes' }), INVALID, 'in one request')
  assert.deepEqual(await app.refused('PUT', `${await place()}?digest=${wrong}`, { body: 'bytes' }), INVALID, 'in two')
  const upload = await place()
  await app.request('PATCH', upload, { body: 'bytes' })
  assert.deepEqual(await app.refused('PUT', `${upload}?digest=${wrong}`), INVALID, 'in chunks')
  assert.deepEqual(await app.refused('GET', upload), [404, 'BLOB_UPLOAD_UNKNOWN'], 'nothing of it is kept')
  const image = JSON.stringify({ schemaVersion: 2, mediaType: OCI_IMAGE, config: EMPTY, layers: [] })
  const manifest = await app.put(wrong, image)
  assert.deepEqual([manifest.status, manifest.code], INVALID, 'of a manifest')
  for (const digest of ['sha256:x', `sha256:${'A'.repeat(64)}`, `md5:${'0'.repeat(32)}`, `sha512:${'0'.repeat(128)}`]) {
    assert.deepEqual(await app.refused('PUT', `${await place()}?digest=${digest}`, { body: 'x' }), INVALID, digest)
    assert.deepEqual(await app.refused('GET', `blobs/${digest}`), INVALID, digest)
    assert.deepEqual(await app.refused('GET', `manifests/${digest}`), INVALID, digest)
    assert.deepEqual(await app.refused('GET', `referrers/${digest}`), INVALID, digest)
    const put = await app.put(digest, image)
    assert.deepEqual([put.status, put.code], INVALID, digest)
  }
  assert.deepEqual(await app.refused('GET', `blobs/${wrong}`), [404, 'BLOB_UNKNOWN'])
  assert.deepEqual(await app.refused('PUT', await place()), INVALID, 'none')
})

await step('push: a mount with from, without, and of nothing', async () => {
  const [from, to] = [of('mounts/from'), of('mounts/to')]
  const { digest } = await from.blob(randomBytes(100))
  const mount = (query) => to.request('POST', `blobs/uploads/?mount=${query}`)
  for (const query of [`${digest}&from=${from.name}`, digest, `${digest}&from=bob.test/elsewhere`]) {
    const { status, headers } = await mount(query)
    assert.deepEqual([status, headers.get('location')], [201, `/v2/${to.name}/blobs/${digest}`], query)
  }
  const nothing = await mount(`${sha256('nothing')}&from=${from.name}`)
  assert.deepEqual([nothing.status, nothing.headers.get('range')], [202, '0-0'])
  assert.equal((await to.request('DELETE', nothing.headers.get('location'))).status, 204)
  assert.deepEqual([(await mount('sha256:x')).status, (await mount('sha256:x')).code], [400, 'DIGEST_INVALID'])
})

await step('push: a manifest of 3.9 MB, and none of more than 5 MiB', async () => {
  const app = of('push/large')
  await app.blob('{}')
  const image = { schemaVersion: 2, mediaType: OCI_IMAGE, config: EMPTY, layers: [], annotations: { large: 'x'.repeat(3_900_000) } }
  const { digest } = await app.pushed('v1', image)
  assert.equal(sha256((await app.request('GET', 'manifests/v1')).bytes), digest)
  image.annotations.large = 'x'.repeat(5 * 1024 * 1024)
  const large = await app.put('v2', image)
  assert.deepEqual([large.status, large.code], [413, 'SIZE_INVALID'])
  assert.deepEqual(await app.tags(), ['v1'])
})

await step('push: fields that nobody knows are kept, byte for byte', async () => {
  const app = of('push')
  await app.blob('{}')
  const text = `{ "schemaVersion" : 2, "mediaType":"${OCI_IMAGE}","x-new":{"a":[1.5,-0,1e400]},\n"config":${JSON.stringify({ ...EMPTY, data: 'e30=', 'x-b': null })},"layers":[] }`
  assert.equal((await app.put('odd', text)).status, 201)
  const { bytes, headers } = await app.request('GET', 'manifests/odd')
  assert.deepEqual([bytes.toString(), headers.get('docker-content-digest')], [text, sha256(text)])
})

await step('push: layers that are elsewhere (urls) need not be here, others must', async () => {
  const app = of('push/urls')
  await app.blob('{}')
  const missing = { mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', digest: sha256('elsewhere'), size: 9 }
  const image = (layer) => ({ schemaVersion: 2, mediaType: OCI_IMAGE, config: EMPTY, layers: [layer] })
  await app.pushed('v1', image({ ...missing, urls: ['https://layers.example/x'] }))
  for (const layer of [missing, { ...missing, urls: [] }]) {
    const { status, code } = await app.put('v2', image(layer))
    assert.deepEqual([status, code], [400, 'MANIFEST_BLOB_UNKNOWN'])
  }
})

await step('push: an empty index, a nested one, and one whose manifests are not there', async () => {
  const app = of('push/index')
  const index = (...manifests) => ({ schemaVersion: 2, mediaType: OCI_INDEX, manifests })
  const empty = await app.pushed('empty', index())
  const image = await app.push('image')
  const inner = await app.pushed('inner', index(image, empty))
  await app.pushed('outer', index(inner))
  const { json, headers } = await app.request('GET', 'manifests/outer')
  assert.deepEqual([json.manifests[0].digest, headers.get('content-type')], [inner.digest, OCI_INDEX])
  const { status, code } = await app.put('x', index({ ...image, digest: sha256('none') }), OCI_INDEX)
  assert.deepEqual([status, code], [400, 'MANIFEST_BLOB_UNKNOWN'])
})

await step('push: a build cache, an index that lists its layers, is there as long as an image is', async () => {
  const app = of('push/cache')
  const layers = [await app.blob(randomBytes(70)), await app.blob(randomBytes(80))]
  const config = { ...(await app.blob('{"layers":[]}')), mediaType: 'application/vnd.buildkit.cacheconfig.v0' }
  const cache = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [...layers, config] }
  const { digest } = await app.pushed('cache', cache)
  // Garbage collection goes by what the hold and the owner's repository have of it.
  const query = new URLSearchParams({ repo: registry.hold.did, collection: 'io.atcr.hold.layer', limit: '100' })
  const { records } = await (await fetch(`${registry.hold.url}/xrpc/com.atproto.repo.listRecords?${query}`)).json()
  const known = records.filter(({ value }) => value.manifest.endsWith(digest.slice(7))).map(({ value }) => value.digest)
  const digests = cache.manifests.map((blob) => blob.digest)
  assert.deepEqual(known.sort(), [...digests].sort())
  assert.deepEqual((await record(alice, 'io.atcr.manifest', digest.slice(7))).layers.map((layer) => layer.digest), digests)
  for (const blob of digests) assert.equal((await app.request('GET', `blobs/${blob}`)).status, 307)
  const missing = { ...layers[0], digest: sha256('nowhere') }
  const { status, code } = await app.put('x', { ...cache, manifests: [missing] }, OCI_INDEX)
  assert.deepEqual([status, code], [400, 'MANIFEST_BLOB_UNKNOWN'])
})

await step('push: OCI-Subject, also of a subject that is not there', async () => {
  const app = of('push/subject')
  const image = await app.push('v1')
  const none = { ...image, digest: sha256('not there') }
  for (const subject of [image, none]) {
    const signature = { schemaVersion: 2, mediaType: OCI_IMAGE, artifactType: 'application/x', config: EMPTY, layers: [], subject }
    const text = JSON.stringify(signature)
    const { status, headers } = await app.put(sha256(text), text)
    assert.deepEqual([status, headers.get('oci-subject')], [201, subject.digest])
  }
  assert.equal((await app.put('v2', (await app.request('GET', 'manifests/v1')).bytes.toString())).headers.get('oci-subject'), null)
})

// --- pull

await step('pull: GET and HEAD of a manifest by tag and digest, with its type, length and digest', async () => {
  const app = of('pull')
  const { digest, size } = await app.push('v1')
  for (const reference of ['v1', digest, digest.replace(':', '%3A')]) {
    for (const method of ['GET', 'HEAD']) {
      const { status, headers, bytes } = await app.request(method, `manifests/${reference}`)
      const told = ['content-type', 'content-length', 'docker-content-digest'].map((name) => headers.get(name))
      assert.deepEqual([status, ...told], [200, OCI_IMAGE, String(size), digest], `${method} ${reference}`)
      assert.equal(bytes.length, method === 'GET' ? size : 0)
    }
  }
  assert.deepEqual(await app.refused('GET', 'manifests/none'), UNKNOWN_MANIFEST)
  assert.deepEqual(await app.refused('GET', `manifests/${sha256('none')}`), UNKNOWN_MANIFEST)
  assert.equal((await app.request('HEAD', 'manifests/none')).status, 404)
})

await step('pull: a blob, ranges of it, and what is none', async () => {
  const app = of('pull')
  const bytes = randomBytes(1000)
  const { digest } = await app.blob(bytes)
  const { status, headers } = await app.request('GET', `blobs/${digest}`)
  assert.deepEqual([status, headers.get('docker-content-digest')], [307, digest])
  const range = async (text) => {
    const response = await fetch(headers.get('location'), { headers: { range: text } })
    return [response.status, response.headers.get('content-range'), Buffer.from(await response.arrayBuffer())]
  }
  assert.deepEqual(await range('bytes=10-19'), [206, 'bytes 10-19/1000', bytes.subarray(10, 20)])
  assert.deepEqual(await range('bytes=990-'), [206, 'bytes 990-999/1000', bytes.subarray(990)])
  assert.deepEqual(await range('bytes=-5'), [206, 'bytes 995-999/1000', bytes.subarray(995)])
  assert.deepEqual((await range('bytes=1000-')).slice(0, 2), [416, 'bytes */1000'])
  assert.deepEqual(await app.refused('GET', `blobs/${sha256('none')}`), [404, 'BLOB_UNKNOWN'])
  assert.equal((await app.request('HEAD', `blobs/${sha256('none')}`)).status, 404)
})

// --- content discovery

await step('discovery: tags in order, in pages, behind a last alone', async () => {
  const app = of('discovery')
  const tags = ['_x', 'a', 'B', 'b', 'v1', 'v10', 'v2']
  await app.push('a')
  const text = (await app.request('GET', 'manifests/a')).bytes.toString()
  for (const tag of tags) await app.put(tag, text)
  assert.deepEqual(await app.tags(), tags)
  const seen = []
  let next = `/v2/${app.name}/tags/list?n=3`
  while (next) {
    const { json, headers } = await app.request('GET', next)
    assert(json.tags.length <= 3)
    seen.push(...json.tags)
    next = headers.get('link')?.match(/^<([^>]+)>; rel="next"$/)[1]
  }
  assert.deepEqual(seen, tags)
  assert.deepEqual(await app.tags('?last=b'), ['v1', 'v10', 'v2'])
  assert.deepEqual(await app.tags('?last=c'), ['v1', 'v10', 'v2'], 'a last that is no tag')
  assert.deepEqual(await app.tags('?n=2&last=v10'), ['v2'])
  assert.deepEqual(await app.tags('?n=0'), [])
  assert.deepEqual(await app.tags('?n=99'), tags)
  for (const n of ['-1', 'x', '1.5']) assert.deepEqual(await app.tags(`?n=${n}`), [400, 'UNSUPPORTED'], n)
  assert.deepEqual(await of('none').tags(), [404, 'NAME_UNKNOWN'])
})

/** A manifest that says something of `subject`. */
const about = (subject, more) => ({ schemaVersion: 2, mediaType: OCI_IMAGE, config: EMPTY, layers: [], subject, ...more })

/** What is answered of the referrers of a digest, over all pages. */
async function referrers(app, digest, query = '') {
  const found = []
  let next = `/v2/${app.name}/referrers/${digest}${query}`
  while (next) {
    const { status, json, headers } = await app.request('GET', next)
    assert.deepEqual([status, headers.get('content-type'), json.mediaType, json.schemaVersion], [200, OCI_INDEX, OCI_INDEX, 2])
    assert.equal(headers.get('oci-filters-applied'), query.includes('artifactType') ? 'artifactType' : null)
    found.push(...json.manifests)
    next = headers.get('link')?.match(/^<([^>]+)>; rel="next"$/)[1]
  }
  return found.sort((one, other) => (one.digest < other.digest ? -1 : 1))
}

const sorted = (...descriptors) => descriptors.sort((one, other) => (one.digest < other.digest ? -1 : 1))

await step('discovery: no referrers, of an empty repository and of a digest that is not there', async () => {
  for (const name of ['nothing/at/all', 'discovery']) assert.deepEqual(await referrers(of(name), sha256('none')), [])
  assert.deepEqual(await of('discovery').refused('GET', 'referrers/latest'), [400, 'DIGEST_INVALID'])
  assert.deepEqual(await of('discovery').refused('PUT', `referrers/${sha256('none')}`), [405, 'UNSUPPORTED'])
})

await step('discovery: referrers with their kind and annotations, filtered, and gone when deleted', async () => {
  const app = of('referrers')
  const image = await app.push('v1')
  const annotations = { 'org.example.a': 'b' }
  const signature = await app.pushed(undefined, about(image, { artifactType: 'application/vnd.example.sig', annotations }))
  const config = { ...EMPTY, mediaType: 'application/vnd.example.config' }
  const older = await app.pushed(undefined, about(image, { config }))
  const index = await app.pushed(undefined, { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [], subject: image })
  const all = sorted(
    { ...signature, artifactType: 'application/vnd.example.sig', annotations },
    { ...older, artifactType: 'application/vnd.example.config' },
    index,
  )
  assert.deepEqual(await referrers(app, image.digest), all)
  const filtered = await referrers(app, image.digest, '?artifactType=application/vnd.example.sig')
  assert.deepEqual(filtered.map(({ digest }) => digest), [signature.digest])
  assert.deepEqual(await referrers(app, image.digest, '?artifactType=application/none'), [])
  assert.equal((await app.request('DELETE', `manifests/${signature.digest}`)).status, 202)
  assert.deepEqual(await referrers(app, image.digest), all.filter(({ digest }) => digest !== signature.digest))
  await appview.kill()
  await appview.start()
  assert.deepEqual(await referrers(app, image.digest), all.filter(({ digest }) => digest !== signature.digest))
})

/** A call of the account's own, past the registry. */
async function atPds(method, body, type = 'application/json') {
  const headers = { authorization: `Bearer ${alice.accessJwt}`, 'content-type': type }
  const response = await fetch(`${stack.pds}/xrpc/com.atproto.repo.${method}`, { method: 'POST', headers, body })
  assert(response.ok, `${method}: ${response.status}`)
  return response.json()
}

await step('discovery: referrers that were pushed and deleted elsewhere', async () => {
  const app = of('referrers/elsewhere')
  const image = await app.push('v1')
  const here = await app.pushed(undefined, about(image, { artifactType: 'application/here' }))
  const digests = async () => (await referrers(app, image.digest)).map(({ digest }) => digest)
  assert.deepEqual(await digests(), [here.digest])
  const manifest = about(image, { artifactType: 'application/elsewhere', annotations: { a: 'b' } })
  const text = JSON.stringify(manifest)
  const { blob } = await atPds('uploadBlob', text, OCI_IMAGE)
  const collection = 'io.atcr.manifest'
  const write = { repo: alice.did, collection, rkey: sha256(text).slice(7) }
  const value = { $type: collection, repository: 'referrers/elsewhere', digest: sha256(text), mediaType: OCI_IMAGE, schemaVersion: 2 }
  // No kind, no annotations: they stand in the bytes. And one that lies about its subject.
  const other = await record(alice, collection, image.digest.slice(7))
  await atPds('putRecord', JSON.stringify({ ...write, record: { ...value, subject: image, manifestBlob: blob, createdAt: new Date().toISOString() } }))
  await atPds('putRecord', JSON.stringify({ repo: alice.did, collection, rkey: image.digest.slice(7), record: { ...other, subject: image } }))
  const eventually = async (wanted) => {
    const deadline = performance.now() + 20_000
    while (JSON.stringify(await digests()) !== JSON.stringify(wanted.sort()) && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
    assert.deepEqual(await digests(), wanted.sort())
  }
  await eventually([here.digest, sha256(text)])
  const [found] = await referrers(app, image.digest, '?artifactType=application/elsewhere')
  assert.deepEqual([found.size, found.annotations], [Buffer.byteLength(text), { a: 'b' }])
  await atPds('deleteRecord', JSON.stringify({ repo: alice.did, collection, rkey: here.digest.slice(7) }))
  await eventually([sha256(text)])
})

await step('discovery: more referrers than a page has', async () => {
  const app = of('referrers/many')
  const image = await app.push('v1')
  const numbers = Array.from({ length: 110 }, (_, number) => number)
  while (numbers.length > 0) {
    await Promise.all(numbers.splice(0, 3).map((number) => app.pushed(undefined, about(image, { annotations: { number: String(number) } }))))
  }
  const { json, headers } = await app.request('GET', `referrers/${image.digest}`)
  assert.equal(json.manifests.length, 100)
  assert.match(headers.get('link'), /last=sha256%3A[0-9a-f]{64}>; rel="next"/)
  const all = await referrers(app, image.digest, '?artifactType=application/vnd.oci.empty.v1%2Bjson')
  assert.equal(new Set(all.map(({ digest }) => digest)).size, 110)
})

// --- names and refusals

await step('names: what is none is refused, also in the place of a tag', async () => {
  const app = of('names')
  const get = async (target) => app.refused('GET', target)
  for (const name of ['Alice.test/app', 'alice.test/App', 'alice.test/a..b', 'alice.test/-a', `alice.test/${'a'.repeat(256)}`]) {
    assert.deepEqual(await get(`/v2/${name}/manifests/v1`), [400, 'NAME_INVALID'], name)
    assert.deepEqual(await get(`/v2/${name}/tags/list`), [400, 'NAME_INVALID'], name)
    assert.deepEqual(await app.refused('POST', `/v2/${name}/blobs/uploads/`), [400, 'NAME_INVALID'], name)
  }
  const { digest } = EMPTY
  // Names of another registry, for which a client may have this one as its mirror.
  for (const name of ['alpine', 'library/alpine', 'alice/team/app']) {
    for (const target of ['manifests/v1', `manifests/${digest}`, `blobs/${digest}`, 'tags/list', `referrers/${digest}`]) {
      assert.deepEqual(await get(`/v2/${name}/${target}`), [404, 'NAME_UNKNOWN'], `${name} ${target}`)
    }
    assert.equal((await fetch(`${appview.url}/v2/${name}/manifests/v1`, { method: 'HEAD' })).status, 404)
    for (const [method, target] of [['POST', 'blobs/uploads/'], ['PUT', 'manifests/v1'], ['DELETE', 'manifests/v1']]) {
      assert.deepEqual(await app.refused(method, `/v2/${name}/${target}`), [400, 'NAME_INVALID'], `${name} ${target}`)
    }
  }
  for (const tag of ['.x', '-x', 'a b', 'x'.repeat(129), 'ü', 'a+b']) {
    assert.deepEqual(await get(`manifests/${encodeURIComponent(tag)}`), [400, 'DIGEST_INVALID'], tag)
  }
  assert.deepEqual(await get('/v2/nobody.test/app/tags/list'), [401, 'UNAUTHORIZED'])
  const token = await appview.token('repository:nobody.test/app:pull')
  const nobody = await appview.call(token, 'GET', '/v2/nobody.test/app/tags/list')
  assert.deepEqual([nobody.status, nobody.code], [404, 'NAME_UNKNOWN'])
})

await step('refusals: methods and uploads that are none', async () => {
  const app = of('names')
  for (const [method, target] of [['POST', 'manifests/v1'], ['PUT', 'tags/list'], ['PUT', 'blobs/uploads/'], ['GET', 'blobs/uploads/'], ['POST', `blobs/${EMPTY.digest}`]]) {
    assert.deepEqual(await app.refused(method, target), [405, 'UNSUPPORTED'], `${method} ${target}`)
  }
  for (const [method, id] of [['GET', '0'.repeat(32)], ['PATCH', '0'.repeat(32)], ['PUT', `${'0'.repeat(32)}?digest=${EMPTY.digest}`], ['DELETE', 'x'], ['PATCH', '..']]) {
    if (id === '..') continue
    assert.deepEqual(await app.refused(method, `blobs/uploads/${id}`, method === 'GET' || method === 'DELETE' ? {} : { body: '' }), [404, 'BLOB_UPLOAD_UNKNOWN'], id)
  }
  const place = (await app.request('POST', 'blobs/uploads/')).headers.get('location')
  const id = place.split('/').pop()
  assert.deepEqual(await of('names/other').refused('GET', `blobs/uploads/${id}`), [404, 'BLOB_UPLOAD_UNKNOWN'], 'of another repository')
})

// --- hostile manifests

const INVALID_MANIFEST = [400, 'MANIFEST_INVALID']
const told = ({ status, code }) => [status, code]
const withLayers = (layers) => JSON.stringify({ schemaVersion: 2, mediaType: OCI_IMAGE, config: EMPTY, layers })

await step('hostile: 2,000 layers that are there are an image, one more is none, and missing ones are missing', async () => {
  const app = of('hostile/layers')
  await app.blob('{}')
  const layer = await app.blob('a layer')
  const list = (count, layer) => Array.from({ length: count }, layer)
  for (const count of [2_001, 10_000]) {
    const large = withLayers(list(count, () => layer))
    const refused = await app.put('large', large)
    assert.deepEqual(told(refused), INVALID_MANIFEST)
    assert.match(refused.json.errors[0].message, /more than 2000 layers/)
    assert.equal(await record(alice, 'io.atcr.manifest', sha256(large).slice(7)), undefined)
  }
  const elsewhere = withLayers(list(10_000, () => ({ ...layer, urls: ['https://layers.example/x'] })))
  assert.deepEqual(told(await app.put('elsewhere', elsewhere)), [413, 'SIZE_INVALID'], 'no hold has them, and no record')
  const missing = withLayers(list(2_000, (_, number) => ({ ...layer, digest: sha256(String(number)) })))
  const began = performance.now()
  assert.deepEqual(told(await app.put('missing', missing)), [400, 'MANIFEST_BLOB_UNKNOWN'])
  assert(performance.now() - began < 5000, 'the first one that is missing is enough')
  const image = withLayers(list(2_000, () => layer))
  assert.equal((await app.put('v1', image)).status, 201)
  assert.equal((await app.request('GET', 'manifests/v1')).bytes.toString(), image)
  assert.equal((await record(alice, 'io.atcr.manifest', sha256(image).slice(7))).layers.length, 2_000)
  assert.deepEqual(await app.tags(), ['v1'])
})

await step('hostile: an index of 10,000 manifests that are not there', async () => {
  const app = of('hostile/index')
  const manifests = Array.from({ length: 5_000 }, (_, number) => ({ mediaType: OCI_IMAGE, digest: sha256(String(number)), size: 1 }))
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests }
  assert.deepEqual(told(await app.put('x', index, OCI_INDEX)), [400, 'MANIFEST_BLOB_UNKNOWN'])
  index.manifests = [...manifests, ...manifests]
  assert.deepEqual(told(await app.put('x', index, OCI_INDEX)), [413, 'SIZE_INVALID'])
})

await step('hostile: a name that stands twice, wherever it has a meaning', async () => {
  const app = of('hostile/twice')
  await app.blob('{}')
  const fields = { schemaVersion: '2', mediaType: `"${OCI_IMAGE}"`, config: JSON.stringify(EMPTY), layers: '[]', artifactType: '"a/b"', annotations: '{}', subject: JSON.stringify(EMPTY) }
  const text = (more = '') => `{${Object.entries(fields).map(([name, value]) => `"${name}":${value}`).join(',')}${more}}`
  assert.equal((await app.put('v1', text())).status, 201)
  for (const [name, value] of Object.entries(fields)) {
    assert.deepEqual(told(await app.put('x', text(`,"${name}":${value}`))), INVALID_MANIFEST, name)
    // The same name in another spelling.
    const escaped = `\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}`
    assert.deepEqual(told(await app.put('x', text(`,"${escaped}":${value}`))), INVALID_MANIFEST, escaped)
  }
  for (const name of Object.keys(EMPTY)) {
    const twice = JSON.stringify(EMPTY).replace('{', `{"${name}":${JSON.stringify(EMPTY[name])},`)
    assert.deepEqual(told(await app.put('x', withLayers([]).replace(JSON.stringify(EMPTY), twice))), INVALID_MANIFEST, name)
  }
})

await step('hostile: depth, and what is no JSON', async () => {
  const app = of('hostile/depth')
  await app.blob('{}')
  const deep = (open, close, count) => open.repeat(count) + close.repeat(count)
  const image = withLayers([])
  for (const [open, close] of [['[', ']'], ['{"a":', '}']]) {
    const within = (name, count) => image.replace('{', `{"${name}":${deep(open, close, count).replace('}', '1}').replace('[]', '[1]')},`)
    for (const name of ['annotations', 'layers', 'config']) {
      assert.deepEqual(told(await app.put('x', within(name, 100_000))), INVALID_MANIFEST, name)
    }
    const odd = within('x-odd', 100_000)
    const { status, code } = await app.put('odd', odd)
    assert.deepEqual([status, code], [201, ''], 'nobody reads what nobody knows')
    assert.equal((await app.request('GET', 'manifests/odd')).bytes.toString(), odd)
  }
  const bad = ['', '{', '[]', 'null', '1', '"x"', `${image}x`, image.slice(0, -1), image.replace('2', '2.0'), image.replace('2', '"2"'), `\ufeff${image}`, image.replace('2', '02'), image.replace('"layers"', '"layers\u0000"')]
  for (const text of bad) assert.deepEqual(told(await app.put('x', text)), INVALID_MANIFEST, text)
  assert.deepEqual(told(await app.put('x', Buffer.from(image.replace('schemaVersion', 'schema\u00ffVersion'), 'latin1').toString('latin1'))), INVALID_MANIFEST)
})

await step('hostile: annotations of all that a manifest may have, and of kinds that they are not', async () => {
  const app = of('hostile/annotations')
  await app.blob('{}')
  const image = (annotations) => ({ schemaVersion: 2, mediaType: OCI_IMAGE, config: EMPTY, layers: [], annotations })
  const room = 5 * 1024 * 1024 - Buffer.byteLength(JSON.stringify(image({ large: '' })))
  const largest = await app.pushed('v1', image({ large: 'x'.repeat(room) }))
  assert.equal(largest.size, 5 * 1024 * 1024)
  assert.equal(sha256((await app.request('GET', 'manifests/v1')).bytes), largest.digest)
  assert.equal((await record(alice, 'io.atcr.manifest', largest.digest.slice(7))).annotations, undefined)
  assert.deepEqual(told(await app.put('x', image({ large: 'x'.repeat(room + 1) }))), [413, 'SIZE_INVALID'])
  for (const odd of [{ a: 1.5 }, { a: null }, { a: { b: [2 ** 60] } }, { a: 'b', c: 1e300 }]) {
    const { digest } = await app.pushed('odd', image(odd))
    assert.equal((await app.request('GET', 'manifests/odd')).bytes.toString(), JSON.stringify(image(odd)))
    assert.equal((await record(alice, 'io.atcr.manifest', digest.slice(7))).annotations, undefined)
  }
  for (const none of [[], 'x', 1]) assert.deepEqual(told(await app.put('x', image(none))), INVALID_MANIFEST)
  assert.deepEqual(await app.tags(), ['odd', 'v1'])
})

await step('hostile: digests and sizes of what a manifest names that are none', async () => {
  const app = of('hostile/digests')
  await app.blob('{}')
  const hex = EMPTY.digest.slice(7)
  for (const digest of [`sha512:${hex}${hex}`, `md5:${hex.slice(32)}`, `sha256:${hex.toUpperCase()}`, `sha256:${hex.slice(1)}`, `sha256:${hex}0`, hex, '', 'sha256:', `sha256: ${hex.slice(1)}`, 7, null]) {
    for (const where of ['config', 'layers', 'subject']) {
      const bad = { ...EMPTY, digest }
      const manifest = { ...JSON.parse(withLayers([])), [where]: where === 'layers' ? [bad] : bad }
      assert.deepEqual(told(await app.put('x', manifest)), INVALID_MANIFEST, `${where} ${digest}`)
    }
    const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [{ ...EMPTY, digest }] }
    assert.deepEqual(told(await app.put('x', index, OCI_INDEX)), INVALID_MANIFEST, `manifests ${digest}`)
  }
  for (const size of ['-1', '1.5', '"2"', 'null', '9007199254740992', '18446744073709551616', '1e3']) {
    const text = withLayers([]).replace('"size":2', `"size":${size}`)
    assert.deepEqual(told(await app.put('x', text)), INVALID_MANIFEST, size)
  }
  assert.deepEqual(await app.tags(), [404, 'NAME_UNKNOWN'])
})

await step('hostile: a layer that is elsewhere is neither asked for nor sent to anybody', async () => {
  const app = of('hostile/urls')
  await app.blob('{}')
  const missing = { mediaType: 'application/x', digest: sha256('elsewhere'), size: 9 }
  for (const urls of [['http://169.254.169.254/'], ['javascript:alert(1)'], ['file:///etc/passwd'], ['\r\nX: y'], Array(10_000).fill('https://a.example')]) {
    const { digest } = await app.pushed('v1', { ...JSON.parse(withLayers([])), layers: [{ ...missing, urls }] })
    assert.equal((await app.request('GET', `manifests/${digest}`)).status, 200)
    assert.deepEqual(await app.refused('GET', `blobs/${missing.digest}`), [404, 'BLOB_UNKNOWN'])
  }
  for (const urls of ['x', [1], [null], null, {}]) {
    assert.deepEqual(told(await app.put('x', { ...JSON.parse(withLayers([])), layers: [{ ...missing, urls }] })), INVALID_MANIFEST)
  }
})

// --- bounds

await step('bounds: of uploads, of what waits on the disk, and of the disk: each with its status and code', async () => {
  const app = of('bounds')
  const toml = path.join(work, 'appview.toml')
  const limited = async (lines) => {
    await writeFile(toml, lines)
    await appview.kill()
    appview.arguments = ['--config', toml]
    await appview.start()
  }
  const begin = () => app.request('POST', 'blobs/uploads/')
  const whole = ({ status, code, headers }) => [status, code, headers.get('retry-after')]
  // Too small for a part of its own: it waits on the disk.
  const chunk = (place, bytes) => app.request('PATCH', place, { body: bytes })
  const open = []
  const places = async (count) => {
    for (; count > 0; count -= 1) {
      const begun = await begin()
      assert.equal(begun.status, 202, begun.code)
      open.push(begun.headers.get('location'))
    }
  }
  const close = async () => {
    while (open.length > 0) assert.equal((await app.request('DELETE', open.pop())).status, 204)
  }
  await close()
  await limited('limits.uploads_per_account = 2\n')
  const had = await begin()
  assert.deepEqual(whole(had), [429, 'TOOMANYREQUESTS', '5'], 'those that were never ended count')
  await limited('limits.uploads_total = 1\n')
  assert.deepEqual(whole(await begin()), [503, 'UNAVAILABLE', '5'])
  await limited('limits.spool_bytes_per_account = 16777216\n')
  await places(2)
  for (let number = 0; number < 16; number += 1) assert.equal((await chunk(open[0], randomBytes(1_000_000))).status, 202)
  assert.deepEqual(whole(await chunk(open[1], randomBytes(800_000))), [429, 'TOOMANYREQUESTS', '5'])
  assert.equal((await app.request('GET', open[1])).headers.get('range'), '0-0', 'nothing of it was taken')
  const bytes = randomBytes(100)
  const streamed = await app.request('POST', `blobs/uploads/?digest=${sha256(bytes)}`, { body: bytes })
  assert.equal(streamed.status, 201, 'what is whole needs no disk')
  await close()
  await limited(`limits.reserve_bytes = ${2 ** 50}\n`)
  await places(1)
  assert.deepEqual(whole(await chunk(open[0], 'x')), [507, 'UNAVAILABLE', null])
  assert.equal((await app.request('POST', `blobs/uploads/?digest=${sha256(bytes)}`, { body: bytes })).status, 201)
  await close()
  await limited('')
  await places(1)
  assert.equal((await chunk(open[0], 'x')).status, 202)
  await close()
})

if (!allHeld()) console.log(appview.lastLogLines(40).join('\n'))
const held = sum()
await registry.stop()
await stack.stop()
process.exit(held ? 0 : 1)
