// A registry with a public name, as PDSes see it: they read its metadata and its keys over TLS, and know it by its
// assertions; also when its clock is ahead.
//
//   confidential.mjs HOLD APPVIEW WORK_DIR [LIBFAKETIME]
//
// The name leads to this machine in the process of the PDS alone, whose certificates are from an authority of its own.
// One line a step; the last line is the sum: "appview: N passed, N failed". Exit 1 when any failed.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import http from 'node:http'
import https from 'node:https'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { startStack } from '../demo/processes.mjs'
import { Person } from './pages.mjs'
import { newAccount, Registry } from './registry.mjs'
import { allHeld, step, sum } from './steps.mjs'

const [holdBinary, appviewBinary, work, libfaketime] = process.argv.slice(2)
const NAME = 'registry.atcr-check.org'
const AHEAD_S = 20

// --- a name with TLS before the front end

const file = (name) => path.join(work, name)
const openssl = (...args) => execFileSync('openssl', args, { cwd: work, stdio: ['ignore', 'ignore', 'pipe'] })
const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test authority')
openssl('req', ...key, '-keyout', 'tls.key', '-out', 'tls.csr', '-subj', `/CN=${NAME}`)
await writeFile(file('san'), `subjectAltName=DNS:${NAME}\n`)
openssl('x509', '-req', '-in', 'tls.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'tls.pem', '-days', '2', '-extfile', 'san')

let appview
const asked = []
const proxy = https.createServer({ key: readFileSync(file('tls.key')), cert: readFileSync(file('tls.pem')) }, (request, response) => {
  asked.push(request.url)
  const { method, headers, url } = request
  const onward = http.request({ host: '127.0.0.1', port: appview.port, method, path: url, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers)
    answer.pipe(response)
  })
  request.pipe(onward)
})
proxy.listen(0, '127.0.0.1')
await once(proxy, 'listening')

await writeFile(file('name.mjs'), `
import tls from 'node:tls'
const connect = tls.connect
tls.connect = (options, ...rest) => {
  const here = options.servername === '${NAME}' || options.host === '${NAME}' || options.hostname === '${NAME}'
  return connect(here ? { ...options, host: '127.0.0.1', hostname: '127.0.0.1', port: ${proxy.address().port}, servername: '${NAME}' } : options, ...rest)
}
`)
process.env.NODE_OPTIONS = `--import=file://${file('name.mjs')}`
process.env.NODE_EXTRA_CA_CERTS = file('ca.pem')

// --- the registry behind it

const stack = await startStack(work)
const alice = await newAccount(stack.pds, 'alice.test')
const registry = await Registry.start({ binaries: { hold: holdBinary, appview: appviewBinary }, work, stack, owner: alice })
appview = registry.appview
appview.settings.ATCR_BASE_URL = `https://${NAME}`

async function restart(settings = {}, change) {
  await appview.kill()
  if (change) {
    const database = new DatabaseSync(appview.settings.ATCR_DATABASE_PATH)
    database.exec(change)
    database.close()
  }
  Object.assign(appview.settings, settings)
  await appview.start()
}
await restart()

const behind = (url, options) => fetch(new URL(`${url.pathname}${url.search}`, appview.url), options)
const person = new Person(`https://${NAME}`, alice, behind)
const scope = 'repository:alice.test/app:pull,push'
const END_ACCESS = "UPDATE pds_session SET access = 'a.b.c', proven_us = proven_us - 3600000000"

async function device() {
  const post = async (target, fields) => (await fetch(`${appview.url}${target}`, { method: 'POST', body: new URLSearchParams(fields) })).json()
  const { device_code, user_code, verification_uri } = await post('/auth/device/code', { client_id: 'a machine' })
  assert.equal(verification_uri, `https://${NAME}/auth/device`)
  await person.letIn(user_code)
  return (await post('/auth/device/token', { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code })).device_secret
}

/** Signs in with the secret, and begins a push: the hold takes the token that the PDS made by the session. */
async function pushes(secret) {
  const bearer = await appview.token(scope, 'alice.test', secret)
  const begun = await appview.call(bearer, 'POST', '/v2/alice.test/app/blobs/uploads/')
  assert.equal(begun.status, 202, begun.code)
}

let secret
await step('a PDS reads who the registry is and lets a person sign in', async () => {
  secret = await device()
  assert(asked.includes('/client-metadata.json') && asked.includes('/oauth/jwks.json'), asked.join(' '))
  await pushes(secret)
})

await step('the session is renewed by an assertion', async () => {
  await restart({}, END_ACCESS)
  await pushes(secret)
  await pushes(secret)
})

if (libfaketime) {
  await step(`with a clock that is ${AHEAD_S} s ahead people sign in and sessions are renewed`, async () => {
    await restart({ LD_PRELOAD: libfaketime, FAKETIME: `+${AHEAD_S}s`, DONT_FAKE_MONOTONIC: '1' }, END_ACCESS)
    const ahead = Date.parse((await fetch(`${appview.url}/_health`)).headers.get('date')) - Date.now()
    assert(ahead > (AHEAD_S - 5) * 1000, `${ahead} ms`)
    await pushes(secret)
    await person.open('/auth/device')
    await new Person(`https://${NAME}`, alice, behind).signIn()
    await pushes(secret)
  })

  await step('with a clock that is a hundred days ahead for a moment nobody has to sign in again', async () => {
    await restart({ FAKETIME: '+100d' })
    await new Promise((resolve) => setTimeout(resolve, 2000))
    await restart({ FAKETIME: '+0' })
    await pushes(secret)
  })
} else {
  console.log('skipped: a clock that is ahead: no libfaketime here')
}

if (!allHeld()) console.log(appview.lastLogLines(40).join('\n'))
const held = sum()
proxy.close()
await registry.stop()
await stack.stop()
process.exit(held ? 0 : 1)
