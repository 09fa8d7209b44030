// Server-side request forgery: what strangers name (the hold of a manifest, a profile or a successor, the PDS and the
// authorization server of an account, where its pictures are, addresses that a hold gives out, redirects) makes no connection
// to this machine or to its networks. The front end runs as in production, in a network of its own where 11.0.0.1 is the
// public internet, with a real PDS, PLC directory and hold there by TLS; traps listen at every address that must not be asked.
//
//   unshare --map-root-user --net --mount node inward.mjs HOLD APPVIEW WORK_DIR
//
// One line a step; the last line is the sum: "appview: N passed, N failed".

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import { startStack } from '../demo/processes.mjs'
import { OCI_IMAGE, sha256 } from './images.mjs'
import { DOMAIN, Internet, namesPds, PUBLIC } from './internet.mjs'
import { Meddler, says, saysJson } from './meddler.mjs'
import { Person } from './pages.mjs'
import { newAccount } from './registry.mjs'
import { allHeld, step, sum } from './steps.mjs'

const [holdBinary, appviewBinary, work] = process.argv.slice(2)
const INSIDE = ['10.0.0.1', '172.16.0.1', '192.168.0.1', '169.254.169.254', '100.64.0.1', 'fd00::1', 'fe80::1']
const NAMES = { loop: '127.0.0.1', loop6: '::1', inside: '10.0.0.1', metadata: '169.254.169.254', local6: 'fd00::1', link6: 'fe80::1' }

// --- a network of its own

const here = ['plc', 'pds', 'hold', 'lies', 'elsewhere'].map((name) => `${name}.${DOMAIN}`)
const internet = new Internet(work, here, INSIDE)
const hosts = [`${PUBLIC} ${here.join(' ')}`, '127.0.0.1 localhost', '::1 localhost ip6-localhost']
for (const [name, address] of Object.entries(NAMES)) hosts.push(`${address} ${name}.${DOMAIN}`)
internet.replace('/etc/hosts', `${hosts.join('\n')}\n`)

/** Connections that nobody may make: where to. */
let trapped = []
const PORTS = [443, 80, 2375]
for (const address of ['127.0.0.1', '127.1.2.3', '::1', ...INSIDE]) {
  for (const port of PORTS) {
    const trap = net.createServer((socket) => {
      trapped.push(`${address} port ${port}`)
      socket.destroy()
    })
    trap.listen(port, address === 'fe80::1' ? 'fe80::1%lo' : address)
    await once(trap, 'listening')
  }
}

// --- real servers at public names

const stack = await startStack(work)
const [plc, pds] = await Promise.all([Meddler.before(stack.plc), Meddler.before(stack.pds)])
const alice = await newAccount(stack.pds, 'alice.test')
const hold = await internet.hold(holdBinary, alice.did)
/** A hold that is the real one, but for what a step says. */
const lies = await Meddler.before(hold.url)
/** An authorization server. */
const elsewhere = await Meddler.before('http://127.0.0.1:1')
await internet.serve({ plc, pds, hold, lies, elsewhere })

/** The PDS in everybody's document. */
let endpoint = `https://pds.${DOMAIN}`
plc.answer = namesPds(stack.plc, () => endpoint)

const appview = await internet.appview(appviewBinary)
const { port } = appview

async function restart() {
  await appview.kill()
  await appview.start()
}

// --- what accounts do, by their DIDs: handles need a domain of their own in production

const owner = alice.did.replaceAll(':', '-')
const name = `${owner}/app`

async function request(method, target, body, type, of = name) {
  const token = await appview.token(`repository:${of}:pull,push`, owner, alice.appPassword)
  const headers = { authorization: `Bearer ${token}`, ...(type && { 'content-type': type }) }
  const response = await fetch(`${appview.url}/v2/${of}/${target}`, { method, headers, body, redirect: 'manual' })
  return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) }
}

async function write(collection, rkey, value) {
  const headers = { authorization: `Bearer ${alice.accessJwt}`, 'content-type': 'application/json' }
  const body = JSON.stringify({ repo: alice.did, collection, rkey, record: { $type: collection, ...value } })
  const response = await fetch(`${stack.pds}/xrpc/com.atproto.repo.putRecord`, { method: 'POST', headers, body })
  assert(response.ok, await response.text())
}

