// Sign-ins by OAuth and devices, at a real PDS: a person in a browser, programs that become devices, pushes by their secrets;
// tokens that end, and what a kill -9 at the wrong moment leaves.
//
//   oauth.mjs HOLD APPVIEW WORK_DIR
//
// One line a step; the last line is the sum: "appview: N passed, N failed". Exit 1 when any failed.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { copyFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { startStack } from '../demo/processes.mjs'
import { privateKeyOf, prove } from '../stack/oauth.mjs'
import { makeImage as makeImageAt } from './images.mjs'
import { Person } from './pages.mjs'
import { newAccount, Registry } from './registry.mjs'
import { allHeld, step, sum } from './steps.mjs'

const run = promisify(execFile)
const [holdBinary, appviewBinary, work] = process.argv.slice(2)
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

const stack = await startStack(work)
const [alice, bob, carol] = await Promise.all(['alice.test', 'bob.test', 'carol.test'].map((handle) => newAccount(stack.pds, handle)))
const binaries = { hold: holdBinary, appview: appviewBinary }
const registry = await Registry.start({ binaries, work, stack, owner: alice })
const { appview } = registry
const origin = appview.url.replace('localhost', '127.0.0.1')

const both = 'repository:alice.test/app:pull,push'
const image = (name) => `docker://${appview.host}/${name}`
const push = (app, name, user, secret) =>
  run('skopeo', ['--insecure-policy', 'copy', '--preserve-digests', '--dest-tls-verify=false', '--dest-creds', `${user}:${secret}`, app.source, image(name)])
const rights = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).access.flatMap(({ actions }) => actions)

async function post(target, fields) {
  const response = await fetch(`${appview.url}${target}`, { method: 'POST', body: new URLSearchParams(fields) })
  return { status: response.status, ...(await response.json()) }
}
/** What nobody may read in a log. */
const secrets = new Set()
async function ask() {
  const asked = await post('/auth/device/code', { client_id: 'the laptop' })
  secrets.add(asked.device_code).add(asked.user_code)
  return asked
}
const poll = (device_code) => post('/auth/device/token', { grant_type: DEVICE_GRANT, device_code })

/** Looks into the front end's database while that is down, changes it, and starts it again. */
async function inDatabase(work) {
  await appview.kill()
  const database = new DatabaseSync(appview.settings.ATCR_DATABASE_PATH)
  const result = work(database)
  database.close()
  await appview.start()
  return result
}
/** The access token of alice's session is worth nothing from now on, as after an hour. */
const endAccess = () => inDatabase((database) => database.exec("UPDATE pds_session SET access = 'a.b.c', proven_us = proven_us - 3600000000 WHERE issuer IS NOT NULL"))

const person = new Person(origin, alice)
const app = await makeImageAt(path.join(work, 'app'), [100, 200_000])
let secret

await step('a device is let in by a person who signs in at the PDS, and is told its secret once', async () => {
  const asked = await ask()
  assert.equal(asked.verification_uri_complete, `${origin}/auth/device?user_code=${asked.user_code}`)
  assert.equal((await poll(asked.device_code)).error, 'authorization_pending')
  assert.equal((await poll(asked.device_code)).error, 'slow_down')
  const page = await person.letIn(asked.user_code)
  for (const shown of [asked.user_code, 'the laptop', '127.0.0.1', alice.did]) assert(page.text.includes(shown), shown)
  await new Promise((resolve) => setTimeout(resolve, asked.interval * 1000 + 5500))
  const device = await poll(asked.device_code)
  assert.deepEqual([device.status, device.did, device.handle], [200, alice.did, 'alice.test'], JSON.stringify(device))
  secret = device.device_secret
  secrets.add(secret).add(person.cookie.split('=')[1])
  assert.equal((await poll(asked.device_code)).error, 'expired_token')
})

await step('docker asks for a token with the secret, under any user', async () => {
  for (const user of ['alice.test', alice.did, '<token>', '']) {
    assert.deepEqual(rights(await appview.token(both, user || ' ', secret)), ['pull', 'push'], user)
  }
  await assert.rejects(appview.token(both, 'alice.test', `${secret}x`), /no device here has this secret/)
})

