// The pages of the front end over a real PDS and real holds: what they say of images that skopeo pushed, to whom; whose records
// are proven; what hostile records and servers that are away make of them. Then Chromium looks at each.
//
//   site.mjs HOLD APPVIEW WORK_DIR CHROMIUM FOLDER    no CHROMIUM: no screenshots; no FOLDER: they are thrown away
//
// The last line is the sum: "appview: N passed, N failed". Exit 1 when any failed.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import http from 'node:http'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { deflateSync } from 'node:zlib'
import { startStackInParts } from '../demo/processes.mjs'
import { serviceToken } from '../stack/account.mjs'
import { makeImage, makeIndex, OCI_IMAGE, OCI_INDEX, sha256 } from './images.mjs'
import { Person } from './pages.mjs'
import { newAccount, Registry } from './registry.mjs'
import { allHeld, step, sum } from './steps.mjs'

const run = promisify(execFile)
const [holdBinary, appviewBinary, work, chromium, folder] = process.argv.slice(2)
const stack = await startStackInParts(work)
const [alice, bob] = await Promise.all(['alice.test', 'bob.test'].map((handle) => newAccount(stack.pds, handle)))
const binaries = { hold: holdBinary, appview: appviewBinary }
const registry = await Registry.start({ binaries, work, stack, owner: alice })
const hidden = await Registry.start({
  binaries,
  work: path.join(work, 'private'),
  stack,
  owner: bob,
  settings: { HOLD_PUBLIC: 'false', HOLD_ALLOW_ALL_CREW: 'false' },
})
const originOf = ({ url }) => url.replace('localhost', '127.0.0.1')
const origin = originOf(registry.appview)

const push = (app, at, name, { handle, appPassword }) =>
  run('skopeo', ['--insecure-policy', 'copy', '--all', '--preserve-digests', '--dest-tls-verify=false', '--dest-creds', `${handle}:${appPassword}`, app.source, `docker://${at.host}/${name}`])

/** A page as a browser without scripts, cookies or patience sees it. */
async function open(target, at = origin, headers = { accept: 'text/html' }) {
  const response = await fetch(`${at}${target}`, { redirect: 'manual', headers })
  return { status: response.status, location: response.headers.get('location'), headers: response.headers, text: await response.text() }
}

/** Writes what anybody may write into their own repository. */
async function call(account, method, body, type = 'application/json') {
  const response = await fetch(`${stack.pds}/xrpc/${method}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${account.accessJwt}`, 'content-type': type },
    body: type === 'application/json' ? JSON.stringify(body) : body,
  })
  const answer = await response.json()
  return response.ok ? answer : Promise.reject(new Error(JSON.stringify(answer)))
}
const put = (account, collection, rkey, record) =>
  call(account, 'com.atproto.repo.putRecord', { repo: account.did, collection, rkey, record: { $type: collection, ...record }, validate: false })
const upload = async (account, bytes, type) => (await call(account, 'com.atproto.repo.uploadBlob', bytes, type)).blob

/** A square of one colour. */
function png(width, red, green, blue) {
  const chunk = (kind, data) => {
    const body = Buffer.concat([Buffer.from(kind), data])
    let crc = ~0
    for (const byte of body) {
      crc ^= byte
      for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
    }
    const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)]
    length.writeUInt32BE(data.length)
    check.writeUInt32BE(~crc >>> 0)
    return Buffer.concat([length, body, check])
  }
  const head = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0])
  head.writeUInt32BE(width, 0)
  head.writeUInt32BE(width, 4)
  const row = Buffer.concat([Buffer.from([0]), Buffer.from(Array.from({ length: width }, () => [red, green, blue]).flat())])
  const pixels = deflateSync(Buffer.concat(Array.from({ length: width }, () => row)))
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', head), chunk('IDAT', pixels), chunk('IEND', Buffer.alloc(0))])
}

// --- what there is

