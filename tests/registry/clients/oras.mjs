// oras: images and artifacts, and what refers to them.

import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { digestOfLayout } from '../images.mjs'

const cli = (at, ...args) => at.run('oras', ...args)
const config = (at) => path.join(at.home, 'config.json')
const as = (at) => ['--plain-http', '--registry-config', config(at)]
const push = (at, layout, name) =>
  cli(at, 'cp', '--from-oci-layout', '--to-plain-http', '--to-registry-config', config(at), `${layout.directory}:it`, at.image(name))

async function pull(at, registryConfig, directory) {
  const target = `${path.join(at.home, directory)}:it`
  await cli(at, 'cp', '--from-plain-http', '--from-registry-config', registryConfig, '--to-oci-layout', at.image('app:v1'), target)
  assert.equal(digestOfLayout(path.join(at.home, directory)), at.one.manifest.digest)
}

/** Pushes an artifact, and pulls it by the very command that the page of its repository shows. */
async function pullAsItsPageSays(at) {
  await writeFile(path.join(at.home, 'empty.txt'), '')
  const files = ['list.txt:text/plain', 'empty.txt:text/plain']
  // The second time it asks for each file, and wants its length, also that of the empty one.
  for (const tag of ['v1', 'v2']) await cli(at, 'push', ...as(at), '--artifact-type', 'application/x-list', at.image(`list:${tag}`), ...files)
  const page = await (await fetch(`http://${at.image('list')}`, { headers: { accept: 'text/html' } })).text()
  const [, command] = /<code id="pull">(oras pull [^<]+)<\/code>/.exec(page) ?? assert.fail(page)
  await cli(at, ...command.split(' ').slice(1), '--plain-http', '--registry-config', at.emptyAuth, '--output', 'pulled')
  assert.equal(await readFile(path.join(at.home, 'pulled', 'list.txt'), 'utf8'), 'what is in it')
}

export default {
  name: 'oras',
  versionArgs: ['version'],
  steps: {
    login: (at) => cli(at, 'login', ...as(at), '-u', at.user, '-p', at.password, at.host),
    push: (at) => push(at, at.one, 'app:v1'),
    second: (at) =>
      cli(at, 'cp', '--from-plain-http', '--to-plain-http', '--from-registry-config', config(at), '--to-registry-config',
        config(at), at.image('app:v1'), at.image('second:v1')),
    index: async (at) => {
      await push(at, at.many, 'app:both')
      assert.equal(await at.digestOf('app', 'both'), at.many.manifest.digest)
    },
    pull: (at) => pull(at, config(at), 'mine'),
    anonymous: (at) => pull(at, at.emptyAuth, 'public'),
    refused: (at) =>
      at.refused(cli(at, 'login', '--plain-http', '--registry-config', at.emptyAuth, '-u', at.user, '-p', at.wrongPassword, at.host)),
    referrers: async (at) => {
      await writeFile(path.join(at.home, 'list.txt'), 'what is in it')
      await cli(at, 'attach', ...as(at), '--artifact-type', 'application/x-list', at.image('app:v1'), 'list.txt:text/plain')
      const { stdout } = await cli(at, 'discover', '--plain-http', '--registry-config', at.emptyAuth, '-o', 'json', at.image('app:v1'))
      assert.deepEqual(JSON.parse(stdout).manifests.map((one) => one.artifactType), ['application/x-list'])
      await pullAsItsPageSays(at)
    },
    delete: async (at) => {
      await cli(at, 'manifest', 'delete', ...as(at), '--force', at.image('app:both'))
      await at.gone('app', 'both')
    },
  },
}
