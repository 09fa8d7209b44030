// notation: signatures that refer to what they sign. It keeps passwords only in helpers of a desktop.

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'

const cli = (at, ...args) => at.run('notation', ...args)
const as = (at) => ['--insecure-registry', '-u', at.user, '-p', at.password]
const named = async (at, name) => at.image(`app@${await at.digestOf('app', name)}`)
const sign = async (at, name, auth) => cli(at, 'sign', ...auth, await named(at, name))
const verify = async (at, name, auth) => {
  const { stdout, stderr } = await cli(at, 'verify', ...auth, await named(at, name))
  assert.match(stdout + stderr, /Successfully verified/)
}

export default {
  name: 'notation',
  versionArgs: ['version'],
  before: async (at) => {
    await at.pushLayout(at.one, 'app:v1')
    await at.pushLayout(at.many, 'app:both')
    await cli(at, 'cert', 'generate-test', '--default', 'tests')
    const policy = {
      name: 'tests', registryScopes: ['*'], signatureVerification: { level: 'strict' },
      trustStores: ['ca:tests'], trustedIdentities: ['*'],
    }
    const file = path.join(at.home, 'policy.json')
    await writeFile(file, JSON.stringify({ version: '1.0', trustPolicies: [policy] }))
    await cli(at, 'policy', 'import', file)
  },
  steps: {
    push: (at) => sign(at, 'v1', as(at)),
    index: (at) => sign(at, 'both', as(at)),
    pull: (at) => verify(at, 'v1', as(at)),
    anonymous: (at) => verify(at, 'v1', ['--insecure-registry']),
    refused: (at) => at.refused(sign(at, 'v1', ['--insecure-registry', '-u', at.user, '-p', at.wrongPassword])),
    referrers: async (at) => {
      const { stdout } = await cli(at, 'ls', '--insecure-registry', await named(at, 'both'))
      assert.match(stdout, /application\/vnd\.cncf\.notary\.signature/)
    },
  },
}