const now = () => new Date().toISOString()
const profile = (defaultHold) => write('io.atcr.sailor.profile', 'self', { defaultHold, createdAt: now(), updatedAt: now() })
const blob = (bytes) => request('POST', `blobs/uploads/?digest=${sha256(bytes)}`, bytes)

const layer = randomBytes(1000)
const config = Buffer.from('{}')
const descriptor = (bytes) => ({ mediaType: 'application/x', digest: sha256(bytes), size: bytes.length })
const manifest = JSON.stringify({ schemaVersion: 2, mediaType: OCI_IMAGE, config: descriptor(config), layers: [descriptor(layer)] })

await step('inward: in production a push, a pull and pages pass by servers of the public internet, and the traps see who comes', async () => {
  for (const bytes of [config, layer]) assert.equal((await blob(bytes)).status, 201)
  assert.equal((await request('PUT', 'manifests/v1', manifest, OCI_IMAGE)).status, 201)
  assert.deepEqual((await request('GET', `blobs/${sha256(layer)}`)).bytes, layer)
  assert.match(await (await fetch(`http://127.0.0.1:${port}/${name}:v1`)).text(), new RegExp(sha256(manifest)))
  assert.deepEqual(trapped, [])
  for (const url of ['http://127.0.0.1/', 'http://[::1]:2375/', 'http://169.254.169.254/', `http://inside.${DOMAIN}/`]) await fetch(url).catch(() => {})
  assert.equal(trapped.length, 4, trapped.join())
  trapped = []
})

// --- what must not be asked, in every spelling

const SPELLINGS = [
  'localhost', 'localhost.', 'LOCALHOST', 'ip6-localhost', '127.0.0.1', '127.0.0.1.', '127.1', '127.1.2.3', '2130706433', '0x7f000001', '0x7f.1',
  '017700000001', '0177.0.0.1', '0', '0.0.0.0', '10.0.0.1', '0xa000001', '172.16.0.1', '192.168.0.1', '192.168.1', '169.254.169.254', '2852039166',
  '0xA9FEA9FE', '100.64.0.1', '[::1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::127.0.0.1]', '[64:ff9b::7f00:1]', '[fd00::1]',
  '[fe80::1]', '[fe80::1%25lo]', '[fe80::1%lo]', '１２７.0.0.1', '①②⑦.⓪.⓪.①', '127。0。0。1', '%31%32%37.0.0.1', `a@127.0.0.1`, `pds.${DOMAIN}@127.0.0.1`,
  '127.0.0.1#', '127.0.0.1?', `127.0.0.1\\@pds.${DOMAIN}`, ...Object.keys(NAMES).map((label) => `${label}.${DOMAIN}`),
]
/** A header with any text. */
const asBytes = (text) => Buffer.from(text).toString('latin1')
/** With each scheme and port that may lead somewhere. */
const urls = (host) => [`https://${host}`, `http://${host}`, `https://${host}:2375`, `http://${host}:2375`]
/** The did:web that a host and a port make, however odd. */
const dids = (host) => [`did:web:${encodeURIComponent(host)}`, `did:web:${host}`, `did:web:${host}%3A2375`]

/** That nothing came of it, and nobody was asked. */
function refused(what, { status, bytes }, expected = [400, 401, 403, 404, 502, 503]) {
  assert(expected.includes(status), `${what}: ${status} ${bytes}`)
}

const origin = `http://127.0.0.1:${port}`

/** What people see of it, who may be told that something did not come. */
async function seen(what) {
  for (const page of [`/${owner}`, `/${name}`, `/${name}:v1`, `/picture/${owner}`, `/picture/${name}`]) {
    const { status } = await fetch(`${origin}${page}`, { redirect: 'manual' })
    refused(`${page} of ${what}`, { status }, [200, 404, 502, 503])
  }
}

