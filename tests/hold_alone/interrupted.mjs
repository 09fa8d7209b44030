// One upload during which the hold is ended politely, then killed: each time in the middle of a part.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { PART_BYTES, halfPart } from '../demo/client.mjs'
import { chapter, size, step } from '../demo/report.mjs'

const PARTS = 6
// Long enough for the hold to have stopped accepting, short of any limit on slow bodies.
const REST_AFTER_MS = 300

export async function interruptedUpload(hold, alice) {
  chapter(`The hold restarts twice during one upload of ${PARTS} parts, ${size(PARTS * PART_BYTES)}`)
  const content = randomBytes(PARTS * PART_BYTES)
  const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`
  const part = (number) => content.subarray((number - 1) * PART_BYTES, number * PART_BYTES)
  const parts = []
  let uploadId

  await step('Parts 1 and 2', async () => {
    uploadId = await alice.initiateUpload()
    for (const number of [1, 2]) parts.push(await alice.putPart(uploadId, number, part(number)))
  })
  await step('SIGTERM in the middle of part 3: the part is finished first, then the hold ends', async () => {
    const inFlight = await halfPart(await alice.partUrl(uploadId, 3), part(3))
    hold.signal('SIGTERM')
    parts.push({ partNumber: 3, etag: await inFlight.finish(REST_AFTER_MS) })
    assert.equal(await hold.end(), 'exit code 0')
  })
  await step('Started again', () => hold.start())
  await step('Part 4 of the same upload', async () => {
    parts.push(await alice.putPart(uploadId, 4, part(4)))
  })
  await step('kill -9 in the middle of part 5', async () => {
    const inFlight = await halfPart(await alice.partUrl(uploadId, 5), part(5))
    hold.signal('SIGKILL')
    assert.equal(await hold.end(), 'SIGKILL')
    await inFlight.lost()
  })
  await step('Started again', () => hold.start())
  await step('Part 5 once more, part 6, and the upload is completed', async () => {
    for (const number of [5, 6]) parts.push(await alice.putPart(uploadId, number, part(number)))
    const answer = await alice.completeUpload(uploadId, digest, parts)
    assert.deepEqual(answer, { status: 'completed', digest })
  })
  await step('SHA-256 of what comes back is the digest', async () => {
    assert.deepEqual(await alice.pull(digest), { digest, bytes: content.length })
    return { detail: digest }
  })
}