await step('skopeo pushes with it, by the session of OAuth', async () => {
  await push(app, 'alice.test/app:v1', 'alice.test', secret)
  const query = new URLSearchParams({ repo: alice.did, collection: 'io.atcr.tag', rkey: 'app_v1' })
  const record = await (await fetch(`${stack.pds}/xrpc/com.atproto.repo.getRecord?${query}`)).json()
  assert(record.value.manifest.endsWith(app.manifest.digest.slice(7)))
  await assert.rejects(push(app, 'bob.test/app:v1', 'alice.test', secret))
})

await step('skopeo pulls with it, and the hold is told of one pull, by the session of OAuth', async () => {
  const told = () => registry.hold.lastLogLines(1000).filter((line) => /POST \/xrpc\/io\.atcr\.hold\.notifyManifest 200/.test(line)).length
  const before = told()
  await run('skopeo', ['--insecure-policy', 'copy', '--src-tls-verify=false', '--src-creds', `alice.test:${secret}`, image('alice.test/app:v1'), `dir:${path.join(work, 'pulled')}`])
  const deadline = performance.now() + 60_000
  while (told() === before) {
    assert(performance.now() < deadline, registry.hold.lastLogLines(20).join('\n'))
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.equal(told(), before + 1)
})

await step('a refresh token takes the place of the secret: as a grant with scopes that repeat, and as a password', async () => {
  const query = new URLSearchParams({ service: appview.host, scope: both, offline_token: 'true' })
  const headers = { authorization: `Basic ${btoa(`alice.test:${secret}`)}` }
  const { refresh_token } = await (await fetch(`${appview.url}/auth/token?${query}`, { headers })).json()
  const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token, service: appview.host })
  form.append('scope', 'repository:alice.test/app:pull')
  form.append('scope', 'repository:alice.test/b:push')
  const answer = await (await fetch(`${appview.url}/auth/token`, { method: 'POST', body: form })).json()
  assert.deepEqual(rights(answer.access_token), ['pull', 'push'])
  assert.equal(answer.scope, 'repository:alice.test/app:pull repository:alice.test/b:push')
  assert.deepEqual(rights(await appview.token(both, 'buildkit', refresh_token)), ['pull', 'push'])
})

await step('two pushes when the access token ends: one renewal, and the session goes on', async () => {
  await endAccess()
  const images = await Promise.all(['two', 'three'].map((name) => makeImageAt(path.join(work, name), [100_000])))
  await Promise.all(images.map((one, n) => push(one, `alice.test/app:both${n}`, 'alice.test', secret)))
  await push(app, 'alice.test/app:after', 'alice.test', secret)
})

await step('a session that ends soon is said in the page, and by the header that clients show to people', async () => {
  const warning = async () => {
    const token = await appview.token(both, 'alice.test', secret)
    return (await appview.call(token, 'GET', '/v2/')).headers.get('warning')
  }
  assert.equal(await warning(), null)
  assert.doesNotMatch((await person.open('/settings')).text, /Your session ends/)
  await inDatabase((database) => database.exec('UPDATE pds_session SET begun_us = begun_us - 12 * 86400000000'))
  assert.match(await warning(), /^299 - "your session ends at 20..-..-..: sign in again at http:\/\/127\.0\.0\.1:\d+\/auth\/oauth\/login"$/)
  assert.match((await person.open('/settings')).text, /Your session ends at 20.*Sign in again/)
  assert.equal((await appview.call(await appview.token(both), 'HEAD', '/v2/alice.test/app/manifests/v1')).headers.get('warning'), null)
})