const HISTORY = [
  { created_by: '/bin/sh -c #(nop) ADD file:4b1be1de1a1e5aa608c688cad2824587262081866180d7368feb79d33ca05953 in / ' },
  { created_by: '/bin/sh -c #(nop)  CMD ["/bin/sh"]', empty_layer: true },
  { created_by: 'RUN /bin/sh -c apk add --no-cache ca-certificates && adduser -D app # buildkit' },
  { created_by: 'COPY target/release/harbour /usr/bin/harbour # buildkit' },
  { created_by: 'ENTRYPOINT ["/usr/bin/harbour"]', empty_layer: true },
]
const annotations = {
  'org.opencontainers.image.description': 'Watches the tide, and tells the harbour office when a ship may leave.',
  'org.opencontainers.image.source': 'https://code.example/harbour/tides',
  'org.opencontainers.image.licenses': 'MIT',
  'org.example.hostile': '\u202e<script>alert(1)</script>',
  'org.example.link': 'javascript:alert(1)',
}
const config = { history: HISTORY, created: '2026-11-20T09:30:00Z' }
const app = await makeImage(path.join(work, 'app'), [2_900_000, 400_000, 7_100_000], { config, annotations })
const both = await makeIndex(path.join(work, 'both'))
const secret = await makeImage(path.join(work, 'secret'), [1000], { config: { history: [{ created_by: 'RUN the-secret-step' }] } })

/** Attaches something to the image, as tools do: an image of its own with a subject. */
async function attach(artifactType) {
  const token = await registry.appview.token('repository:alice.test/tides:pull,push', 'alice.test', alice.appPassword)
  const blob = Buffer.from('{}')
  await registry.appview.call(token, 'POST', `/v2/alice.test/tides/blobs/uploads/?digest=${sha256(blob)}`, { body: blob })
  const empty = { mediaType: 'application/vnd.oci.empty.v1+json', digest: sha256(blob), size: 2 }
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType: OCI_IMAGE, artifactType, config: empty, layers: [empty], subject: app.manifest })
  const put = await registry.appview.call(token, 'PUT', `/v2/alice.test/tides/manifests/${sha256(manifest)}`, { body: manifest, headers: { 'content-type': OCI_IMAGE } })
  assert.equal(put.status, 201, put.code)
}

const README = `# Tides

Watches the tide at a pier, and **tells** the harbour office.

## Run it

\`\`\`sh
docker run --rm -p 8080:8080 REGISTRY/alice.test/tides
\`\`\`

| Variable | Meaning | Default |
|---|---|---|
| \`PIER\` | Where to measure | \`north\` |
| \`EVERY\` | How often | \`10m\` |

- reads the sensors
- keeps nothing

> The sea is the last word. [Read more](https://code.example/harbour/tides).
`
const HOSTILE = '<script>alert(1)</script>\n\n<img src=x onerror=alert(2)>\n\n[x](javascript:alert(3)) ![y](https://tracker.example/p.png)\n\n\u202etxt <svg onload=alert(4)>'

await step('what skopeo pushed is on the front page, on its owner’s and on its own', async () => {
  for (const tag of ['v1.0.0', 'latest']) await push(app, registry.appview, `alice.test/tides:${tag}`, alice)
  await push(both, registry.appview, 'alice.test/team/tools:both', alice)
  await attach('application/vnd.dev.cosign.artifact.sig.v1+json')
  await attach('application/spdx+json')
  const avatar = await upload(alice, png(64, 11, 102, 112), 'image/png')
  await put(alice, 'app.bsky.actor.profile', 'self', { displayName: 'Alice of the harbour office', description: 'Ships, tides and containers.', avatar })
  const now = new Date().toISOString()
  const picture = await upload(alice, png(64, 163, 90, 24), 'image/png')
  await put(alice, 'io.atcr.repo.page', 'tides', { repository: 'tides', description: README, avatar: picture, createdAt: now, updatedAt: now })
  await put(alice, 'io.atcr.repo.page', 'team~tools', { repository: 'team/tools', description: HOSTILE, createdAt: now, updatedAt: now })
  const front = await open('/')
  assert.equal(front.status, 200)
  assert.match(front.text, /href="\/alice\.test\/tides"/)
  const owner = await open('/alice.test')
  for (const shown of ['Alice of the harbour office', 'Ships, tides and containers.', alice.did, 'href="/alice.test/team/tools"', '2 tags', annotations['org.opencontainers.image.description']]) {
    assert(owner.text.includes(shown), shown)
  }
  const page = await open('/alice.test/tides')
  for (const shown of ['docker pull', `${registry.appview.host}/alice.test/tides:latest`, 'href="/alice.test/tides:v1.0.0"', '10.4 MB', '<h3>Tides</h3>', '<td>Where to measure</td>', '2 tags']) {
    assert(page.text.includes(shown), `${shown}\n${page.text}`)
  }
})

