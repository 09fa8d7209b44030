// skopeo: images byte for byte.

import assert from 'node:assert/strict'
import path from 'node:path'
import { digestOfLayout } from '../images.mjs'

const cli = (at, ...args) => at.run('skopeo', ...args)
const auth = (at) => path.join(at.home, 'auth.json')
const place = (at, name) => `docker://${at.image(name)}`
const push = (at, source, name, ...more) =>
  cli(at, 'copy', '--preserve-digests', '--authfile', auth(at), '--src-tls-verify=false', '--dest-tls-verify=false', ...more, source, place(at, name))

async function pull(at, authfile, directory) {
  const target = `oci:${path.join(at.home, directory)}:it`
  await cli(at, 'copy', '--preserve-digests', '--authfile', authfile, '--src-tls-verify=false', place(at, 'app:v1'), target)
  assert.equal(digestOfLayout(path.join(at.home, directory)), at.one.manifest.digest)
}

export default {
  name: 'skopeo',
  versionArgs: ['--version'],
  steps: {
    login: (at) => cli(at, 'login', '--authfile', auth(at), '--tls-verify=false', '-u', at.user, '-p', at.password, at.host),
    push: (at) => push(at, at.one.source, 'app:v1'),
    second: (at) => push(at, place(at, 'app:v1'), 'second:v1'),
    index: async (at) => {
      await push(at, at.many.source, 'app:both', '--all')
      assert.equal(await at.digestOf('app', 'both'), at.many.manifest.digest)
    },
    pull: (at) => pull(at, auth(at), 'mine'),
    anonymous: (at) => pull(at, at.emptyAuth, 'public'),
    refused: (at) =>
      at.refused(cli(at, 'login', '--authfile', at.emptyAuth, '--tls-verify=false', '-u', at.user, '-p', at.wrongPassword, at.host)),
    delete: async (at) => {
      await cli(at, 'delete', '--authfile', auth(at), '--tls-verify=false', place(at, 'app:both'))
      await at.gone('app', 'both')
    },
  },
}
