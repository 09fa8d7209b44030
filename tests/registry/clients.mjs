// Real OCI clients against the whole registry, with the hold's blobs in a directory and in Garage.
//
//   clients.mjs HOLD APPVIEW WORK_DIR S3_LIST TOOLS [CLIENT...]
//
// S3_LIST is the file that ATCR_HOLD_S3 names, TOOLS the folder with clients that are not installed. One line a client and
// storage, then the table of tests/README.md; ATCR_HOLD_WRITE=1 puts it there, else it is compared with what stands there.

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startStack } from '../demo/processes.mjs'
import buildah from './clients/buildah.mjs'
import buildkit from './clients/buildkit.mjs'
import cosign from './clients/cosign.mjs'
import crane from './clients/crane.mjs'
import ctr from './clients/ctr.mjs'
import docker from './clients/docker.mjs'
import notation from './clients/notation.mjs'
import oras from './clients/oras.mjs'
import podman from './clients/podman.mjs'
import skopeo from './clients/skopeo.mjs'
import { makeImage, makeIndex } from './images.mjs'
import { garage, newAccount, Registry } from './registry.mjs'
import { step, sum, words } from './steps.mjs'

const run = promisify(execFile)
const CLIENTS = [skopeo, buildah, podman, docker, buildkit, ctr, oras, crane, cosign, notation]
const STEPS = {
  login: 'login', push: 'push', second: 'second name', index: 'index', cache: 'build cache', pull: 'pull',
  anonymous: 'pull as nobody', refused: 'wrong password', referrers: 'referrers', delete: 'delete',
}
const README = fileURLToPath(new URL('../README.md', import.meta.url))
const [holdBinary, appviewBinary, work, s3List, tools, ...wanted] = process.argv.slice(2)

/** Where a client's commands are: some clients have a folder of their own among the tools. */
const searchPath = ({ folder = '' }) => {
  const own = path.join(tools, folder, 'usr')
  return [`${own}/bin`, `${own}/sbin`, process.env.PATH, '/usr/sbin'].join(':')
}

/** One client at one registry: where it keeps things, who it is, and what it is given to push. */
class At {
  constructor(client, registry, owner, storage) {
    Object.assign(this, { client, registry, user: owner.handle, password: owner.appPassword })
    Object.assign(this, { host: registry.appview.host, wrongPassword: 'aaaa-bbbb-cccc-dddd' })
    this.home = path.join(work, storage, client.name)
    this.emptyHome = path.join(this.home, 'empty')
    this.emptyAuth = path.join(this.emptyHome, 'config.json')
    this.daemonHome = path.join(work, `${client.name}d`)
    // podman takes no longer one than 50 characters.
    this.shortHome = path.join(work, `${client.name[0]}${storage[0]}`)
    this.prefix = client.name
  }

  async prepare() {
    await mkdir(path.join(this.home, '.config', 'containers'), { recursive: true })
    await writeFile(path.join(this.home, '.config', 'containers', 'policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}')
    await mkdir(this.emptyHome)
    await writeFile(this.emptyAuth, '{}')
    this.one = await makeImage(path.join(this.home, 'one'), [100, 2_000_000])
    this.many = await makeIndex(path.join(this.home, 'many'))
    await this.client.before?.(this)
  }

  image(name) {
    return `${this.host}/${this.user}/${this.prefix}/${name}`
  }

  run(...command) {
    return this.runWith({}, ...command)
  }

  runWith(environment, command, ...args) {
    const env = {
      PATH: searchPath(this.client), HOME: this.home, XDG_RUNTIME_DIR: path.join(this.home, 'xdg'), XDG_CONFIG_HOME: path.join(this.home, '.config'),
      DOCKER_CONFIG: path.join(this.home, '.docker'), DOCKER_CLI_EXPERIMENTAL: 'enabled', COSIGN_PASSWORD: '',
      REGISTRY_AUTH_FILE: this.emptyAuth, ...environment,
    }
    return run(command, args, { cwd: this.home, env, timeout: 180_000, maxBuffer: 1 << 24 })
  }

  pushLayout(layout, name) {
    const to = ['--dest-tls-verify=false', '--dest-creds', `${this.user}:${this.password}`]
    return this.run('skopeo', 'copy', '--all', '--preserve-digests', ...to, layout.source, `docker://${this.image(name)}`)
  }

  /** The image as an archive that docker and its kin load. */
  async dockerArchive() {
    const file = path.join(this.home, 'app.tar')
    await this.run('skopeo', 'copy', '-q', this.one.source, `docker-archive:${file}:${this.image('app:v1')}`)
    return file
  }

  // --- what the registry has, asked by plain HTTP

  async #get(method, name, reference) {
    const repository = `${this.user}/${this.prefix}/${name}`
    this.reader ??= new Map()
    if (!this.reader.has(name)) this.reader.set(name, await this.registry.appview.token(`repository:${repository}:pull`))
    const headers = { accept: '*/*' }
    return this.registry.appview.call(this.reader.get(name), method, `/v2/${repository}/manifests/${reference}`, { headers })
  }

