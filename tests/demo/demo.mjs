// The demo: a whole registry as two real accounts see it, from the first push to the last record.
//
//   demo.mjs HOLD APPVIEW IMAGES WORK_DIR
//
// IMAGES has an OCI layout for each of alice and bob. Exits 0 when every step held. WORK_DIR belongs to the caller.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { digestOfLayout } from '../registry/images.mjs'
import { newAccount, Registry } from '../registry/registry.mjs'
import { Client } from './client.mjs'
import { interruptedPush } from './interrupted.mjs'
import { places } from './places.mjs'
import { runConsumers, startStackInParts } from './processes.mjs'
import { chapter, counts, duration, note, passed, size, speed, step, title } from './report.mjs'

const run = promisify(execFile)
const [holdBinary, appviewBinary, images, work] = process.argv.slice(2)
const CREW = 'io.atcr.hold.crew'

const started = performance.now()
let stack
let registry

/** The image in the layout of this name: its own digest, and its blobs with what they are. */
function readImage(name) {
  const directory = path.join(images, name)
  const read = ({ digest }) => readFileSync(path.join(directory, 'blobs', ...digest.split(':')))
  const [descriptor] = JSON.parse(readFileSync(path.join(directory, 'index.json'))).manifests
  const bytes = read(descriptor)
  const { config, layers } = JSON.parse(bytes)
  const total = [config, ...layers].reduce((sum, blob) => sum + blob.size, 0)
  return { source: `oci:${directory}:demo`, digest: descriptor.digest, bytes, config, layers, total }
}

/** skopeo as somebody, or as nobody; what it says when it is refused is in the error. */
function skopeo(account, ...args) {
  const auth = account ? path.join(work, `${account.handle}.json`) : path.join(work, 'nobody.json')
  const env = { PATH: process.env.PATH, HOME: work, REGISTRY_AUTH_FILE: auth }
  return run('skopeo', ['--insecure-policy', ...args], { env, timeout: 120_000 })
}

const at = (name) => `docker://${registry.appview.host}/${name}`
const push = (account, image, name) => skopeo(account, 'copy', '--preserve-digests', '--dest-tls-verify=false', image.source, at(name))

async function pull(account, image, name) {
  const target = path.join(work, `pulled-${crypto.randomUUID()}`)
  await skopeo(account, 'copy', '--preserve-digests', '--src-tls-verify=false', at(name), `oci:${target}:it`)
  assert.equal(digestOfLayout(target), image.digest)
}

/** A step whose detail says how fast so many bytes went. */
const moved = (text, bytes, move) =>
  step(text, async () => {
    const began = performance.now()
    await move()
    return { detail: `${size(bytes)}, ${speed(bytes, performance.now() - began)}` }
  })

async function start() {
  chapter('Start')
  await step('A PLC directory and a PDS', async () => {
    stack = await startStackInParts(work)
    return { detail: `${stack.plc}  ${stack.pds}` }
  })
  const accounts = {}
  for (const name of ['alice', 'bob']) {
    await step(`Account ${name}.test, with an app password`, async () => {
      accounts[name] = await newAccount(stack.pds, `${name}.test`)
      return { text: `${name}.test is ${accounts[name].did}` }
    })
  }
  await step('A hold owned by alice, which everybody may read, and the registry before it', async () => {
    const binaries = { hold: holdBinary, appview: appviewBinary }
    registry = await Registry.start({ binaries, work, stack, owner: accounts.alice, settings: { HOLD_ALLOW_ALL_CREW: 'false' } })
    return { detail: `${registry.hold.did}  ${registry.appview.url}` }
  })
  return accounts
}

/** Demands that skopeo is refused and shows what it says. */
const refused = (text, words, attempt) =>
  step(text, async () => {
    const error = await attempt().then(() => assert.fail('it was allowed'), (refusal) => refusal)
    const said = /msg="(.*)"\s*$/m.exec(error.stderr)?.[1] ?? error.stderr
    assert.match(said, words)
    const [, reason] = /.*(?:denied|unauthorized): (.*?)(?:\\n)?$/.exec(said) ?? [said, said]
    return { text: `${text}: refused`, detail: reason }
  })

