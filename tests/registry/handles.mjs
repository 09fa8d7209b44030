// Handles in the DNS: whose account a handle is, by a TXT record at a real name server, over HTTPS, or both. The front end
// runs as in production, in a network of its own with a real PDS, PLC directory and hold; the PDS confirms handles itself.
//
//   unshare --map-root-user --net --mount node handles.mjs HOLD APPVIEW WORK_DIR
//
// One line a step; the last line is the sum: "appview: N passed, N failed".

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { startStack } from '../demo/processes.mjs'
import { OCI_IMAGE, sha256 } from './images.mjs'
import { DOMAIN, Internet, namesPds, PUBLIC } from './internet.mjs'
import { Meddler, says } from './meddler.mjs'
import { newAccount } from './registry.mjs'
import { allHeld, step, sum } from './steps.mjs'

const [holdBinary, appviewBinary, work] = process.argv.slice(2)

// --- a network whose names are in its DNS only

const named = (label) => `${label}.${DOMAIN}`
const sites = ['bob', 'carol']
const internet = new Internet(work, ['plc', 'pds', 'hold', ...sites].map(named))
internet.replace('/etc/hosts', '127.0.0.1 localhost\n::1 localhost\n')
internet.replace('/etc/nsswitch.conf', 'hosts: files dns\n')
const resolvConf = internet.replace('/etc/resolv.conf', 'nameserver 127.0.0.1\n')

/** A real name server, which knows these TXT records and the addresses of the servers. */
class NameServer {
  static async start(address, records) {
    const server = new NameServer()
    const zone = [`--local=/${DOMAIN}/`, ...['plc', 'pds', 'hold', ...sites].map((label) => `--host-record=${named(label)},${PUBLIC}`)]
    const words = ['--no-daemon', '--conf-file=/dev/null', '--no-hosts', '--no-resolv', '--bind-interfaces', `--listen-address=${address}`, ...zone]
    server.child = spawn('setpriv', ['--pdeathsig', 'KILL', 'dnsmasq', ...words, ...records.map((record) => `--txt-record=${record}`)])
    server.ended = once(server.child, 'exit')
    let log = ''
    server.child.stderr.on('data', (bytes) => (log += bytes))
    while (!/started/.test(log)) await Promise.race([once(server.child.stderr, 'data'), server.ended.then(() => assert.fail(log))])
    return server
  }

  async stop() {
    this.child.kill()
    await this.ended
  }
}

let names = await NameServer.start('127.0.0.1', [])
const record = (label, { did }) => `_atproto.${named(label)},did=${did}`

/** The name server, with these TXT records and no others. */
async function publish(...records) {
  await names.stop()
  names = await NameServer.start('127.0.0.1', records)
}

// --- real servers at public names

process.env.NODE_EXTRA_CA_CERTS = internet.authority
const stack = await startStack(work)
const [plc, pds] = await Promise.all([Meddler.before(stack.plc), Meddler.before(stack.pds)])
plc.answer = namesPds(stack.plc, () => `https://pds.${DOMAIN}`)
const [alice, bob, carol, dave, mallory] = await Promise.all(['alice', 'bob', 'carol', 'dave', 'mallory'].map((name) => newAccount(stack.pds, `${name}.test`)))
const hold = await internet.hold(holdBinary, alice.did)
/** The sites of accounts: each names this DID. */
const namedBySite = { bob, carol: mallory }
const site = (label) => Meddler.before('http://127.0.0.1:1').then((server) => {
  server.answer = ({ url }) => (url === '/.well-known/atproto-did' ? says(200, {}, `${namedBySite[label].did}\n`) : says(404))
  return [label, server]
})
await internet.serve({ plc, pds, hold, ...Object.fromEntries(await Promise.all(sites.map(site))) })
const appview = await internet.appview(appviewBinary)