  async digestOf(name, reference) {
    const response = await this.#get('HEAD', name, reference)
    assert.equal(response.status, 200, `${name}:${reference}`)
    return response.headers.get('docker-content-digest')
  }

  async manifest(name, reference) {
    const response = await this.#get('GET', name, reference)
    assert.equal(response.status, 200, `${name}:${reference}`)
    return response.json()
  }

  async gone(name, reference) {
    assert.equal((await this.#get('GET', name, reference)).code, 'MANIFEST_UNKNOWN')
  }

  /** Demands that a command fails, and says why in words that help. */
  async refused(running, say = /unauthorized|denied|password|credentials|401/i) {
    const error = await running.then(() => assert.fail('it was allowed'), (refusal) => refusal)
    assert.match(`${error.stdout}${error.stderr}`, say)
  }
}

/** The version that a client says it has; `undefined` when it is missing. */
async function versionOf(client) {
  const env = { PATH: searchPath(client), HOME: work }
  const ran = await run(client.command ?? client.name, client.versionArgs, { env }).catch(() => undefined)
  return ran && (/(?<![\w.])v?(\d+\.\d+[.\d]*)/.exec(ran.stdout)?.[1] ?? '')
}

/** Starts the client's daemon, if it has one; ends with this process. @returns {Promise<() => Promise<void>>} its end */
async function startDaemon(client) {
  if (!client.daemon) return async () => {}
  const { command, ready } = await client.daemon(path.join(work, `${client.name}d`))
  const log = openSync(path.join(work, `${client.name}d.log`), 'a')
  const env = { PATH: searchPath(client), HOME: work }
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', ...command], { env, stdio: ['ignore', log, log] })
  const ended = once(child, 'exit')
  for (let tries = 0; ; tries += 1) {
    const answered = await run(ready[0], ready.slice(1), { env }).then(() => true, () => false)
    if (answered) break
    if (tries > 150 || child.exitCode !== null) {
      throw new Error(readFileSync(path.join(work, `${client.name}d.log`), 'utf8').split('\n').slice(-8).join('\n'))
    }
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  return async () => {
    child.kill('SIGTERM')
    await ended
  }
}

/** Passes the client's steps in their order. @returns {Promise<Map<string, boolean>>} which of them held */
async function pass(client, { registry, owner, storage }) {
  const at = new At(client, registry, owner, storage)
  const results = new Map()
  const title = `${client.name}, ${storage}`
  if (!(await step(`${title}: prepared`, () => at.prepare()))) return results
  for (const name of Object.keys(STEPS).filter((one) => client.steps[one])) {
    results.set(name, await step(`${title}: ${STEPS[name]}`, () => client.steps[name](at)))
  }
  return results
}

function tableOf(rows) {
  const heading = ['client', ...Object.values(STEPS)]
  const lines = [heading, heading.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`)
  return lines.join('\n')
}

const BLOCK = /(<!-- clients: made by tests\/appview.sh -->\n)[^]*?(<!-- end -->)/

async function compare(table) {
  const text = readFileSync(README, 'utf8')
  if (process.env.ATCR_HOLD_WRITE) await writeFile(README, text.replace(BLOCK, `$1${table}\n$2`))
  else await step('the table of clients in tests/README.md is this one', () => assert.ok(text.includes(table)))
}

const stack = await startStack(work)
const places = []
for (const [storage, settings] of [['directory', {}], ['garage', garage(s3List)]]) {
  const owner = await newAccount(stack.pds, `alice-${storage}.test`)
  const binaries = { hold: holdBinary, appview: appviewBinary }
  const registry = await Registry.start({ binaries, work: path.join(work, `registry-${storage}`), stack, owner, settings })
  places.push({ storage, owner, registry })
}

const rows = []
let whole = wanted.length === 0
for (const client of CLIENTS.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
  const version = await versionOf(client)
  let stopDaemon
  try {
    assert.ok(version !== undefined, 'it cannot be had here')
    stopDaemon = await startDaemon(client)
  } catch (error) {
    console.log(`skipped: the client ${client.name}: ${words(error).split('\n')[0]}`)
    whole = false
    continue
  }
  const began = performance.now()
  const results = await Promise.all(places.map((place) => pass(client, place)))
  await stopDaemon()
  console.log(`${client.name} ${version}: ${((performance.now() - began) / 1000).toFixed(1)} s`)
  const mark = (name) => {
    if (!client.steps[name]) return '–'
    return results.every((one) => one.get(name)) ? 'yes' : 'FAILED'
  }
  rows.push([client.name, ...Object.keys(STEPS).map(mark)])
}
const table = tableOf(rows)
console.log(`\n${table}\n`)
if (whole) await compare(table)
const held = sum()
await Promise.all(places.map(({ registry }) => registry.stop()))
await stack.stop()
process.exit(held ? 0 : 1)
