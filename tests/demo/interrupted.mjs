// One push during which every part of the registry is killed, and started again, half way.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { OCI_IMAGE, sha256 } from '../registry/images.mjs'
import { chapter, size, step } from './report.mjs'

const CHUNK_BYTES = 20_000_000
const REPOSITORY = 'alice.test/interrupted'

export async function interruptedPush({ registry, stack, account }) {
  const { appview } = registry
  const layer = randomBytes(3 * CHUNK_BYTES)
  chapter(`Every part is killed during one push of ${size(layer.length)}`)
  const bearer = await appview.token(`repository:${REPOSITORY}:pull,push`, account.handle, account.appPassword)
  const call = async (status, method, target, more) => {
    const answer = await appview.call(bearer, method, target, more)
    assert.equal(answer.status, status, `${method}: ${answer.status} ${answer.code}`)
    return answer
  }
  const uploads = `/v2/${REPOSITORY}/blobs/uploads/`
  const place = (await call(202, 'POST', uploads)).headers.get('location')
  const patch = (number) => {
    const [start, end] = [number * CHUNK_BYTES, (number + 1) * CHUNK_BYTES]
    return step(`Bytes ${start} to ${end - 1}`, async () => {
      await call(202, 'PATCH', place, { body: layer.subarray(start, end), headers: { 'content-range': `${start}-${end - 1}` } })
    })
  }
  const killed = (name, kill, start) =>
    step(`kill -9 of ${name}, and started again`, async () => {
      await kill()
      await start()
    })
  await patch(0)
  await killed('the registry', () => appview.kill(), () => appview.start())
  await patch(1)
  await killed('the hold', () => registry.killHold(), () => registry.startHold())
  await patch(2)
  await step('The upload is finished: the digest is that of all bytes', async () => {
    await call(201, 'PUT', `${place}?digest=${sha256(layer)}`)
  })
  await killed('the PDS', () => stack.killPds(), () => stack.startPds())
  await step('The manifest goes into the PDS; anybody reads it', async () => {
    const config = Buffer.from('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}')
    await call(201, 'POST', `${uploads}?digest=${sha256(config)}`, { body: config })
    const describe = (bytes, mediaType) => ({ mediaType, digest: sha256(bytes), size: bytes.length })
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_IMAGE,
      config: describe(config, 'application/vnd.oci.image.config.v1+json'),
      layers: [describe(layer, 'application/vnd.oci.image.layer.v1.tar')],
    })
    await call(201, 'PUT', `/v2/${REPOSITORY}/manifests/v1`, { body: manifest, headers: { 'content-type': OCI_IMAGE } })
    const anybody = await appview.token(`repository:${REPOSITORY}:pull`)
    const read = await appview.call(anybody, 'GET', `/v2/${REPOSITORY}/manifests/v1`)
    assert.equal(await read.text(), manifest)
    const blob = await appview.call(anybody, 'GET', `/v2/${REPOSITORY}/blobs/${sha256(layer)}`)
    const bytes = Buffer.from(await (await fetch(blob.headers.get('location'))).arrayBuffer())
    assert.equal(sha256(bytes), sha256(layer))
    return { detail: sha256(layer) }
  })
}