async function eachSpelling(title, test) {
  await step(`inward: ${title}`, async () => {
    trapped = []
    for (const host of SPELLINGS) {
      await test(host)
      assert.deepEqual(trapped, [], host)
    }
  })
}

const record = await (await fetch(`${stack.pds}/xrpc/com.atproto.repo.getRecord?repo=${alice.did}&collection=io.atcr.manifest&rkey=${sha256(manifest).slice(7)}`)).json()
const sailor = () => profile(`did:web:lies.${DOMAIN}`)

await eachSpelling('the hold that a profile names', async (host) => {
  for (const hold of [dids(host)[0], urls(host)[0], urls(host)[3]]) {
    pds.answer = ({ url }) => (url.includes('sailor.profile') ? saysJson(200, { uri: `at://${alice.did}/io.atcr.sailor.profile/self`, value: { defaultHold: hold } }) : undefined)
    await restart()
    refused(`a push to ${hold}`, await request('POST', 'blobs/uploads/'))
    refused(`a pull from ${hold}`, await request('HEAD', `blobs/${sha256('x')}`))
  }
  pds.answer = () => undefined
})

await eachSpelling('the hold that a manifest names', async (host) => {
  for (const field of [...dids(host).map((did) => ({ holdDid: did })), ...urls(host).map((url) => ({ holdEndpoint: url }))]) {
    const { holdDid, ...value } = record.value
    pds.answer = ({ url }) => {
      if (url.includes('sailor.profile')) return saysJson(200, { uri: `at://${alice.did}/io.atcr.sailor.profile/self`, value: { defaultHold: null } })
      if (!url.includes('io.atcr.manifest')) return undefined
      const view = { uri: record.uri, cid: record.cid, value: { ...value, ...field } }
      return saysJson(200, url.includes('listRecords') ? { records: [view] } : view)
    }
    if (field.holdDid === dids(host)[0]) await restart()
    await request('GET', 'manifests/v1')
    if (field.holdDid === dids(host)[0]) await seen(field.holdDid)
    refused(JSON.stringify(field), await request('GET', `blobs/${sha256(layer)}`))
  }
  pds.answer = () => undefined
})

await sailor()
await eachSpelling('the hold that follows another one', async (host) => {
  for (const successor of [dids(host)[0], urls(host)[0]]) {
    lies.answer = ({ url }) => (url.includes('io.atcr.hold.captain') ? saysJson(200, { uri: `at://did:web:lies.${DOMAIN}/io.atcr.hold.captain/self`, value: { successor } }) : undefined)
    await restart()
    refused(successor, await request('POST', 'blobs/uploads/'))
  }
})

await eachSpelling('where a hold says that a blob is, a part goes to, and another hold answers', async (host) => {
  await restart()
  for (const url of urls(host).map((origin) => `${origin}/x`)) {
    lies.answer = (request) => (request.url.includes('getBlob') ? saysJson(200, { url }) : undefined)
    refused(`a blob at ${url}`, await request('GET', `blobs/${sha256('x')}`))
    lies.answer = (request) => (request.url.includes('getBlob') ? says(307, { location: asBytes(url.replace(/x$/, 'xrpc/com.atproto.sync.getBlob')) }) : undefined)
    refused(`a redirect to ${url}`, await request('GET', `blobs/${sha256('x')}`))
    lies.answer = (request) => {
      if (request.url.includes('initiateUpload')) return saysJson(200, { uploadId: 'x' })
      return request.url.includes('getPartUploadUrl') ? saysJson(200, { url, method: 'PUT' }) : undefined
    }
    refused(`a part to ${url}`, await blob(randomBytes(10)))
  }
  lies.answer = () => undefined
})

await eachSpelling('the PDS that a document names', async (host) => {
  for (const url of urls(host)) {
    endpoint = url
    await restart()
    const token = await appview.token(`repository:${name}:pull`)
    for (const target of ['manifests/v1', 'tags/list', `blobs/${sha256(layer)}`]) {
      const { status } = await appview.call(token, 'GET', `/v2/${name}/${target}`)
      refused(`${target} at ${url}`, { status })
    }
    const headers = { authorization: `Basic ${btoa(`${owner}:never-seen-${randomBytes(3).toString('hex')}`)}` }
    const response = await fetch(`${appview.url}/auth/token?service=x&scope=repository:${name}:pull,push`, { headers })
    refused(`a sign-in at ${url}`, response)
    if (url === urls(host)[0]) await seen(url)
  }
  endpoint = `https://pds.${DOMAIN}`
})