await step('an image’s page shows its layers, its making, what is attached to it, and that its record is proven', async () => {
  const page = await open('/alice.test/tides:v1.0.0')
  assert.equal(page.status, 200, page.text)
  for (const shown of ['<b>Proven.</b>', '<b>The tag is proven.</b>', app.manifest.digest, 'linux/amd64', 'RUN apk add', 'COPY target/release/harbour /usr/bin/harbour</code>', '7.1 MB', 'Signature', 'Bill of materials', 'href="https://code.example/harbour/tides"']) {
    assert(page.text.includes(shown), `${shown}\n${page.text}`)
  }
  assert.doesNotMatch(page.text, /href="javascript|<script>alert|\u202e/)
  const index = await open(`/alice.test/team/tools@${both.manifest.digest}`)
  for (const shown of ['linux/amd64', 'linux/arm64', `@${both.images[1].manifest.digest}`]) assert(index.text.includes(shown), shown)
})

await step('one page has one address, and what is not there is said', async () => {
  const plc = alice.did.replaceAll(':', '-')
  for (const [asked, there] of [
    [`/${alice.did}`, '/alice.test'],
    [`/${plc}/tides`, '/alice.test/tides'],
    [`/@alice.test/`, '/alice.test'],
    ['/Alice.Test/tides:latest', '/alice.test/tides:latest'],
    [`/${plc}/tides@${app.manifest.digest}`, `/alice.test/tides@${app.manifest.digest}`],
  ]) {
    const page = await open(asked)
    assert.deepEqual([page.status, page.location], [303, there], asked)
  }
  for (const asked of ['/nobody.test', '/alice.test/none', '/alice.test/tides:none', `/alice.test/tides@sha256:${'7'.repeat(64)}`, '/nothing', '/alice.test/..%2f', '//evil.example', '/alice.test/a b']) {
    const page = await open(asked)
    assert.equal(page.status, 404, `${asked} ${page.text}`)
    assert.match(page.text, /<h1>Not found<\/h1>/)
  }
  const program = await open('/nothing', origin, { accept: '*/*' })
  assert.deepEqual([program.status, program.headers.get('content-type')], [404, 'application/json'])
  assert.equal((await open('/robots.txt')).headers.get('content-type'), 'text/plain; charset=utf-8')
})

await step('pictures come from here, and are pictures', async () => {
  const picture = await open('/picture/alice.test')
  assert.deepEqual([picture.status, picture.headers.get('content-type'), picture.headers.get('x-content-type-options')], [200, 'image/png', 'nosniff'])
  assert.match(picture.headers.get('content-security-policy'), /sandbox/)
  const etag = picture.headers.get('etag')
  const known = await open('/picture/alice.test', origin, { 'if-none-match': etag })
  assert.deepEqual([known.status, known.text, known.headers.get('etag')], [304, '', etag])
  assert.equal((await open('/picture/alice.test', origin, { 'if-none-match': '"other"' })).status, 200)
  assert.equal((await open('/picture/alice.test/tides')).status, 200)
  assert.equal((await open('/picture/alice.test/team/tools')).status, 404)
  const svg = await upload(bob, Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'), 'image/svg+xml')
  await put(bob, 'app.bsky.actor.profile', 'self', { displayName: '<b>\u202eBob</b>', description: 'x'.repeat(50_000), avatar: svg })
  assert.equal((await open('/picture/bob.test')).status, 404)
  const page = await open('/bob.test')
  assert(page.text.includes('&#60;b&#62;Bob&#60;/b&#62;') && page.text.length < 20_000, page.text)
})

await step('hostile Markdown does nothing', async () => {
  const page = await open('/alice.test/team/tools')
  assert.doesNotMatch(page.text, /<script>alert|<img src=x|<svg onload|href="javascript|src="https|\u202e/)
  assert.match(page.text, /<a href="https:\/\/tracker\.example\/p\.png" rel="nofollow ugc noopener">y<\/a>/)
})

await step('of a private hold a stranger sees what is public, and its crew more', async () => {
  const at = originOf(hidden.appview)
  await push(secret, hidden.appview, 'bob.test/vault:v1', bob)
  assert.doesNotMatch((await open('/', at)).text, /bob\.test\/vault/)
  const page = await open('/bob.test/vault:v1', at)
  assert(page.text.includes('The hold of this image is private') && !page.text.includes('the-secret-step'), page.text)
  assert(page.text.includes(secret.layers[0].digest), 'the manifest is public')
  const repository = await open('/bob.test/vault', at)
  assert(repository.text.includes(`docker login ${hidden.appview.host}</code>`), `who pulls signs in first: ${repository.text}`)
  assert.doesNotMatch((await open('/alice.test/tides')).text, /docker login/)
  const owner = new Person(at, bob)
  await owner.signIn()
  const mine = await owner.open('/bob.test/vault:v1')
  assert(mine.text.includes('the-secret-step'), mine.text)
  const other = new Person(at, alice)
  await other.signIn()
  const theirs = await other.open('/bob.test/vault:v1')
  assert(theirs.text.includes('you are not of its crew') && !theirs.text.includes('the-secret-step'), theirs.text)
})

const AWKWARD = `${'a-name-without-an-end-'.repeat(9)}of-an-image`
const TAG = `v${'1234567890'.repeat(12)}`
const OTHER_SCRIPTS = `# ميناء الصيد

يراقب **المد** والجزر، ويخبر المكتب \`docker run\`.

- واحد
- اثنان 👨‍👩‍👧

> البحر هو الكلمة الأخيرة.

| المتغير | المعنى |
|---|---|
| \`PIER\` | أين يقاس |

Then a paragraph in English 🚢, and ${'a-word-without-an-end'.repeat(20)}.
`

await step('names and tags of any length, and texts of any script, are shown', async () => {
  const annotations = { 'org.opencontainers.image.description': `صورة ${'طويلة '.repeat(60)} 🚢`, [`org.example.${'long.'.repeat(40)}`]: 'x'.repeat(2000) }
  const image = await makeImage(path.join(work, 'awkward'), [700], { config: { history: [{ created_by: `RUN ${'y'.repeat(3000)}` }] }, annotations })
  await push(image, registry.appview, `alice.test/${AWKWARD}:${TAG}`, alice)
  const now = new Date().toISOString()
  await put(alice, 'io.atcr.repo.page', AWKWARD, { repository: AWKWARD, description: OTHER_SCRIPTS, createdAt: now, updatedAt: now })
  const page = await open(`/alice.test/${AWKWARD}`)
  assert.equal(page.status, 200, page.text)
  for (const shown of [AWKWARD, TAG, '<h3>ميناء الصيد</h3>', 'أين يقاس', '👨‍👩‍👧']) assert(page.text.includes(shown), `${shown}\n${page.text}`)
  assert.equal((await open(`/alice.test/${AWKWARD}:${TAG}`)).status, 200)
})

const person = new Person(origin, alice)
await step('a person chooses a hold from the menu, which says what it is, and pushes go there', async () => {
  const page = await person.signIn()
  for (const shown of [registry.hold.did, 'Anyone may pull from it. It is yours.', 'This browser']) assert(page.text.includes(shown), `${shown}\n${page.text}`)
  const bad = await person.send(page, '/settings/hold', { hold: 'other', other: 'localhost:1' })
  assert.equal(bad.status, 400, bad.text)
  const none = await person.send(page, '/settings/hold', { hold: 'none' })
  assert.match(none.text, /You have no hold now: pushes are refused/)
  await assert.rejects(push(app, registry.appview, 'alice.test/other:v1', alice), /403|has no hold/)
  const chosen = await person.send(page, '/settings/hold', { hold: registry.hold.did, auto_remove: 'yes' })
  assert.match(chosen.text, new RegExp(`value="${registry.hold.did}" checked`))
  const query = new URLSearchParams({ repo: alice.did, collection: 'io.atcr.sailor.profile', rkey: 'self' })
  const { value } = await (await fetch(`${stack.pds}/xrpc/com.atproto.repo.getRecord?${query}`)).json()
  assert.deepEqual([value.defaultHold, value.autoRemoveUntagged], [registry.hold.did, true])
  await push(app, registry.appview, 'alice.test/other:v1', alice)
})

await step('what was pushed is found by a search, that of a private hold is not, and a star is a record of who gives it', async () => {
  const searched = async (words, at = origin) => (await open(`/search?q=${encodeURIComponent(words)}`, at)).text
  const deadline = performance.now() + 60_000
  while (!(await searched('tides')).includes('href="/alice.test/tides"')) assert(performance.now() < deadline, await searched('tides'))
  assert.doesNotMatch(await searched('vault', originOf(hidden.appview)), /bob\.test\/vault/)
  const query = new URLSearchParams({ repo: alice.did, collection: 'io.atcr.sailor.star' })
  const stars = async () => (await (await fetch(`${stack.pds}/xrpc/com.atproto.repo.listRecords?${query}`)).json()).records
  const page = await person.open('/alice.test/tides')
  const form = { owner: alice.did, name: 'tides' }
  assert.equal((await person.send(page, '/star', { ...form, star: 'give' })).location, '/alice.test/tides')
  assert.deepEqual((await stars()).map(({ value }) => value.subject), [`at://${alice.did}/io.atcr.repo.page/tides`])
  const starred = await person.open('/alice.test/tides')
  assert(starred.text.includes('1 star') && starred.text.includes('Unstar'), starred.text)
  await person.send(starred, '/star', { ...form, star: 'take' })
  assert.deepEqual(await stars(), [])
  await person.send(starred, '/star', { ...form, star: 'give' })
})

await step('a search shows as many pulls as the page, where no network is followed', async () => {
  await push(app, registry.appview, 'alice.test/counted:v1', alice)
  const token = await serviceToken(stack.pds, alice.accessJwt, { aud: registry.hold.did, lxm: 'io.atcr.hold.setStats' })
  const set = await fetch(`${registry.hold.url}/xrpc/io.atcr.hold.setStats`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ownerDid: alice.did, repository: 'counted', pullCount: 41 }),
  })
  assert.equal(set.status, 200, await set.text())
  const page = await open('/alice.test/counted')
  assert(page.text.includes('41 pulls'), page.text)
  const answer = await open('/xrpc/io.atcr.appview.searchRepositories?q=counted&sort=pulls')
  assert.deepEqual(JSON.parse(answer.text).repositories.map(({ pullCount }) => pullCount), [41])
  assert.match((await open('/search?q=counted')).text, /41 pulls/)
})

