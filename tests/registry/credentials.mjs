// docker's credential helper against the whole registry: a person signs in by the device flow at the pages of a real PDS, and
// real clients push and pull at a private hold with no password in ~/.docker.
//
//   credentials.mjs HOLD APPVIEW WORK_DIR HELPER TOOLS [CLIENT...]
//
// HELPER is docker-credential-atcr, TOOLS the folder with clients that are not installed. One line a step, then the table of
// src/credential/manual/credentials.md; ATCR_HOLD_WRITE=1 puts it there, else it is compared with what stands there.

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startStack } from '../demo/processes.mjs'
import docker from './clients/docker.mjs'
import { digestOfLayout, makeImage } from './images.mjs'
import { Person } from './pages.mjs'
import { newAccount, Registry } from './registry.mjs'
import { allHeld, step, sum, words } from './steps.mjs'

const run = promisify(execFile)
const MANUAL = fileURLToPath(new URL('../../src/credential/manual/credentials.md', import.meta.url))
const [holdBinary, appviewBinary, work, helper, tools, ...wanted] = process.argv.slice(2)
const SECRET = 'atcr_device_'

const stack = await startStack(work)
const [alice, bob] = await Promise.all(['alice.test', 'bob.test'].map((handle) => newAccount(stack.pds, handle)))
const binaries = { hold: holdBinary, appview: appviewBinary }
// Who pulls, too, must say who it is.
const settings = { HOLD_PUBLIC: 'false' }
const registry = await Registry.start({ binaries, work: path.join(work, 'registry'), stack, owner: alice, settings })
const { appview } = registry
const origin = appview.url.replace('localhost', '127.0.0.1')
const host = appview.host

