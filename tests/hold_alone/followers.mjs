// Reference consumers that stay while the hold is written to, stopped, killed, and set back to an old backup.

import assert from 'node:assert/strict'
import { inventedDid } from '../stack/account.mjs'
import { Copy, Follower } from '../stack/follower.mjs'
import { chapter, step } from '../demo/report.mjs'

const CREW = 'io.atcr.hold.crew'

/** Writes of every kind, each a commit of its own. */
class Writes {
  constructor(hold, alice) {
    Object.assign(this, { hold, alice, members: [], revs: [] })
  }

  async #write(method, input) {
    const answer = await this.alice.procedure(`com.atproto.repo.${method}`, { repo: this.hold.did, ...input })
    this.revs.push(answer.commit.rev)
  }

  /** @returns {Promise<string>} the newest revision */
  async make(count) {
    for (let number = 0; number < count; number += 1) {
      const turn = number % 4
      const member = turn < 2 ? inventedDid() : this.members.at(-1)
      const at = { collection: CREW, rkey: member }
      const record = {
        $type: CREW, member, role: `mate ${this.revs.length}`, permissions: ['blob:read'], addedAt: new Date().toISOString(),
      }
      if (turn < 2) this.members.push(member)
      if (turn < 2) await this.#write('createRecord', { ...at, record })
      else if (turn === 2) await this.#write('putRecord', { ...at, record })
      else await this.#write('deleteRecord', { collection: CREW, rkey: this.members.pop() })
    }
    return this.revs.at(-1)
  }
}

export async function followers(hold, alice) {
  chapter('Reference consumers follow the hold through restarts and a restored backup')
  const writes = new Writes(hold, alice)
  const follower = new Follower(hold)
  const copy = new Copy(hold)

  /** That the follower heard of every commit up to `rev`, and knows what the verified copy has. */
  const followedTo = async (rev) => {
    await follower.until(() => follower.revs.at(-1) === rev, `no event of ${rev}`)
    assert.deepEqual(follower.revs, [...new Set(follower.revs)].sort())
    const heard = new Set(follower.revs)
    assert.deepEqual(writes.revs.filter((one) => !heard.has(one)), [], 'acknowledged and never announced')
    assert.deepEqual([...follower.records].sort(), [...(await copy.records())].sort())
    assert.deepEqual(follower.takeErrors(), [])
  }
  const verifiedDiff = async () => {
    const { writes: changes, blocks } = await copy.update()
    return { detail: `${changes.length} changes in ${blocks} blocks, ${(await copy.records()).size} records` }
  }
  const round = async (title, count) => {
    await step(title, () => writes.make(count))
    await step('verifyDiff: what is new, on top of the verified copy, is the whole', verifiedDiff)
    await step('Firehose, authenticated: every commit once, and the same records', () => followedTo(writes.revs.at(-1)))
  }

  await step('verifyRepo: a copy of all there is', verifiedDiff)
  await round('40 commits', 40)
  await step('SIGTERM, and started again', async () => {
    hold.signal('SIGTERM')
    assert.equal(await hold.end(), 'exit code 0')
    await hold.start()
  })
  await round('20 commits; the Firehose comes back with its cursor', 20)
  await step('kill -9 right after an answer, and started again', async () => {
    await writes.make(1)
    hold.signal('SIGKILL')
    assert.equal(await hold.end(), 'SIGKILL')
    await hold.start()
  })
  await round('20 commits; the Firehose comes back with its cursor', 20)
  await restored({ hold, writes, follower, copy, verifiedDiff })
  await follower.stop()
}

async function restored({ hold, writes, follower, copy, verifiedDiff }) {
  let lostRev
  const restart = async (between) => {
    hold.signal('SIGTERM')
    assert.equal(await hold.end(), 'exit code 0')
    await between()
    await hold.start()
  }
  await step('A backup, then 50 commits that it does not have', async () => {
    await restart(() => hold.backUp())
    lostRev = await writes.make(50)
    await follower.until(() => follower.revs.at(-1) === lostRev, `no event of ${lostRev}`)
    follower.takeErrors()
    await copy.update()
  })
  await step('The backup is restored; the next commit is above all that consumers hold', async () => {
    await restart(() => hold.restore())
    const rev = await writes.make(1)
    assert.ok(rev > lostRev, `${rev} after ${lostRev}`)
    await follower.until(() => follower.revs.at(-1) === rev, `no event of ${rev}`)
    for (const error of follower.takeErrors()) assert.match(error, /: FutureCursor$/)
  })
  await step('A copy that is fetched again is verified, at that commit', async () => {
    copy.repo = undefined
    const told = await verifiedDiff()
    assert.equal(copy.rev, writes.revs.at(-1))
    return told
  })
  await step('20 commits after it, and verifyDiff on top of that copy', async () => {
    const rev = await writes.make(20)
    const told = await verifiedDiff()
    await follower.until(() => follower.revs.at(-1) === rev, `no event of ${rev}`)
    assert.deepEqual(follower.takeErrors(), [])
    return told
  })
}
