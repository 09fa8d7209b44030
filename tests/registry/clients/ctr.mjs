// containerd by its ctr, with a daemon of its own. It has no login: each command is given the password.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import path from 'node:path'
import { makeImage, OCI_IMAGE } from '../images.mjs'

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

/** A registry that has one image, under any name. @returns {Promise<{ server: import('node:http').Server, asked: string[] }>} */
async function registryOf({ manifest, directory }) {
  const asked = []
  const server = createServer(async ({ url }, response) => {
    const [, kind, reference] = /\/(manifests|blobs)\/([^?]+)/.exec(url) ?? []
    if (!kind) return response.end()
    asked.push(url)
    const digest = reference.includes(':') ? reference : manifest.digest
    const bytes = await readFile(path.join(directory, 'blobs', ...digest.split(':')))
    const type = kind === 'manifests' ? OCI_IMAGE : 'application/octet-stream'
    return response.writeHead(200, { 'content-type': type, 'content-length': bytes.length, 'docker-content-digest': digest }).end(bytes)
  })
  server.listen(0, 'localhost')
  await once(server, 'listening')
  return { server, asked }
}

/** As a mirror of docker.io: what it has comes from it, and what only Docker Hub can have from the server behind it. */
async function mirror(at) {
  const other = await makeImage(path.join(at.home, 'other'), [1000])
  const { server, asked } = await registryOf(other)
  const hosts = path.join(at.home, 'hosts')
  await mkdir(path.join(hosts, 'docker.io'), { recursive: true })
  await writeFile(path.join(hosts, 'docker.io', 'hosts.toml'), `server = "http://localhost:${server.address().port}"\n` +
    `[host."http://${at.host}"]\n  capabilities = ["pull", "resolve"]\n`)
  for (const [name, digest] of [[`${at.user}/${at.prefix}/app:v1`, await at.digestOf('app', 'v1')], [`library/${at.user}:v1`, other.manifest.digest]]) {
    assert.deepEqual(asked, [])
    await cli(at, 'pull', '--snapshotter', 'native', '--hosts-dir', hosts, `docker.io/${name}`)
    const { stdout } = await cli(at, 'ls', `name==docker.io/${name}`)
    assert.match(stdout, new RegExp(digest))
  }
  assert(asked.length > 0 && asked.every((url) => url.startsWith(`/v2/library/${at.user}/`)), asked.join('\n'))
  server.close()
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
    anonymous: async (at) => {
      await pull(at, '--plain-http')
      await mirror(at)
    },
    refused: (at) => at.refused(cli(at, 'push', '--plain-http', '--user', `${at.user}:${at.wrongPassword}`, at.image('second:v1'))),
  },
}