const home = path.join(work, 'home')
const dockerSocket = path.join(work, 'docker', 'docker.sock')
const env = {
  PATH: [path.dirname(helper), `${tools}/usr/bin`, `${tools}/usr/sbin`, process.env.PATH, '/usr/sbin'].join(':'),
  HOME: home, XDG_RUNTIME_DIR: path.join(home, 'run'), DOCKER_HOST: `unix://${dockerSocket}`, ATCR_KEYRING: 'off',
}
await mkdir(path.join(home, '.config', 'containers'), { recursive: true })
await mkdir(env.XDG_RUNTIME_DIR)
await writeFile(path.join(home, '.config', 'containers', 'policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}')
const cli = (command, ...args) => run(command, args, { env, cwd: home, timeout: 180_000 })
const atcr = (...args) => cli('docker-credential-atcr', ...args)
const app = await makeImage(path.join(work, 'app'), [100, 300_000])
const image = (name) => `${host}/alice.test/${name}`

/** The helper asks, and the person lets the machine in that shows the code. */
async function login(person, ...args) {
  const child = spawn('docker-credential-atcr', ['login', host, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  const code = new Promise((resolve, reject) => {
    const collect = (bytes) => {
      said += bytes
      const found = /\b[B-Z]{4}-[B-Z]{4}\b/.exec(said)
      if (found) resolve(found[0])
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.on('exit', () => reject(new Error(said)))
  })
  const ended = once(child, 'exit')
  const page = await person.letIn(await code)
  assert.deepEqual(await ended, [0, null], said)
  assert(!said.includes(SECRET), said)
  return { said, page }
}

/** Every file below a folder that has the secret of a device in it. */
async function withSecret(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((one) => one.isFile()).map((one) => path.join(one.parentPath, one.name))
  return files.filter((file) => readFileSync(file).includes(SECRET) || readFileSync(file).includes('"auth"'))
}

async function refused(running, say) {
  const error = await running.then(() => assert.fail('it was allowed'), (refusal) => refusal)
  assert.match(`${error.stdout}${error.stderr}`, say)
}

const pulled = async (command, directory, ...args) => {
  await cli(command, ...args)
  assert.equal(digestOfLayout(path.join(home, directory)), app.manifest.digest)
}
/** buildah and podman, each with a storage of its own; podman takes no longer path than 50 characters for what runs. */
function containers(name) {
  const storage = ['--root', path.join(home, name), '--runroot', path.join(work, '..', name), '--storage-driver', 'vfs']
  const own = (...args) => cli(name, ...storage, ...(name === 'podman' ? ['--cgroup-manager', 'cgroupfs'] : []), ...args)
  return {
    push: async () => {
      const archive = `docker-archive:${home}/${name}.tar`
      await cli('skopeo', 'copy', '-q', app.source, `${archive}:${image(`${name}:v1`)}`)
      await own('pull', '-q', archive)
      await own('push', '--tls-verify=false', image(`${name}:v1`))
    },
    pull: async () => {
      await own('rmi', '--all', '--force')
      await own('pull', '-q', '--tls-verify=false', image(`${name}:v1`))
    },
  }
}
const CLIENTS = {
  docker: {
    before: async () => {
      const { command, ready } = await docker.daemon(path.join(work, 'docker'))
      const log = openSync(path.join(work, 'dockerd.log'), 'a')
      spawn('setpriv', ['--pdeathsig', 'TERM', ...command], { env, stdio: ['ignore', log, log] })
      for (let tries = 0; ; tries += 1) {
        if (await cli(ready[0], ...ready.slice(1)).then(() => true, () => false)) break
        if (tries > 150) throw new Error(readFileSync(path.join(work, 'dockerd.log'), 'utf8').split('\n').slice(-8).join('\n'))
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
    },
    push: async () => {
      await cli('skopeo', 'copy', '-q', app.source, `docker-archive:${home}/app.tar:${image('docker:v1')}`)
      await cli('docker', 'load', '-i', `${home}/app.tar`)
      await cli('docker', 'push', image('docker:v1'))
    },
    pull: async () => {
      await cli('docker', 'image', 'rm', '-f', image('docker:v1'))
      await cli('docker', 'pull', '-q', image('docker:v1'))
    },
  },
  skopeo: {
    push: () => cli('skopeo', 'copy', '--preserve-digests', '--dest-tls-verify=false', app.source, `docker://${image('skopeo:v1')}`),
    pull: () => pulled('skopeo', 'skopeo-mine', 'copy', '--preserve-digests', '--src-tls-verify=false', `docker://${image('skopeo:v1')}`, `oci:${home}/skopeo-mine:it`),
  },
  buildah: containers('buildah'),
  podman: containers('podman'),
  crane: {
    push: () => cli('crane', 'push', app.directory, image('crane:v1')),
    pull: () => pulled('crane', 'crane-mine', 'pull', '--format', 'oci', image('crane:v1'), `${home}/crane-mine`),
  },
  oras: {
    push: () => cli('oras', 'cp', '--from-oci-layout', '--to-plain-http', `${app.directory}:it`, image('oras:v1')),
    pull: () => pulled('oras', 'oras-mine', 'cp', '--from-plain-http', '--to-oci-layout', image('oras:v1'), `${home}/oras-mine:it`),
  },
}

const person = new Person(origin, alice)

await step('a person signs in by the device flow, at the pages of the PDS; the secret is in one file of 0600', async () => {
  const { said, page } = await login(person, '--name', 'the laptop')
  assert.match(said, /You are alice\.test at localhost:\d+\. The secret is in .*\/\.config\/atcr\/credentials\.json/)
  assert(page.text.includes('the laptop'), 'the approval page names the machine')
  const files = await withSecret(home)
  assert.deepEqual(files, [path.join(home, '.config', 'atcr', 'credentials.json')])
  assert.match((await atcr('status')).stdout, /alice\.test +not configured +file +good/)
})

await step('docker is told of the helper, by its configuration alone', async () => {
  await mkdir(path.join(home, '.docker'))
  await writeFile(path.join(home, '.docker', 'config.json'), '{"psFormat":"x"}')
  await atcr('configure-docker')
  const config = JSON.parse(await readFile(path.join(home, '.docker', 'config.json'), 'utf8'))
  assert.deepEqual(config, { psFormat: 'x', credHelpers: { [host]: 'atcr' } })
  assert.match((await atcr('status')).stdout, /alice\.test +asks for it +file +good/)
})

const rows = []
let whole = wanted.length === 0
for (const [name, client] of Object.entries(CLIENTS).filter(([name]) => wanted.length === 0 || wanted.includes(name))) {
  try {
    await cli(name, '--version').catch(() => cli(name, 'version'))
    await client.before?.()
  } catch (error) {
    console.log(`skipped: ${name} with the credential helper: ${words(error).split('\n')[0]}`)
    whole = false
    continue
  }
  const pushes = await step(`${name} pushes with the helper's secret`, client.push)
  const pulls = await step(`${name} pulls from a private hold with it`, client.pull)
  rows.push(`| ${name} | ${pushes ? 'yes' : 'FAILED'} | ${pulls ? 'yes' : 'FAILED'} |`)
}

await step('none of them has put a password anywhere else', async () => {
  assert.deepEqual(await withSecret(path.join(home, '.docker')), [])
  assert.deepEqual(await withSecret(path.join(home, '.config', 'containers')), [])
})

await step('without the helper nobody pulls from the private hold', async () => {
  await refused(run('crane', ['manifest', image('skopeo:v1')], { env: { ...env, DOCKER_CONFIG: work } }).then(() =>
    run('crane', ['pull', image('skopeo:v1'), `${home}/stolen.tar`], { env: { ...env, DOCKER_CONFIG: work } })), /UNAUTHORIZED|401|DENIED/i)
})

await step('two accounts at one registry: docker is told of the last, and of another by "use"', async () => {
  await login(new Person(origin, bob))
  const source = `docker://${image('skopeo:v1')}`
  const copy = (to) => cli('skopeo', 'copy', '--src-tls-verify=false', '--dest-tls-verify=false', app.source, to)
  await refused(copy(`docker://${image('skopeo:stolen')}`), /denied|unauthorized|forbidden/i)
  await atcr('use', host, 'alice.test')
  await copy(source)
  await atcr('logout', host, 'bob.test')
  assert.doesNotMatch((await atcr('status')).stdout, /bob/)
})

await step('a device that was revoked: docker and status say "sign in again"', async () => {
  const devices = await person.open('/auth/device')
  const device = /name="device" value="(\d+)"/.exec(devices.text)[1]
  assert.equal((await person.send(devices, '/auth/device/revoke', { device })).status, 303)
  const status = await atcr('status').then(() => assert.fail('status is content'), (error) => error)
  assert.deepEqual([status.code, /sign in again: no device here has this secret/.test(status.stdout)], [1, true], status.stdout)
  if (CLIENTS.docker && rows.some((row) => row.startsWith('| docker'))) {
    await refused(cli('docker', 'pull', image('docker:v1')), /sign in again/)
  }
  await refused(cli('crane', 'manifest', image('crane:v1')), /sign in again/)
  await login(person)
  await cli('crane', 'manifest', image('skopeo:v1'))
})

await step('a session that was lost at the PDS is said to docker as well', async () => {
  await appview.kill()
  const database = new DatabaseSync(appview.settings.ATCR_DATABASE_PATH)
  database.exec('DELETE FROM pds_session')
  database.close()
  await appview.start()
  await refused(cli('crane', 'manifest', image('skopeo:v1')), /has ended: sign in again at http:\/\/127\.0\.0\.1:\d+\/auth\/oauth\/login/)
  await new Person(origin, alice).signIn()
  await cli('crane', 'manifest', image('skopeo:v1'))
})

await step('logout gives the device back at the registry', async () => {
  await atcr('logout')
  const devices = new Person(origin, alice)
  await devices.signIn()
  assert.doesNotMatch((await devices.open('/auth/device')).text, /name="device"/)
  assert.equal((await atcr('list')).stdout, '{}\n')
})

/** In a session with a bus and a keyring that is unlocked. */
const inSession = (script) =>
  run('dbus-run-session', ['--', 'sh', '-c', `printf secret | gnome-keyring-daemon --unlock --components=secrets >/dev/null; ${script}`], {
    env: { ...env, ATCR_KEYRING: '' },
    timeout: 180_000,
  })

if (await run('dbus-run-session', ['--', 'sh', '-c', 'command -v secret-tool gnome-keyring-daemon'], { env }).then(() => true, () => false)) {
  await step('in a session with GNOME Keyring the secret is there, and in no file', async () => {
    const message = JSON.stringify({ ServerURL: 'keyring.example', Username: 'alice.test', Secret: 'atcr_device_in-the-keyring' })
    const { stdout, stderr } = await inSession(
      `printf '%s' '${message}' | docker-credential-atcr store; printf keyring.example | docker-credential-atcr get; docker-credential-atcr status --offline; cat .config/atcr/credentials.json >&2; printf keyring.example | docker-credential-atcr erase; printf keyring.example | docker-credential-atcr get || true`.replace('.config', `${home}/.config`),
    )
    const [told, ...rest] = stdout.split('\n')
    assert.deepEqual(JSON.parse(told), JSON.parse(message), stdout + stderr)
    assert.match(rest.join('\n'), /alice\.test +.*keyring +not asked/)
    assert(!stderr.includes('in-the-keyring') && stderr.includes('keyring.example'), stderr)
    assert(stdout.trim().endsWith('credentials not found in native keychain'), stdout)
  })
} else {
  console.log('skipped: a real keyring: secret-tool, gnome-keyring-daemon or dbus-run-session is not there')
}

const table = ['| client | push with the helper | pull with the helper |', '|---|---|---|', ...rows].join('\n')
console.log(`\n${table}\n`)
if (whole) {
  const BLOCK = /(<!-- clients: made by tests\/appview.sh -->\n)[^]*?(<!-- end -->)/
  const text = await readFile(MANUAL, 'utf8')
  if (process.env.ATCR_HOLD_WRITE) await writeFile(MANUAL, text.replace(BLOCK, `$1${table}\n$2`))
  else await step('the table of clients in the manual is this one', () => assert(text.includes(table)))
}
if (!allHeld()) console.log(appview.lastLogLines(40).join('\n'))
sum()
await registry.stop()
await stack.stop()
process.exit(allHeld() ? 0 : 1)
