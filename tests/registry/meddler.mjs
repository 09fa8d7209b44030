// A server before another one. It passes requests on, but for those that it has an answer of its own to: that is how real
// servers are made to stall, lie, redirect, talk garbage or without an end, or break off.

import { once } from 'node:events'
import http from 'node:http'

/** An answer of one's own: status, headers, body. */
export const says = (status, headers = {}, body = '') => (_, outgoing) => {
  outgoing.writeHead(status, headers).end(body)
}

export const JSON_TYPE = { 'content-type': 'application/json' }
export const saysJson = (status, value) => says(status, JSON_TYPE, JSON.stringify(value))

/** No answer at all. */
export const stalls = () => {}

/** An answer that begins well and never ends: `bytes` at a time, as fast as they are read or with pauses. */
const endless = (bytes, pauseMs) => (_, outgoing) => {
  const piece = Buffer.alloc(bytes, ' ')
  const more = () => outgoing.destroyed || outgoing.write(piece)
  outgoing.writeHead(200, JSON_TYPE)
  if (pauseMs) {
    const timer = setInterval(more, pauseMs)
    outgoing.on('close', () => clearInterval(timer))
  } else {
    outgoing.on('drain', more)
  }
  more()
}

/** What goes wrong with any answer. Each is no answer. */
export const FAULTS = {
  fails: says(500, JSON_TYPE, '{"error":"InternalServerError","message":"x"}'),
  'is a page': says(200, { 'content-type': 'text/html' }, '<html>'),
  'is empty': says(200, JSON_TYPE, ''),
  'is an array': says(200, JSON_TYPE, '[]'),
  'has 8 MiB': says(200, JSON_TYPE, `"${'x'.repeat(8 << 20)}"`),
  'says 1 TiB': (_, outgoing) => outgoing.writeHead(200, { ...JSON_TYPE, 'content-length': 2 ** 40 }).write('{'),
  'goes on and on': endless(64 << 10),
  redirects: says(302, { location: 'http://169.254.169.254/latest' }),
  'is cut off': (_, outgoing) => {
    outgoing.writeHead(200, { ...JSON_TYPE, 'content-length': 100 }).write('{"a":')
    setTimeout(() => outgoing.destroy(), 100)
  },
  'hangs up': (_, outgoing) => outgoing.destroy(),
  'is no HTTP': (_, outgoing) => outgoing.socket.end('SSH-2.0-OpenSSH_9.2\r\n\r\n'),
  'has a head of 1 MiB': (_, outgoing) => outgoing.socket.end(`HTTP/1.1 200 OK\r\n${`X: ${'x'.repeat(1000)}\r\n`.repeat(1000)}\r\n{}`),
}

/** The same that take as long as they are let. */
export const SLOW_FAULTS = { stalls, trickles: endless(1, 500) }

export class Meddler {
  /** Before the server at `behind`; at a port of its own choice without one. */
  static async before(behind, port = 0) {
    const meddler = new Meddler()
    meddler.behind = behind
    /** (request) => an answer of our own, or nothing; it may be a promise. */
    meddler.answer = () => undefined
    meddler.seen = []
    meddler.server = http.createServer((incoming, outgoing) => meddler.#serve(incoming, outgoing))
    meddler.server.listen(port, '127.0.0.1')
    await once(meddler.server, 'listening')
    meddler.url = `http://localhost:${meddler.server.address().port}`
    return meddler
  }

  async #serve(incoming, outgoing) {
    this.seen.push(incoming.url)
    outgoing.on('error', () => {})
    const own = await this.answer(incoming)
    if (own) return own(incoming, outgoing)
    const { port } = new URL(this.behind)
    const { url: path, method, headers } = incoming
    const onward = http.request({ host: '127.0.0.1', port, path, method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers)
      answer.pipe(outgoing)
    })
    onward.on('error', () => outgoing.destroy())
    incoming.pipe(onward)
  }

  /** How often something was asked whose URL has `text` in it. */
  asked(text) {
    return this.seen.filter((url) => url.includes(text)).length
  }

  stop() {
    this.server.closeAllConnections()
    this.server.close()
  }
}

/** The whole body of a request, which then cannot be passed on any more. */
export async function bodyOf(incoming) {
  const pieces = []
  for await (const piece of incoming) pieces.push(piece)
  return Buffer.concat(pieces)
}
