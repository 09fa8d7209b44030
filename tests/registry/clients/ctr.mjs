// containerd by its ctr, with a daemon of its own. It has no login: each command is given the password.

import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'

const socket = (work) => path.join(work, 'containerd.sock')
const cli = (at, ...args) => at.run('ctr', '-a', socket(at.daemonHome), '-n', 'tests', 'images', ...args)
const as = (at) => ['--plain-http', '--user', `${at.user}:${at.password}`]

async function load(at, layout, name) {
  const archive = path.join(at.home, 'layout.tar')
  await at.run('tar', '-C', layout.directory, '-cf', archive, '.')
  await cli(at, 'import', '--all-platforms', '--no-unpack', '--index-name', at.image(name), archive)
}

async function pull(at, ...auth) {
  await cli(at, 'rm', at.image('app:v1'))
  await cli(at, 'pull', '--snapshotter', 'native', ...auth, at.image('app:v1'))
  const { stdout } = await cli(at, 'ls', `name==${at.image('app:v1')}`)
  assert.match(stdout, new RegExp(await at.digestOf('app', 'v1')))
}

export default {
  name: 'ctr',
  versionArgs: ['--version'],
  daemon: async (work) => {
    await mkdir(work, { recursive: true })
    const config = path.join(work, 'containerd.toml')
    await writeFile(config, `version = 2\nroot = "${work}/root"\nstate = "${work}/state"\n` +
      `disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]\n[grpc]\naddress = "${socket(work)}"\n`)
    return { command: ['containerd', '-c', config], ready: ['ctr', '-a', socket(work), 'version'] }
  },
  steps: {
    push: async (at) => {
      await load(at, at.one, 'app:v1')
      await cli(at, 'push', ...as(at), at.image('app:v1'))
    },
    second: async (at) => {
      await cli(at, 'tag', at.image('app:v1'), at.image('second:v1'))
      await cli(at, 'push', ...as(at), at.image('second:v1'))
    },
    index: async (at) => {
      await load(at, at.many, 'app:both')
      await cli(at, 'push', ...as(at), at.image('app:both'))
      assert.equal((await at.manifest('app', 'both')).manifests.length, 1)
    },
    pull: (at) => pull(at, ...as(at)),
    anonymous: (at) => pull(at, '--plain-http'),
    refused: (at) => at.refused(cli(at, 'push', '--plain-http', '--user', `${at.user}:${at.wrongPassword}`, at.image('second:v1'))),
  },
}