await step('bob, signed in, pulls an image of all platforms by its tag, and nobody pulls it, too', async () => {
  await push(both, registry.appview, 'alice.test/pulled:v1', alice)
  const pull = (name, more) =>
    run('skopeo', ['--insecure-policy', 'copy', '--all', '--src-tls-verify=false', ...more, `docker://${registry.appview.host}/alice.test/pulled:v1`, `dir:${path.join(work, name)}`])
  await pull('pulled-by-bob', ['--src-creds', `bob.test:${bob.appPassword}`])
  await pull('pulled-by-nobody', ['--src-no-creds'])
})

await step('the owner writes the text and the picture of a page, at once seen by all', async () => {
  let page = await person.open('/settings/repository?name=team/tools')
  assert(page.text.includes('&#60;script&#62;alert(1)'), 'the hostile text is there to be edited')
  page = await person.send(page, '/settings/repository/page', { name: 'team/tools', text: '# Tools\n\nOf the **office**.' })
  assert.match(page.text, /The page is saved/)
  const picture = await person.sendFile(page, '/settings/repository/picture', { name: 'team/tools' }, 'picture', png(64, 90, 24, 163))
  assert.match(picture.text, /The picture is saved/)
  assert.match((await open('/alice.test/team/tools')).text, /<h3>Tools<\/h3>\n<p>Of the <strong>office<\/strong>/)
  assert.equal((await open('/picture/alice.test/team/tools')).headers.get('content-type'), 'image/png')
  assert.match((await open('/search?q=tools')).text, /Tools: Of the office\./)
})

