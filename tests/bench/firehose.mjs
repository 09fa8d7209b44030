// The lag of a firehose with 64 subscribers: from a commit's answer to its event at each subscriber. Called by
// firehose.sh.
//
//   firehose.mjs HOLD_BINARY WORK_DIR ROUNDS
//
// What the figures do not say:
// - The lag begins when this process has read the answer of the commit, not when the commit was asked for or made: it is below
//   zero where an event overtakes the answer, and a server that answers late seems fast.
// - Writer, subscribers and both servers share one machine. The subscribers of a server are one thread, so the lag has that
//   thread's own queue in it: of 64 events for each commit, so the more, the faster the server commits.
// - "As fast as one writer can" is another rate at each server (the table says which): compare those lags with their rates.
// - One writer, one small record a commit, no deletions, and subscribers that all keep up and begin with nothing to catch up.
// - Both repositories grow by COMMITS records with each round of a mode, and are never as large as in scale.sh.
// - The longest is the median of the rounds' longest, not the longest of all.
// - Limits of the hold are raised, and those of the PDS are off: neither is measured at a limit.

import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { Client } from '../demo/client.mjs'
import { Hold, STACK, startStack } from '../demo/processes.mjs'
import { createAccount, inventedDid } from '../stack/account.mjs'

const [binary, work, rounds] = process.argv.slice(2)
if (!/^[1-9][0-9]*$/.test(rounds)) throw new Error(`ROUNDS is a number from 1 on, not ${rounds}`)
const SUBSCRIBERS = 64
const COMMITS = 500
// The table says which rate each server came to.
const STEADY_PER_S = 25
const CREW = 'io.atcr.hold.crew'
// All subscribers have one address here.
const LIMITS = `[limits]
requests_per_address = 0
connections_per_address = 1024
subscribers = 256
subscribers_per_address = 128
`
const now = () => Number(process.hrtime.bigint()) / 1e6

/** What is measured: a name, a function that makes one commit and answers its revision, and its subscribers. */
class Peer {
  constructor(name, url, create) {
    Object.assign(this, { name, url, create, rounds: [] })
  }

  async subscribe() {
    const workerData = { url: this.url, count: SUBSCRIBERS }
    this.worker = new Worker(new URL('subscribers.mjs', import.meta.url), { workerData })
    await once(this.worker, 'message')
  }

  /** @param {number} perS commits a second; Infinity: each right after the answer to the one before */
  async round(perS) {
    const commits = []
    const began = now()
    for (let number = 0; number < COMMITS; number += 1) {
      const wait = began + (1000 / perS) * number - now()
      if (wait > 0) await sleep(wait)
      const member = inventedDid()
      const addedAt = new Date().toISOString()
      const record = { $type: CREW, member, role: 'mate', permissions: ['blob:read'], addedAt }
      commits.push([await this.create({ collection: CREW, rkey: member, record }), now()])
    }
    const rate = (1000 * COMMITS) / (now() - began)
    const answer = once(this.worker, 'message')
    this.worker.postMessage(commits)
    const [lags] = await answer
    lags.sort((a, b) => a - b)
    const at = (share) => lags[Math.min(lags.length - 1, Math.floor(share * lags.length))]
    return { p50: at(0.5), p99: at(0.99), max: at(1), rate }
  }
}

async function start() {
  const stack = await startStack(work)
  const alice = await createAccount(stack.pds, 'alice.test')
  const hold = await Hold.prepare({ binary, work, owner: alice.did, plc: stack.plc })
  const config = path.join(work, 'hold.toml')
  writeFileSync(config, LIMITS)
  await hold.start(config)
  const client = new Client(hold, stack.pds, { account: alice, lxm: 'com.atproto.repo.getRecord' })
  const onHold = async (input) => {
    const answer = await client.procedure('com.atproto.repo.createRecord', { repo: hold.did, ...input })
    return answer.commit.rev
  }
  const onPds = async (input) => {
    const response = await fetch(`${stack.pds}/xrpc/com.atproto.repo.createRecord`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${alice.accessJwt}` },
      body: JSON.stringify({ repo: alice.did, ...input }),
    })
    const answer = await response.json()
    if (!response.ok) throw new Error(`${response.status} ${answer.error}: ${answer.message}`)
    return answer.commit.rev
  }
  const { version } = JSON.parse(readFileSync(`${STACK}node_modules/@atproto/pds/package.json`))
  return [new Peer('atcr-hold', hold.url, onHold), new Peer(`@atproto/pds ${version}`, stack.pds, onPds)]
}

/** The middle one, or the mean of both middle ones. */
function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2
}
const load = () => os.loadavg().map((value) => value.toFixed(2)).join(' ')

/** One line: medians over the rounds of p50, p99 and the longest. */
function row(title, peers, mode) {
  const of = (peer, name) => median(peer.rounds.filter((one) => one.mode === mode).map((one) => one[name]))
  const cell = (peer) => {
    const [p50, p99, max] = ['p50', 'p99', 'max'].map((name) => of(peer, name).toFixed(1))
    return `${p50} / ${p99} / ${max} ms at ${of(peer, 'rate').toFixed(0)} commits/s`
  }
  return `| ${title} | ${peers.map(cell).join(' | ')} |`
}

const loadBefore = load()
const peers = await start()
for (const peer of peers) await peer.subscribe()
const modes = { steady: STEADY_PER_S, full: Infinity }
for (const peer of peers) await peer.round(Infinity)
for (let number = 0; number < Number(rounds); number += 1) {
  console.error(`round ${number + 1} of ${rounds}`)
  for (const [mode, perS] of Object.entries(modes)) {
    // Nobody always goes first.
    for (const peer of number % 2 === 0 ? peers : peers.toReversed()) {
      peer.rounds.push({ mode, ...(await peer.round(perS)) })
    }
  }
}

const { model } = os.cpus()[0]
console.log(`Machine: ${os.cpus().length} × ${model}, Linux ${os.release()}. Load before ${loadBefore}, after ${load()}.`)
console.log(`Medians of ${rounds} rounds of ${COMMITS} commits by one writer, ${SUBSCRIBERS} subscribers: p50 / p99 / max.\n`)
console.log(`| | ${peers.map(({ name }) => name).join(' | ')} |\n|---|---|---|`)
console.log(row(`event at ${SUBSCRIBERS} subscribers after the answer, ${STEADY_PER_S} commits a second`, peers, 'steady'))
console.log(row(`event at ${SUBSCRIBERS} subscribers after the answer, as fast as one writer can`, peers, 'full'))
// The servers end with this process.
process.exit(0)
