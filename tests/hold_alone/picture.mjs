// A picture for the hold's profile: uploaded, put into the record, shown to everyone.

import assert from 'node:assert/strict'
import { cidOfBytes } from '../stack/cid.mjs'
import { Client } from '../demo/client.mjs'
import { chapter, step } from '../demo/report.mjs'

const PROFILE = 'app.bsky.actor.profile'
// A PNG of one red pixel.
const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==',
  'base64',
)

async function upload(client) {
  const method = 'com.atproto.repo.uploadBlob'
  return fetch(`${client.hold.url}/xrpc/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'image/png', ...(await client.headers(method)) },
    body: PIXEL,
  })
}

export async function picture(hold, { alice, bob }) {
  chapter('Alice gives the hold a picture')
  await step('Bob may not upload one, nor may anyone without a token', async () => {
    assert.equal((await upload(bob)).status, 403)
    assert.equal((await upload(new Client(hold))).status, 401)
  })
  await step('Alice uploads it and puts it into the profile', async () => {
    const response = await upload(alice)
    assert.equal(response.status, 200)
    const { blob } = await response.json()
    assert.deepEqual([blob.mimeType, blob.size], ['image/png', PIXEL.length])
    assert.equal(blob.ref.$link, await cidOfBytes(PIXEL))
    const name = { repo: hold.did, collection: PROFILE, rkey: 'self' }
    const { value } = await alice.query('com.atproto.repo.getRecord', name)
    await alice.procedure('com.atproto.repo.putRecord', { ...name, record: { ...value, avatar: blob } })
    return { detail: blob.ref.$link }
  })
  await step('Anyone sees it where the profile says, though the hold is private', async () => {
    const { avatar } = await alice.query('app.bsky.actor.getProfile', { actor: hold.did })
    const response = await fetch(avatar)
    assert.deepEqual([response.status, response.headers.get('content-type')], [200, 'image/png'])
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), PIXEL)
    return { detail: avatar }
  })
}
