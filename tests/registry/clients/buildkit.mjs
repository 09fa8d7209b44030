// BuildKit in a newer docker, with containerd's image store: it pushes what it builds, several platforms and what it says of
// the build, and keeps its cache in the registry. Nothing is run in what it builds, so it needs no network.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { OCI_INDEX, OCI_IMAGE } from '../images.mjs'

const socket = (work) => `unix://${path.join(work, 'docker.sock')}`
const cli = (at, command, ...args) => at.runWith({ DOCKER_HOST: socket(at.daemonHome) }, command, ...args)
const docker = (at, ...args) => cli(at, 'docker', ...args)
const asNobody = (at, ...args) => at.runWith({ DOCKER_HOST: socket(at.daemonHome), DOCKER_CONFIG: at.emptyHome }, 'docker', ...args)
const BOTH = ['--platform', 'linux/amd64,linux/arm64']

/** Builds a folder; answers what was said of it. */
async function build(at, context, ...args) {
  const { stdout, stderr } = await cli(at, 'docker-buildx', 'build', '--progress', 'plain', ...args, path.join(at.home, context))
  return stdout + stderr
}

let last = Promise.resolve()

/** Does one after the other what forgets all that the daemon has: that is shared by all registries. */
const alone = (test) => (at) => (last = last.catch(() => {}).then(() => test(at)))

async function prune(at) {
  await cli(at, 'docker-buildx', 'prune', '--all', '--force')
  await docker(at, 'image', 'prune', '--all', '--force')
}

/** Folders with an image of two stages, of which the first one is not in the image, and with one that has no layers. */
async function makeContexts(at) {
  const context = path.join(at.home, 'context')
  await mkdir(context)
  await writeFile(path.join(context, 'one'), `one of ${at.image('app')}`)
  await writeFile(path.join(context, 'two'), `two of ${at.image('app')}`)
  const stages = ['FROM scratch AS first', 'COPY one /', 'COPY two /', 'FROM scratch', 'COPY --from=first /one /', 'LABEL a=b']
  await writeFile(path.join(context, 'Dockerfile'), stages.join('\n'))
  await mkdir(path.join(at.home, 'bare'))
  await writeFile(path.join(at.home, 'bare', 'Dockerfile'), 'FROM scratch\nLABEL a=b\n')
}

/** Builds with a cache in the registry, forgets everything, and builds again with the cache alone. */
async function cached(at, name, attributes, type) {
  const ref = at.image(`cache:${name}`)
  const output = path.join(at.home, `output-${name}`)
  await prune(at)
  await build(at, 'context', '--cache-to', `type=registry,ref=${ref}${attributes}`, '--output', `type=local,dest=${output}`)
  await rm(output, { recursive: true })
  assert.equal((await at.manifest('cache', name)).mediaType, type)
  await prune(at)
  const said = await build(at, 'context', '--cache-from', `type=registry,ref=${ref}`, '--output', `type=local,dest=${output}`)
  assert.match(said, /\[first 1\/2\] COPY one \/\n#\d+ CACHED/)
  assert.match(said, /COPY --from=first \/one \/\n(.*\n)*#\d+ CACHED/)
  assert.equal(readFileSync(path.join(output, 'one'), 'utf8'), `one of ${at.image('app')}`)
}

async function pull(at, docker) {
  await prune(at)
  await docker(at, 'pull', '-q', at.image('app:v1'))
  const { stdout } = await asNobody(at, 'image', 'inspect', '--format', '{{join .RepoDigests "\\n"}}', at.image('app:v1'))
  assert.equal(stdout.trim().split('@')[1], await at.digestOf('app', 'v1'))
}

export default {
  name: 'buildkit',
  command: 'docker-buildx',
  folder: 'docker-28',
  versionArgs: ['version'],
  daemon: async (work) => {
    await mkdir(work, { recursive: true })
    const config = path.join(work, 'daemon.json')
    await writeFile(config, '{"features":{"containerd-snapshotter":true}}')
    const places = ['--data-root', 'data', '--exec-root', 'run', '--pidfile', 'docker.pid'].map((one) =>
      one.startsWith('--') ? one : path.join(work, one))
    return {
      command: [
        'dockerd', '--config-file', config, '-H', socket(work), ...places, '--iptables=false', '--ip6tables=false', '--bridge=none', '-s', 'native',
      ],
      ready: ['docker', '-H', socket(work), 'version'],
    }
  },
  before: makeContexts,
  steps: {
    login: (at) => docker(at, 'login', '-u', at.user, '-p', at.password, at.host),
    push: async (at) => {
      await build(at, 'context', '--push', '-t', at.image('app:v1'))
      // Without layers: it writes `null` for their list.
      await build(at, 'bare', '--provenance=false', '--push', '-t', at.image('bare:v1'))
      assert.equal((await at.manifest('bare', 'v1')).layers, null)
    },
    second: async (at) => {
      await cli(at, 'docker-buildx', 'imagetools', 'create', '-t', at.image('second:v1'), at.image('app:v1'))
      assert.equal(await at.digestOf('second', 'v1'), await at.digestOf('app', 'v1'))
    },
    index: async (at) => {
      await build(at, 'context', ...BOTH, '--provenance', 'mode=max', '--push', '-t', at.image('app:both'))
      const { mediaType, manifests } = await at.manifest('app', 'both')
      assert.equal(mediaType, OCI_INDEX)
      const platforms = manifests.map(({ platform }) => `${platform.os}/${platform.architecture}`)
      assert.deepEqual(platforms.sort(), ['linux/amd64', 'linux/arm64', 'unknown/unknown', 'unknown/unknown'])
    },
    cache: alone(async (at) => {
      await cached(at, 'image', ',mode=max', OCI_IMAGE)
      await cached(at, 'index', ',mode=max,image-manifest=false', OCI_INDEX)
    }),
    pull: alone((at) => pull(at, docker)),
    anonymous: alone((at) => pull(at, asNobody)),
    refused: (at) => at.refused(asNobody(at, 'login', '-u', at.user, '-p', at.wrongPassword, at.host)),
  },
}