await step('a repository says how its newest image is pulled, not the cache that was pushed after it', async () => {
  const bearer = await registry.appview.token('repository:alice.test/cached:pull,push', alice.handle, alice.appPassword)
  const blob = Buffer.from('{"layers":[]}')
  await registry.appview.call(bearer, 'POST', `/v2/alice.test/cached/blobs/uploads/?digest=${sha256(blob)}`, { body: blob })
  const config = { mediaType: 'application/vnd.buildkit.cacheconfig.v0', digest: sha256(blob), size: blob.length }
  const cache = JSON.stringify({ schemaVersion: 2, mediaType: OCI_IMAGE, config, layers: [] })
  const shows = async (command) => {
    const { text } = await open('/alice.test/cached')
    assert(text.includes(`<code id="pull">${command}</code>`), text)
  }
  const put = { body: cache, headers: { 'content-type': OCI_IMAGE } }
  assert.equal((await registry.appview.call(bearer, 'PUT', '/v2/alice.test/cached/manifests/buildcache', put)).status, 201)
  await shows(`oras pull ${registry.appview.host}/alice.test/cached:buildcache`)
  await push(app, registry.appview, 'alice.test/cached:v1', alice)
  assert.equal((await registry.appview.call(bearer, 'PUT', '/v2/alice.test/cached/manifests/buildcache', put)).status, 201)
  await shows(`docker pull ${registry.appview.host}/alice.test/cached:v1`)
})

