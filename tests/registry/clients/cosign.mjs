// cosign, which signs with a key and asks nobody else. Its pushes are signatures; its pulls look at them.

import path from 'node:path'

const cli = (at, ...args) => at.run('cosign', ...args)
const quiet = ['--tlog-upload=false', '--yes', '--key', 'cosign.key']
const verify = (at, environment, name, ...more) =>
  at.runWith(environment, 'cosign', 'verify', '--insecure-ignore-tlog=true', '--key', 'cosign.pub', ...more, at.image(name))
const sign = async (at, environment, name, ...more) =>
  at.runWith(environment, 'cosign', 'sign', ...quiet, ...more, at.image(`app@${await at.digestOf('app', name)}`))

export default {
  name: 'cosign',
  versionArgs: ['version'],
  before: async (at) => {
    await at.pushLayout(at.one, 'app:v1')
    await at.pushLayout(at.many, 'app:both')
    await cli(at, 'generate-key-pair')
  },
  steps: {
    login: (at) => cli(at, 'login', at.host, '-u', at.user, '-p', at.password),
    push: (at) => sign(at, {}, 'v1'),
    second: async (at) => {
      await cli(at, 'copy', at.image('app:v1'), at.image('second:v1'))
      await verify(at, {}, 'second:v1')
    },
    index: async (at) => {
      await sign(at, {}, 'both', '--recursive')
      await verify(at, {}, `app@${at.many.images[1].manifest.digest}`)
    },
    pull: (at) => verify(at, {}, 'app:v1'),
    anonymous: (at) => verify(at, { DOCKER_CONFIG: at.emptyHome }, 'app:v1'),
    refused: async (at) => {
      const environment = { DOCKER_CONFIG: path.join(at.home, 'wrong') }
      await at.runWith(environment, 'cosign', 'login', at.host, '-u', at.user, '-p', at.wrongPassword)
      await at.refused(sign(at, environment, 'v1'))
    },
    referrers: async (at) => {
      const environment = { COSIGN_EXPERIMENTAL: '1' }
      await sign(at, environment, 'both', '--registry-referrers-mode', 'oci-1-1')
      await verify(at, environment, 'app:both', '--experimental-oci11')
    },
    delete: async (at) => {
      await cli(at, 'clean', '--force', at.image('app:v1'))
      await at.refused(verify(at, {}, 'app:v1'), /no (matching )?signatures/)
    },
  },
}
