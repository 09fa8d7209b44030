// docker with a daemon of its own: no network of containers, no storage but plain folders.

import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'

const socket = (work) => `unix://${path.join(work, 'docker.sock')}`
const cli = (at, ...args) => at.run('docker', '-H', socket(at.daemonHome), ...args)
const asNobody = (at, ...args) => at.runWith({ DOCKER_CONFIG: at.emptyHome }, 'docker', '-H', socket(at.daemonHome), ...args)

async function pull(at, docker) {
  await cli(at, 'image', 'rm', '-f', at.image('app:v1'), at.image('second:v1'), at.image('app:amd64'))
  await docker(at, 'pull', '-q', at.image('app:v1'))
  const { stdout } = await cli(at, 'image', 'inspect', at.image('app:v1'))
  const [{ RepoDigests, RootFS }] = JSON.parse(stdout)
  assert.deepEqual(RepoDigests.map((one) => one.split('@')[1]), [await at.digestOf('app', 'v1')])
  assert.deepEqual(RootFS.Layers, at.one.diffIds)
}

export default {
  name: 'docker',
  versionArgs: ['--version'],
  /** @returns the daemon's command line, and how one knows that it answers */
  daemon: async (work) => {
    await mkdir(work, { recursive: true })
    const places = ['--data-root', 'data', '--exec-root', 'run', '--pidfile', 'docker.pid'].map((one) =>
      one.startsWith('--') ? one : path.join(work, one))
    return {
      command: ['dockerd', '-H', socket(work), ...places, '--iptables=false', '--ip6tables=false', '--bridge=none', '-s', 'vfs'],
      ready: ['docker', '-H', socket(work), 'version'],
    }
  },
  steps: {
    login: (at) => cli(at, 'login', '-u', at.user, '-p', at.password, at.host),
    push: async (at) => {
      await cli(at, 'load', '-i', await at.dockerArchive())
      await cli(at, 'push', at.image('app:v1'))
    },
    second: async (at) => {
      await cli(at, 'tag', at.image('app:v1'), at.image('second:v1'))
      const { stdout } = await cli(at, 'push', at.image('second:v1'))
      // It asks for the blob before it mounts it, and hears that the owner's hold has it.
      assert.match(stdout, /Layer already exists|Mounted from/)
    },
    index: async (at) => {
      await cli(at, 'tag', at.image('app:v1'), at.image('app:amd64'))
      await cli(at, 'push', at.image('app:amd64'))
      await cli(at, 'manifest', 'create', '--insecure', at.image('app:both'), at.image('app:amd64'))
      await cli(at, 'manifest', 'push', '--insecure', at.image('app:both'))
      assert.equal((await at.manifest('app', 'both')).manifests.length, 1)
    },
    pull: (at) => pull(at, cli),
    anonymous: (at) => pull(at, asNobody),
    refused: (at) => at.refused(asNobody(at, 'login', '-u', at.user, '-p', at.wrongPassword, at.host)),
  },
}