await step('who wants it has a manifest removed that its last tag leaves, and no other', async () => {
  const [first, second] = await Promise.all(['first', 'second'].map((name) => makeImage(path.join(work, name), [300])))
  const has = async (one) => (await open(`/alice.test/moving@${one.manifest.digest}`)).status === 200
  await push(first, registry.appview, 'alice.test/moving:v1', alice)
  await push(first, registry.appview, 'alice.test/moving:kept', alice)
  await push(second, registry.appview, 'alice.test/moving:v1', alice)
  assert(await has(first), 'a tag is left')
  await push(second, registry.appview, 'alice.test/moving:kept', alice)
  assert.deepEqual([await has(first), await has(second)], [false, true])
  assert.equal((await open('/alice.test/tides:v1.0.0')).status, 200)
})

await step('with an index goes what only it has: neither what has a tag nor what another index has', async () => {
  const all = await makeIndex(path.join(work, 'parts'))
  const [shared, alone] = all.images
  const tagged = await makeImage(path.join(work, 'part'), [300])
  const bearer = await registry.appview.token('repository:alice.test/parts:pull,push', alice.handle, alice.appPassword)
  const put = async (tag, ...parts) => {
    const body = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: parts.map(({ manifest }) => manifest) })
    const options = { body, headers: { 'content-type': OCI_INDEX } }
    assert.equal((await registry.appview.call(bearer, 'PUT', `/v2/alice.test/parts/manifests/${tag}`, options)).status, 201)
  }
  const has = async ({ manifest }) => (await open(`/alice.test/parts@${manifest.digest}`)).status === 200
  await push(all, registry.appview, 'alice.test/parts:v1', alice)
  await push(tagged, registry.appview, 'alice.test/parts:tagged', alice)
  await put('v2', shared)
  await put('v1', tagged, shared)
  assert.deepEqual(await Promise.all([all, alone, shared, tagged].map(has)), [false, false, true, true])
  await put('v1', shared, tagged, shared)
  assert.deepEqual(await Promise.all([shared, tagged].map(has)), [true, true])
})

await step('a tag goes, and an image with its tags, once that was said twice', async () => {
  let page = await person.open('/settings/repository?name=other')
  page = await person.send(page, '/settings/repository/delete', { name: 'other', reference: 'v1' })
  assert.match(page.text, /Delete v1\?/)
  assert.equal((await open('/alice.test/other:v1')).status, 200)
  page = await person.send(page, '/settings/repository/delete', { name: 'other', reference: 'v1', sure: 'yes' })
  assert.match(page.text, /It is deleted/)
  assert.equal((await open('/alice.test/other:v1')).status, 404)
  assert.equal((await open('/alice.test/tides:v1.0.0')).status, 200, 'the image is in another repository')
  const doomed = await makeImage(path.join(work, 'doomed'), [500])
  await push(doomed, registry.appview, 'alice.test/doomed:a', alice)
  page = await person.open('/settings/repository?name=doomed')
  page = await person.send(page, '/settings/repository/delete', { name: 'doomed', reference: doomed.manifest.digest, sure: 'yes' })
  assert.match(page.text, /It is deleted/)
  assert.equal((await open('/alice.test/doomed')).status, 404)
})

