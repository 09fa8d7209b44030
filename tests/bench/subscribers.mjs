// A thread with many subscribers to one firehose. It notes when each of them has each commit, and does nothing else:
// the commits are made elsewhere, so that making them does not delay noticing them.

import net from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'

const { url, count } = workerData
const { hostname, port } = new URL(url)
// In the DAG-CBOR body: the key "rev", and the head of its value, a text of 13 bytes.
const REV = Buffer.from('\x63rev\x6d', 'latin1')

/** Milliseconds of a clock that all threads share. */
const now = () => Number(process.hrtime.bigint()) / 1e6

/** Takes messages apart, which servers send unmasked and these two in one frame each, and calls by the frame's kind. */
function splitter({ onBinary, onPing }) {
  let rest = Buffer.alloc(0)
  return (piece) => {
    rest = rest.length ? Buffer.concat([rest, piece]) : piece
    while (rest.length >= 2) {
      let [start, length] = [2, rest[1]]
      if (length === 126) [start, length] = [4, rest.length < 4 ? Infinity : rest.readUInt16BE(2)]
      else if (length === 127) [start, length] = [10, rest.length < 10 ? Infinity : Number(rest.readBigUInt64BE(2))]
      if (rest.length < start + length) return
      const payload = rest.subarray(start, start + length)
      if (rest[0] === 0x82) onBinary(payload)
      if (rest[0] === 0x89) onPing(payload)
      rest = rest.subarray(start + length)
    }
  }
}

/** @returns {Promise<Map<string, number>>} when each revision came; it fills from now on */
function subscribe() {
  const came = new Map()
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: hostname, port, noDelay: true })
    socket.once('error', reject)
    const split = splitter({
      onBinary(payload) {
        const at = payload.indexOf(REV)
        if (at >= 0) came.set(payload.latin1Slice(at + REV.length, at + REV.length + 13), now())
      },
      // A pong under a mask of zeros.
      onPing: (payload) => socket.write(Buffer.concat([Buffer.from([0x8a, 0x80 | payload.length, 0, 0, 0, 0]), payload])),
    })
    socket.write(
      `GET /xrpc/com.atproto.sync.subscribeRepos HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: Upgrade\r\n` +
        'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    socket.once('data', (first) => {
      const end = first.indexOf('\r\n\r\n')
      if (!first.toString('latin1').startsWith('HTTP/1.1 101') || end < 0) return reject(new Error(first.toString()))
      socket.on('data', split)
      socket.once('close', () => {
        throw new Error(`${url} closed the connection of a subscriber`)
      })
      split(first.subarray(end + 4))
      resolve(came)
    })
  })
}

const subscribers = await Promise.all(Array.from({ length: count }, subscribe))

// Asked with commits as [rev, time of the answer]: when all have come, answers how much later each came to each.
parentPort.on('message', async (commits) => {
  const deadline = now() + 30_000
  const isThere = () => subscribers.every((came) => commits.every(([rev]) => came.has(rev)))
  while (!isThere()) {
    if (now() > deadline) throw new Error(`events of ${url} are missing`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const lags = subscribers.flatMap((came) => commits.map(([rev, answered]) => came.get(rev) - answered))
  for (const came of subscribers) came.clear()
  parentPort.postMessage(lags)
})
parentPort.postMessage('ready')