async function signIn(account) {
  await step(`${account.handle} signs in, as with docker login`, () =>
    skopeo(account, 'login', '--tls-verify=false', '-u', account.handle, '-p', account.appPassword, registry.appview.host))
}

async function aliceAndBob({ alice, bob }, { alice: hers, bob: his }) {
  chapter(`Alice pushes an image of ${hers.layers.length} layers, and anybody pulls it`)
  await signIn(alice)
  await moved('skopeo pushes alice.test/demo:v1', hers.total, () => push(alice, hers, 'alice.test/demo:v1'))
  await moved('Bob, who is not signed in, pulls it: every blob is what its digest says', hers.total, () =>
    pull(undefined, hers, 'alice.test/demo:v1'))
  await step('A second name for it: no byte is sent again', async () => {
    const plain = ['--src-tls-verify=false', '--dest-tls-verify=false']
    await skopeo(alice, 'copy', '--preserve-digests', ...plain, at('alice.test/demo:v1'), at('alice.test/team/demo:latest'))
  })

  chapter('Bob pushes')
  const notOwner = /only its owner, signed in.*, may push/
  await refused('Nobody may push', notOwner, () => push(undefined, his, 'alice.test/demo:v2'))
  await signIn(bob)
  await refused('Bob may not push under alice', notOwner, () => push(bob, his, 'alice.test/demo:v2'))
  await refused('Under his own name the hold does not let him: he is not in its crew', /not a crew member/, () =>
    push(bob, his, 'bob.test/demo:v1'))
  await step("Alice adds Bob to the hold's crew", async () => {
    const client = new Client(registry.hold, stack.pds, { account: alice })
    const record = {
      $type: CREW, member: bob.did, role: 'member', permissions: ['blob:read', 'blob:write'], addedAt: new Date().toISOString(),
    }
    const { uri } = await client.procedure('com.atproto.repo.createRecord', { repo: registry.hold.did, collection: CREW, record })
    return { detail: uri }
  })
  await moved('Bob pushes bob.test/demo:v1', his.total, () => push(bob, his, 'bob.test/demo:v1'))
  await moved('Alice pulls it', his.total, () => pull(alice, his, 'bob.test/demo:v1'))
}

async function consumers() {
  chapter('The reference libraries read the hold')
  let lines
  await step('What they read agrees with its signed repository in everything', async () => {
    const ran = await runConsumers(registry.hold)
    lines = ran.lines
    if (ran.code !== 0) throw new Error(lines.slice(lines.findIndex((line) => line.startsWith('FAIL'))).join('\n'))
  })
  for (const line of lines.filter((one) => one.startsWith('ok'))) passed(line.slice(6))
}

async function demo() {
  title('atcr: a whole registry on this machine')
  const [hers, his] = ['alice', 'bob'].map(readImage)
  const accounts = await start()
  await aliceAndBob(accounts, { alice: hers, bob: his })
  await interruptedPush({ registry, stack, account: accounts.alice })
  await pull(undefined, hers, 'alice.test/team/demo:latest')
  await places({ registry, stack, work }, [
    { account: accounts.alice, image: hers, repository: 'demo', tag: 'v1' },
    { account: accounts.bob, image: his, repository: 'demo', tag: 'v1' },
  ])
  await consumers()
  chapter('Stop')
  for (const [name, part] of [['The registry', registry.appview], ['The hold', registry.hold]]) {
    await step(`${name} ends on SIGTERM`, async () => {
      part.signal('SIGTERM')
      assert.equal(await part.end(), 'exit code 0')
    })
  }
}

async function stop(code) {
  await Promise.race([stack?.stop(), new Promise((resolve) => setTimeout(resolve, 5000))])
  const verdict = code === 0 ? 'Everything held' : 'Something did not hold'
  console.log(`\n    ${verdict}, in ${duration(performance.now() - started)}.\n\ndemo: ${counts()}`)
  // What still runs is killed with this process.
  process.exit(code)
}

for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(1))

try {
  await demo()
  await stop(0)
} catch (error) {
  note(error.stderr ?? error.message)
  for (const [name, part] of Object.entries(registry ?? {}).filter(([, one]) => one?.lastLogLines)) {
    note(`Last words of the ${name}:`)
    for (const line of part.lastLogLines(15)) note(`  ${line}`)
  }
  await stop(1)
}
