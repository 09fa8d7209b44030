// What a registry front end does with a hold: service tokens, multipart uploads, downloads.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { serviceToken } from '../stack/account.mjs'

export const PART_BYTES = 10 * 1024 * 1024
// The PDS makes tokens of 60 s; the public front end uses one for 50 s.
const TOKEN_REUSE_MS = 50_000

/** An answer that was not the success that was asked for. */
export class Refused extends Error {
  constructor(method, status, { error, message }) {
    super(`${method}: ${status} ${error}: ${message}`)
    Object.assign(this, { status, name: error, text: message })
  }
}

/** One account's view of one hold. */
export class Client {
  /**
   * @param {{account?: object, lxm?: string}} who without an account: anonymous; with `lxm`, every token is made for
   *   that one method (as the public front end's are), else for the method that is called
   */
  constructor(hold, pdsUrl, { account, lxm } = {}) {
    Object.assign(this, { hold, pdsUrl, account, lxm, tokens: new Map() })
  }

  async token(method) {
    const lxm = this.lxm ?? method
    const cached = this.tokens.get(lxm)
    if (cached && performance.now() - cached.made < TOKEN_REUSE_MS) return cached.token
    const token = await serviceToken(this.pdsUrl, this.account.accessJwt, { aud: this.hold.did, lxm })
    this.tokens.set(lxm, { token, made: performance.now() })
    return token
  }

  async headers(method) {
    return this.account ? { authorization: `Bearer ${await this.token(method)}` } : {}
  }

  async procedure(method, input) {
    const response = await fetch(`${this.hold.url}/xrpc/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(await this.headers(method)) },
      body: JSON.stringify(input),
    })
    return output(method, response)
  }

  async query(method, params) {
    const url = `${this.hold.url}/xrpc/${method}?${new URLSearchParams(params)}`
    return output(method, await fetch(url, { headers: await this.headers(method) }))
  }

  // --- uploads

  async initiateUpload() {
    const { uploadId } = await this.procedure('io.atcr.hold.initiateUpload', {
      digest: `uploads/temp-${crypto.randomUUID()}`,
    })
    return uploadId
  }

  async partUrl(uploadId, partNumber) {
    const { url } = await this.procedure('io.atcr.hold.getPartUploadUrl', { uploadId, partNumber })
    return url
  }

  /** Sends one part to its URL, which needs nothing else. @returns {Promise<{partNumber, etag}>} */
  async putPart(uploadId, partNumber, body) {
    const response = await fetch(await this.partUrl(uploadId, partNumber), { method: 'PUT', body })
    const { etag } = await output('uploadPart', response)
    return { partNumber, etag }
  }

  async completeUpload(uploadId, digest, parts) {
    return this.procedure('io.atcr.hold.completeUpload', { uploadId, digest, parts })
  }

  /** Pushes one blob by multipart. @returns {Promise<number>} the number of parts */
  async push({ digest, bytes, file }) {
    const uploadId = await this.initiateUpload()
    const parts = []
    const handle = await open(file)
    try {
      for (let offset = 0; offset < bytes; offset += PART_BYTES) {
        const body = Buffer.allocUnsafe(Math.min(PART_BYTES, bytes - offset))
        await handle.read(body, 0, body.length, offset)
        parts.push(await this.putPart(uploadId, parts.length + 1, body))
      }
    } finally {
      await handle.close()
    }
    await this.completeUpload(uploadId, digest, parts)
    return parts.length
  }

  // --- downloads

  async downloadUrl(digest, params = {}) {
    const { url } = await this.query('com.atproto.sync.getBlob', { did: this.hold.did, cid: digest, ...params })
    return url
  }

  /** Fetches the blob through its signed URL. @returns {Promise<{digest, bytes}>} of what came */
  async pull(digest) {
    const response = await fetch(await this.downloadUrl(digest))
    if (!response.ok) throw new Refused('download', response.status, await response.json())
    return digestOf(response)
  }
}

async function output(method, response) {
  const body = await response.json()
  if (!response.ok) throw new Refused(method, response.status, body)
  return body
}

export async function digestOf(response) {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of response.body) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { digest: `sha256:${hash.digest('hex')}`, bytes }
}

/**
 * A part of which half is sent: the hold has read the request's head and is reading the body when this returns.
 * `finish` sends the rest and gives the answer; `lost` waits for the connection to break instead.
 */
export async function halfPart(url, body) {
  const request = http.request(url, {
    method: 'PUT',
    headers: { 'content-length': body.length, expect: '100-continue' },
  })
  const broken = new Promise((resolve) => request.once('close', resolve))
  const answered = new Promise((resolve, reject) => request.once('response', resolve).on('error', reject))
  answered.catch(() => {})
  request.flushHeaders()
  // The server says "continue" when it starts to read the body: no guessing by time.
  await Promise.race([once(request, 'continue'), answered.then(() => Promise.reject(new Error('no 100 Continue')))])
  const half = body.length / 2
  await new Promise((resolve) => request.write(body.subarray(0, half), resolve))
  return {
    async finish(afterMs) {
      await sleep(afterMs)
      request.end(body.subarray(half))
      const response = await answered
      let text = ''
      for await (const chunk of response) text += chunk
      if (response.statusCode !== 200) throw new Refused('uploadPart', response.statusCode, JSON.parse(text))
      return JSON.parse(text).etag
    },
    async lost() {
      await broken
    },
  }
}