/** Has the PDS give `account` another handle, which it confirms itself. */
async function rename(account, handle) {
  const headers = { authorization: `Bearer ${account.accessJwt}`, 'content-type': 'application/json' }
  const response = await fetch(`${stack.pds}/xrpc/com.atproto.identity.updateHandle`, { method: 'POST', headers, body: JSON.stringify({ handle }) })
  assert(response.ok, await response.text())
}

/** Pushes an image by the account's handle and pulls it as nobody. */
async function pushAndPull(account, handle) {
  const name = `${handle}/app`
  const token = await appview.token(`repository:${name}:pull,push`, handle, account.appPassword)
  const descriptors = []
  for (const bytes of [Buffer.from('{}'), randomBytes(1000)]) {
    const { status } = await appview.call(token, 'POST', `/v2/${name}/blobs/uploads/?digest=${sha256(bytes)}`, { body: bytes })
    assert.equal(status, 201)
    descriptors.push({ mediaType: 'application/x', digest: sha256(bytes), size: bytes.length })
  }
  const [config, ...layers] = descriptors
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType: OCI_IMAGE, config, layers })
  const pushed = await appview.call(token, 'PUT', `/v2/${name}/manifests/v1`, { body: manifest, headers: { 'content-type': OCI_IMAGE } })
  assert.equal(pushed.status, 201)
  assert.equal(await pull(name), manifest)
  const page = await (await fetch(`${appview.url}/${handle}`)).text()
  assert(page.includes(handle) && page.includes('app'), page)
}

/** @returns {Promise<string>} the manifest, or the status and code of the refusal */
async function pull(name) {
  const token = await appview.token(`repository:${name}:pull`)
  const response = await appview.call(token, 'GET', `/v2/${name}/manifests/v1`)
  return response.ok ? response.text() : `${response.status} ${response.code}`
}

await step('handles: a TXT record alone confirms one, as it does for its PDS, and the hold shows it as its owner’s', async () => {
  await publish(record('alice', alice))
  await rename(alice, named('alice'))
  await pushAndPull(alice, named('alice'))
  const deadline = performance.now() + 120_000
  while (!(await (await fetch(hold.url)).text()).includes(named('alice'))) {
    assert(performance.now() < deadline, 'the page of the hold has no handle')
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
})

await step('handles: its own site confirms one that has no TXT record', async () => {
  await rename(bob, named('bob'))
  await pushAndPull(bob, named('bob'))
})

await step('handles: what the DNS says comes before what the site says', async () => {
  await publish(record('alice', alice), record('carol', carol))
  await rename(carol, named('carol'))
  await pushAndPull(carol, named('carol'))
})

await step('handles: an answer that is too long for a datagram is read', async () => {
  const long = Array.from({ length: 8 }, (_, number) => `_atproto.${named('dave')},${number}${'x'.repeat(200)}`)
  await publish(record('alice', alice), ...long, record('dave', dave))
  await rename(dave, named('dave'))
  await pushAndPull(dave, named('dave'))
})

await step('handles: nobody’s name is no name, and is not told from one that two accounts share', async () => {
  await publish(record('alice', alice), record('shared', alice), record('shared', bob))
  for (const label of ['nobody', 'shared']) assert.equal(await pull(`${named(label)}/app`), '404 NAME_UNKNOWN')
})

await step('handles: without a name server none can be told, and with one at another address all goes on', async () => {
  const records = [record('alice', alice), record('erin', mallory)]
  await publish(...records)
  await rename(mallory, named('erin'))
  await names.stop()
  assert.equal(await pull(`${named('away')}/app`), '503 UNAVAILABLE')
  names = await NameServer.start('127.0.0.2', records)
  writeFileSync(resolvConf, 'nameserver 127.0.0.2\n')
  await pushAndPull(mallory, named('erin'))
})

if (!allHeld()) console.log(appview.lastLogLines(40).join('\n'))
const held = sum()
await appview.kill()
hold.signal('SIGKILL')
await Promise.all([stack.stop(), names.stop()])
process.exit(held ? 0 : 1)
