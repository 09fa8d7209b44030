// What buildah and podman have in common: storage of their own, and the same words.

import assert from 'node:assert/strict'
import path from 'node:path'

export function containersClient(name, globals) {
  const cli = (at, ...args) => {
    const places = ['--root', path.join(at.home, 'storage'), '--runroot', at.shortHome, '--storage-driver', 'vfs']
    return at.run(name, ...places, ...globals(at), ...args)
  }
  const as = (at) => ['--authfile', path.join(at.home, 'auth.json'), '--tls-verify=false']
  const nobody = (at) => ['--authfile', at.emptyAuth, '--tls-verify=false']
  const pull = async (at, ...auth) => {
    await cli(at, 'rmi', '--all', '--force')
    await cli(at, 'pull', ...auth, at.image('app:v1'))
    const { stdout } = await cli(at, 'images', '--format', '{{.Digest}}', at.image('app:v1'))
    assert.match(stdout, new RegExp(await at.digestOf('app', 'v1')))
  }
  return {
    name,
    versionArgs: ['--version'],
    steps: {
      login: (at) => cli(at, 'login', ...as(at), '-u', at.user, '-p', at.password, at.host),
      push: async (at) => {
        await cli(at, 'pull', '--quiet', `docker-archive:${await at.dockerArchive()}`)
        await cli(at, 'push', ...as(at), at.image('app:v1'))
      },
      second: (at) => cli(at, 'push', ...as(at), at.image('app:v1'), at.image('second:v1')),
      index: async (at) => {
        await cli(at, 'manifest', 'create', 'both')
        await cli(at, 'manifest', 'add', '--tls-verify=false', ...as(at).slice(0, 2), 'both', `docker://${at.image('app:v1')}`)
        await cli(at, 'manifest', 'push', ...as(at), '--all', 'both', `docker://${at.image('app:both')}`)
        assert.equal((await at.manifest('app', 'both')).manifests.length, 1)
      },
      pull: (at) => pull(at, ...as(at)),
      anonymous: (at) => pull(at, ...nobody(at)),
      refused: (at) => at.refused(cli(at, 'login', ...nobody(at), '-u', at.user, '-p', at.wrongPassword, at.host)),
    },
  }
}
