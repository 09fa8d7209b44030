// Where an image is: its manifest and tag in its owner's repository, its layers in the hold's, its blobs at the hold.
// The reference libraries verify each record against the key in the DID document of whose it is.

import assert from 'node:assert/strict'
import { rawCid } from '../stack/cid.mjs'
import { Records } from '../stack/records.mjs'
import { digestOf } from './client.mjs'
import { chapter, note, step } from './report.mjs'

const LAYER = 'io.atcr.hold.layer'

export async function places({ registry, stack }, pushed) {
  chapter('Everything is where it belongs, as the reference libraries see it')
  const { hold } = registry
  const [accounts, holds] = [stack.pds, hold.url].map((host) => new Records(host, stack.plc))
  for (const { account, image, repository, tag } of pushed) {
    const { did, handle } = account
    const hex = image.digest.slice('sha256:'.length)
    let manifest
    await step(`The manifest is a record in the repository of ${handle}, signed with its key`, async () => {
      manifest = await accounts.signed(did, 'io.atcr.manifest', hex)
      assert.deepEqual([manifest.digest, manifest.repository, manifest.holdDid], [image.digest, repository, hold.did])
      assert.deepEqual(manifest.layers.map((layer) => layer.digest), image.layers.map((layer) => layer.digest))
      return { detail: `at://${did}/io.atcr.manifest/${hex.slice(0, 16)}…` }
    })
    await step('Its bytes are a blob of the PDS', async () => {
      const cid = String(manifest.manifestBlob.ref)
      const blob = await fetch(`${stack.pds}/xrpc/com.atproto.sync.getBlob?${new URLSearchParams({ did, cid })}`)
      assert.deepEqual(Buffer.from(await blob.arrayBuffer()), image.bytes)
      return { detail: cid }
    })
    await step(`The tag ${tag} is a record beside it, which names it`, async () => {
      const record = await accounts.signed(did, 'io.atcr.tag', `${repository}_${tag}`)
      assert.equal(record.manifest, `at://${did}/io.atcr.manifest/${hex}`)
    })
    await step("Each layer is a record in the hold's repository, signed with the hold's key", async () => {
      const listed = (await holds.all(hold.did, LAYER)).filter(({ value }) => value.userDid === did)
      for (const { digest, size } of image.layers) {
        const found = listed.find(({ value }) => value.digest === digest)
        assert.ok(found, `no record of ${digest}`)
        const record = await holds.signed(hold.did, LAYER, found.uri.split('/').at(-1))
        assert.deepEqual([record.digest, record.size, record.userDid], [digest, size, did])
      }
      return { detail: `${image.layers.length} of them, for ${did}` }
    })
    await step('Each blob is at the hold, under its CID', async () => {
      for (const { digest, size } of [image.config, ...image.layers]) {
        const query = new URLSearchParams({ did: hold.did, cid: rawCid(digest) })
        const blob = await fetch(`${hold.url}/xrpc/com.atproto.sync.getBlob?${query}`)
        assert.deepEqual(await digestOf(blob), { digest, bytes: size })
      }
    })
  }
  note(`  hold ${hold.did}, PDS ${stack.pds}`)
}