await step('the hold counts one pull, which the page and a search show', async () => {
  const stats = async () => {
    const query = new URLSearchParams({ repo: registry.hold.did, collection: 'io.atcr.hold.stats', limit: '100' })
    const { records } = await (await fetch(`${registry.hold.url}/xrpc/com.atproto.repo.listRecords?${query}`)).json()
    return records.map(({ value }) => value).find(({ repository }) => repository === 'pulled')
  }
  // It writes its counts once a minute.
  const deadline = performance.now() + 180_000
  while (!(await stats())?.pullCount) {
    assert(performance.now() < deadline, JSON.stringify(await stats()))
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  assert.equal((await stats()).pullCount, 1)
  const page = await open('/alice.test/pulled')
  assert(/\b1 pull\b/.test(page.text), page.text)
  const answer = await open('/xrpc/io.atcr.appview.searchRepositories?q=pulled')
  assert.deepEqual(JSON.parse(answer.text).repositories.map(({ pullCount }) => pullCount), [1])
  assert.match((await open('/search?q=pulled')).text, /\b1 pull\b/)
})

/** A webhook of the image that takes what it is sent, beside one that is away; answers the page of the first one. */
async function toldOfTides() {
  const add = async (url) => {
    const page = await person.open('/settings/webhooks?name=tides')
    const listed = await person.send(page, '/settings/webhooks', { name: 'tides', url })
    return new RegExp(`/settings/webhook\\?id=\\d+(?=">${url})`).exec(listed.text)[0]
  }
  const receiver = http.createServer((_, response) => response.writeHead(204).end()).listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  const away = await add('http://localhost:1/hooks/deployment')
  const page = await add(`http://localhost:${receiver.address().port}/hooks/of-the-harbour-office/2f1d7a0c94`)
  const act = async (of, what) => person.send(await person.open(of), '/settings/webhook', { id: of.split('=')[1], do: what })
  await push(app, registry.appview, 'alice.test/tides:latest', alice)
  await act(page, 'test')
  receiver.close()
  await act(page, 'test')
  await act(away, 'off')
  return page
}

if (chromium) {
  const pictures = folder || path.join(work, 'screenshots')
  await mkdir(pictures, { recursive: true })
  const script = fileURLToPath(new URL('site.py', import.meta.url))
  const pages = {
    front: '/',
    owner: '/alice.test',
    repository: '/alice.test/tides',
    repository2: '/alice.test/team/tools',
    hostile: '/bob.test',
    image: '/alice.test/tides:v1.0.0',
    awkward: `/alice.test/${AWKWARD}`,
    'awkward-image': `/alice.test/${AWKWARD}:${TAG}`,
    index: `/alice.test/team/tools@${both.manifest.digest}`,
    search: '/search?q=tides',
    'search-all': '/search?sort=stars',
    'search-none': '/search?q=nothing+of+this',
    missing: '/alice.test/none',
    'sign-in': '/auth/oauth/login',
  }
  await step('Chromium shows each page at a desk and on a phone, in light and dark: legible, by keyboard, with nothing of elsewhere', async () => {
    await run('python3', [script, chromium, origin, pictures, JSON.stringify(pages)])
    const own = { settings: '/settings', webhooks: '/settings/webhooks?name=tides', webhook: await toldOfTides(), 'repository-settings': '/settings/repository?name=tides', 'awkward-settings': `/settings/repository?name=${AWKWARD}`, devices: '/auth/device', 'own-front': '/', 'own-repository': '/alice.test/tides', 'own-search': '/search?q=tides' }
    await run('python3', [script, chromium, origin, pictures, JSON.stringify(own), person.cookie])
  })
} else {
  console.log('skipped: the pages in a browser: Chromium cannot be had')
}

await step('a PDS that is away is said', async () => {
  await stack.killPds()
  await new Promise((resolve) => setTimeout(resolve, 11_000))
  const page = await open('/alice.test/tides')
  assert.deepEqual([page.status, page.headers.get('retry-after')], [503, '5'])
  assert.match(page.text, /The tags cannot be shown now/)
  assert.doesNotMatch(page.text, /no tags|0 tags|docker pull/, 'nobody knows')
  assert.equal((await open('/alice.test')).status, 503)
})

if (!allHeld()) console.log(registry.appview.lastLogLines(40).join('\n'))
const held = sum()
await Promise.all([registry.stop(), hidden.stop()])
await stack.stop().catch(() => {})
process.exit(held ? 0 : 1)