await step('killed between a renewal and its commit, the session has ended, says so, and a new sign-in heals it', async () => {
  const database = appview.settings.ATCR_DATABASE_PATH
  await endAccess()
  await appview.kill()
  await copyFile(database, `${database}.before`)
  await appview.start()
  await appview.token(both, 'alice.test', secret)
  await appview.kill()
  // What a kill before the commit leaves: the refresh token that was used up.
  await Promise.all([`${database}-wal`, `${database}-shm`].map((file) => rm(file, { force: true })))
  await copyFile(`${database}.before`, database)
  await appview.start()
  await assert.rejects(push(app, 'alice.test/app:lost', 'alice.test', secret), (error) => /sign in again|unauthorized|authentication required/i.test(error.stderr) || assert.fail(error.stderr))
  await assert.rejects(appview.token(both, 'alice.test', secret), /401.*session at the account's PDS has ended: sign in again at http:\/\/127\.0\.0\.1:\d+\/auth\/oauth\/login/)
  await new Person(origin, alice).signIn()
  await push(app, 'alice.test/app:healed', 'alice.test', secret)
})

await step('a session that was revoked at the PDS asks for another sign-in', async () => {
  const row = await inDatabase((database) => {
    database.exec('UPDATE pds_session SET proven_us = proven_us - 3600000000 WHERE issuer IS NOT NULL')
    return database.prepare('SELECT access, key FROM pds_session WHERE issuer IS NOT NULL').get()
  })
  const key = privateKeyOf(Buffer.from(row.key).toString('hex'))
  await prove(key, `${stack.pds}/oauth/revoke`, { client_id: person.client, token: row.access })
  await assert.rejects(appview.token(both, 'alice.test', secret), /sign in again/)
  await person.signIn()
  assert.deepEqual(rights(await appview.token(both, 'alice.test', secret)), ['pull', 'push'])
})

await step('a person refuses a device, and takes another one back at once', async () => {
  const asked = await ask()
  const page = await person.open(`/auth/device?user_code=${asked.user_code}`)
  const refused = await person.send(page, '/auth/device', { user_code: asked.user_code, decision: 'refuse' })
  assert.match(refused.text, /was denied/)
  assert.equal((await poll(asked.device_code)).error, 'access_denied')
  const query = new URLSearchParams({ service: appview.host, scope: both, offline_token: 'true' })
  const headers = { authorization: `Basic ${btoa(`alice.test:${secret}`)}` }
  const { refresh_token } = await (await fetch(`${appview.url}/auth/token?${query}`, { headers })).json()
  const devices = await person.open('/auth/device')
  const device = /name="device" value="(\d+)"/.exec(devices.text)[1]
  assert.equal((await person.send(devices, '/auth/device/revoke', { device })).status, 303)
  await assert.rejects(appview.token(both, 'alice.test', secret), /401/)
  await assert.rejects(appview.token(both, 'alice.test', refresh_token), /401/)
})

await step('a person who says no at the PDS, or comes back in another browser, is not signed in', async () => {
  const mine = new Person(origin, bob)
  const page = await mine.open('/auth/oauth/login')
  const begin = async () => (await mine.send(page, '/auth/oauth/login', { handle: 'bob.test' })).location
  const no = await mine.open(await mine.consent(await begin(), '/reject'))
  assert.deepEqual([no.status, /refused at the account/.test(no.text)], [403, true], no.text)
  const back = await mine.consent(await begin())
  for (const name of ['state', 'code']) secrets.add(new URL(back).searchParams.get(name))
  const stolen = await new Person(origin, alice).open(back)
  assert.deepEqual([stolen.status, /begun in another browser/.test(stolen.text)], [400, true])
  assert.equal((await mine.open(back)).status, 400, 'it ended')
  const again = new URL(await mine.consent(await begin()))
  again.searchParams.set('iss', 'http://localhost:1')
  assert.equal((await mine.open(again)).status, 400)
  assert.equal((await mine.open(await mine.consent(await begin()))).status, 303)
})

await step('who types in the address of the PDS is whoever signs in there', async () => {
  const guest = new Person(origin, bob)
  const page = await guest.open('/auth/oauth/login')
  const begun = await guest.send(page, '/auth/oauth/login', { handle: stack.pds })
  assert.equal(begun.status, 303, begun.text)
  const ended = await guest.open(await guest.consent(begun.location))
  assert.equal(ended.status, 303, ended.text)
  assert.match((await guest.open('/auth/device')).text, /Devices of bob\.test/)
  const none = await guest.send(await new Person(origin, bob).open('/auth/oauth/login'), '/auth/oauth/login', { handle: stack.plc })
  assert.equal(none.status, 403, 'the form of another browser')
  const fresh = new Person(origin, bob)
  const noPds = await fresh.send(await fresh.open('/auth/oauth/login'), '/auth/oauth/login', { handle: stack.plc })
  assert.deepEqual([noPds.status, /no server to sign in at/.test(noPds.text)], [400, true], noPds.text)
})

await step('the main password is refused with a sentence, an app password goes on', async () => {
  await assert.rejects(appview.token(both, 'alice.test', alice.password), /main password/)
  assert.deepEqual(rights(await appview.token(both, 'alice.test', alice.appPassword)), ['pull', 'push'])
})

/** That the PDS takes the refresh token of a session no more. */
async function hasEnded({ refresh, key }, client) {
  if (key) {
    const fields = { grant_type: 'refresh_token', refresh_token: refresh, client_id: client }
    await assert.rejects(prove(privateKeyOf(Buffer.from(key).toString('hex')), `${stack.pds}/oauth/token`, fields), /invalid_grant/)
  } else {
    const response = await fetch(`${stack.pds}/xrpc/com.atproto.server.refreshSession`, { method: 'POST', headers: { authorization: `Bearer ${refresh}` } })
    assert.deepEqual([response.status, (await response.json()).error], [400, 'ExpiredToken'])
  }
}
const sessionsOf = ({ did }) =>
  inDatabase((database) => database.prepare('SELECT id, refresh, key FROM pds_session WHERE account = ? ORDER BY key IS NULL').all(did))

await step('a session that ends here ends at the PDS, which takes its refresh token no more', async () => {
  const [, byPassword] = await sessionsOf(alice)
  assert.equal(await appview.run('sessions', 'end', `${byPassword.id}`), `session ${byPassword.id} of ${alice.did} is ended\n`)
  await hasEnded(byPassword)
  await appview.token(both, 'alice.test', alice.appPassword)
  const [byOauth, again] = await sessionsOf(alice)
  assert.match(await appview.run('accounts', 'delete', alice.did), /is deleted here: 2 sessions, [^\n]*\n$/)
  await hasEnded(byOauth, person.client)
  await hasEnded(again)
})

await step('who signs out of the last browser has no session left at the PDS', async () => {
  const [first, last] = [new Person(origin, carol), new Person(origin, carol)]
  const page = await first.signIn()
  const other = await last.signIn()
  assert.equal((await first.send(page, '/auth/logout', {})).location, '/auth/oauth/login')
  const [session] = await sessionsOf(carol)
  assert(session, 'another browser uses it')
  assert.equal((await last.send(other, '/auth/logout', {})).location, '/auth/oauth/login')
  assert.deepEqual(await sessionsOf(carol), [])
  await hasEnded(session, last.client)
})

await step('a device that the operator revokes leaves no session at the PDS, if it was the last that used it', async () => {
  const last = new Person(origin, carol)
  const asked = await ask()
  await last.letIn(asked.user_code)
  const device = await poll(asked.device_code)
  assert.equal(device.did, carol.did, JSON.stringify(device))
  secrets.add(device.device_secret)
  assert.equal((await last.send(await last.open('/settings'), '/auth/logout', {})).location, '/auth/oauth/login')
  const [session] = await sessionsOf(carol)
  assert(session, 'the device uses it')
  const [{ id }] = JSON.parse(await appview.run('devices', 'list', carol.did, '--json'))
  const said = await appview.run('devices', 'revoke', `${id}`)
  assert.equal(said, `device ${id} of ${carol.did}, the laptop, is revoked\nNothing uses the session of its account any more: it is ended.\n`)
  assert.deepEqual(await sessionsOf(carol), [])
  await hasEnded(session, last.client)
})

await step('a code is good for the program that asked, and no more when somebody else polls with it', async () => {
  const asked = await ask()
  const other = await post('/auth/device/token', { grant_type: DEVICE_GRANT, device_code: asked.device_code, client_id: 'another' })
  assert.deepEqual([other.status, other.error], [400, 'invalid_grant'], JSON.stringify(other))
  assert.equal((await poll(asked.device_code)).error, 'authorization_pending')
})

await step('no code, secret or cookie is in the log', () => {
  assert(secrets.size > 8, `${secrets.size} secrets`)
  const log = readFileSync(appview.log, 'utf8')
  assert(log.includes('a device was let in'), 'the log has what happened')
  for (const one of secrets) assert(one && !log.includes(one), one)
})

if (!allHeld()) console.log(appview.lastLogLines(40).join('\n'))
sum()
await registry.stop()
await stack.stop()
process.exit(allHeld() ? 0 : 1)
