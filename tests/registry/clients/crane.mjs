// crane, which knows that localhost has no TLS.

import assert from 'node:assert/strict'
import path from 'node:path'
import { digestOfLayout } from '../images.mjs'

const cli = (at, ...args) => at.run('crane', ...args)

async function pull(at, directory, environment) {
  await at.runWith(environment, 'crane', 'pull', '--format', 'oci', at.image('app:v1'), path.join(at.home, directory))
  assert.equal(digestOfLayout(path.join(at.home, directory)), at.one.manifest.digest)
}

export default {
  name: 'crane',
  versionArgs: ['version'],
  steps: {
    login: (at) => cli(at, 'auth', 'login', at.host, '-u', at.user, '-p', at.password),
    push: (at) => cli(at, 'push', at.one.directory, at.image('app:v1')),
    second: (at) => cli(at, 'copy', at.image('app:v1'), at.image('second:v1')),
    index: async (at) => {
      await cli(at, 'push', '--index', at.many.directory, at.image('app:both'))
      const parts = ['-m', at.image(`app@${at.many.images[1].manifest.digest}`), '-m', at.image('app:v1')]
      await cli(at, 'index', 'append', ...parts, '-t', at.image('app:more'))
      assert.equal((await at.manifest('app', 'more')).manifests.length, 2)
    },
    pull: (at) => pull(at, 'mine', {}),
    anonymous: (at) => pull(at, 'public', { DOCKER_CONFIG: at.emptyHome }),
    // It signs in without asking; the password is tried when it is used.
    refused: async (at) => {
      const environment = { DOCKER_CONFIG: path.join(at.home, 'wrong') }
      await at.runWith(environment, 'crane', 'auth', 'login', at.host, '-u', at.user, '-p', at.wrongPassword)
      await at.refused(at.runWith(environment, 'crane', 'copy', at.image('app:v1'), at.image('stolen:v1')))
    },
    delete: async (at) => {
      await cli(at, 'delete', at.image(`app@${await at.digestOf('app', 'more')}`))
      await at.gone('app', 'more')
    },
  },
}