await eachSpelling('owners and their DIDs by their own names', async (host) => {
  await restart()
  const whole = /^[a-z0-9.-]+$/.test(host)
  for (const who of [host, `did-web-${host}`].filter(() => whole)) {
    const of = `${who}/app`
    const token = await appview.token(`repository:${of}:pull`)
    const { status } = await appview.call(token, 'GET', `/v2/${of}/tags/list`)
    refused(of, { status })
  }
  for (const user of [host, `did:web:${host}`]) {
    const headers = { authorization: `Basic ${Buffer.from(`${user}:x`).toString('base64')}` }
    refused(user, await fetch(`${appview.url}/auth/token?service=x`, { headers }))
  }
})

await restart()
await eachSpelling('the authorization server of a PDS, and its endpoints', async (host) => {
  const server = `https://elsewhere.${DOMAIN}`
  const metadata = {
    issuer: server,
    pushed_authorization_request_endpoint: `${server}/par`,
    authorization_endpoint: `${server}/authorize`,
    token_endpoint: `${server}/token`,
    authorization_response_iss_parameter_supported: true,
    code_challenge_methods_supported: ['S256'],
    dpop_signing_alg_values_supported: ['ES256'],
    scopes_supported: ['atproto'],
    token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
  }
  const person = new Person(origin, { handle: alice.did }, fetch)
  const begins = async (what, authorization_servers, document) => {
    pds.answer = ({ url }) => {
      const resource = `https://pds.${DOMAIN}`
      return url.includes('oauth-protected-resource') ? saysJson(200, { resource, authorization_servers }) : undefined
    }
    elsewhere.answer = ({ url }) => saysJson(url.includes('oauth-authorization-server') ? 200 : 404, document)
    const page = await person.open('/auth/oauth/login')
    const { status, text } = await person.send(page, '/auth/oauth/login', { handle: alice.did })
    refused(what, { status, bytes: text })
  }
  for (const url of urls(host)) {
    await begins(`a server at ${url}`, [url], metadata)
    await begins(`sign-ins pushed to ${url}`, [server], { ...metadata, pushed_authorization_request_endpoint: `${url}/par` })
  }
  pds.answer = () => undefined
})

await step('inward: redirects of documents, metadata and records are not followed', async () => {
  trapped = []
  for (const location of ['http://127.0.0.1/', 'https://10.0.0.1/', 'http://169.254.169.254/latest/meta-data/', `https://loop.${DOMAIN}/`, `http://[::1]:2375/`]) {
    const away = says(302, { location })
    for (const server of [pds, lies]) server.answer = () => away
    await restart()
    const token = await appview.token(`repository:${name}:pull`)
    for (const target of ['manifests/v1', 'tags/list', `blobs/${sha256(layer)}`]) {
      refused(`${target} to ${location}`, { status: (await appview.call(token, 'GET', `/v2/${name}/${target}`)).status })
    }
    await seen(location)
    const person = new Person(origin, { handle: alice.did }, fetch)
    const page = await person.open('/auth/oauth/login')
    refused(location, await person.send(page, '/auth/oauth/login', { handle: alice.did }))
  }
  assert.deepEqual(trapped, [])
  for (const server of [pds, lies]) server.answer = () => undefined
})

await step('inward: and all goes on', async () => {
  await restart()
  await profile(`did:web:hold.${DOMAIN}`)
  assert.equal((await blob(randomBytes(10))).status, 201)
  assert.deepEqual((await request('GET', `blobs/${sha256(layer)}`)).bytes, layer)
})

if (!allHeld()) console.log(appview.lastLogLines(40).join('\n'))
const held = sum()
await appview.kill()
hold.signal('SIGKILL')
await stack.stop()
process.exit(held ? 0 : 1)
