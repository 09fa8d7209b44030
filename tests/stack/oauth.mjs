// Signs an account of the test PDS in to an OAuth client, as a browser does: pushed request, page, password, consent, code.
//
//   oauth.mjs sign-in PDS_URL HANDLE PASSWORD          one line {"accessToken","refreshToken","key"}
//   oauth.mjs revoke PDS_URL KEY TOKEN                 ends the session of an access or refresh token
//
// "key" is the private number of the P-256 key that the tokens are bound to, in hexadecimal.
// Errors: the PDS's answer on stderr, exit 1.

import { createECDH, createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomUUID, randomBytes, sign } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import { fileURLToPath } from 'node:url'

const REDIRECT_URI = 'http://127.0.0.1/'
const SCOPE = 'atproto'
const CLIENT_ID = `http://localhost?${new URLSearchParams({ redirect_uri: REDIRECT_URI, scope: SCOPE })}`
const API = '/@atproto/oauth-provider/~api'

const base64url = (data) => Buffer.from(data).toString('base64url')

/** The P-256 key with this private number. */
export function privateKeyOf(number) {
  const pair = createECDH('prime256v1')
  pair.setPrivateKey(number, 'hex')
  const [x, y] = [pair.getPublicKey().subarray(1, 33), pair.getPublicKey().subarray(33)].map(base64url)
  return createPrivateKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', x, y, d: base64url(Buffer.from(number, 'hex')) } })
}

/** A proof that whoever calls METHOD URL has the key. */
function proof(key, method, url, nonce) {
  const { kty, crv, x, y } = createPublicKey(key).export({ format: 'jwk' })
  const header = { typ: 'dpop+jwt', alg: 'ES256', jwk: { kty, crv, x, y } }
  const claims = { jti: randomUUID(), htm: method, htu: url, iat: Math.floor(Date.now() / 1000), nonce }
  const text = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(claims))}`
  return `${text}.${base64url(sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }))}`
}

// Not `fetch`, which writes the Sec-Fetch headers itself: the pages of the PDS are for browsers only.
async function request(method, url, headers, body) {
  const call = http.request(url, { method, headers })
  call.end(body)
  const [response] = await once(call, 'response')
  const text = Buffer.concat(await response.toArray()).toString()
  if (response.statusCode >= 400) throw Object.assign(new Error(`${response.statusCode} ${text}`), { response, text })
  return { headers: response.headers, text }
}

/** A call of the OAuth server with a proof; twice when it asks for its nonce. */
export async function prove(key, url, parameters) {
  const body = new URLSearchParams(parameters).toString()
  const once = async (nonce) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', dpop: proof(key, 'POST', url, nonce) }
    const { text } = await request('POST', url, headers, body)
    return text ? JSON.parse(text) : {}
  }
  try {
    return await once()
  } catch (error) {
    if (!error.text?.includes('use_dpop_nonce')) throw error
    return once(error.response.headers['dpop-nonce'])
  }
}

/** What a browser does with the pages of the PDS: it keeps cookies, and says where it is. */
export class Browser {
  #cookies = new Map()

  constructor(origin) {
    this.origin = origin
  }

  async #request(method, url, headers, body) {
    const cookie = [...this.#cookies].map((pair) => pair.join('=')).join('; ')
    const answer = await request(method, url, { ...headers, ...(cookie && { cookie }) }, body)
    for (const line of answer.headers['set-cookie'] ?? []) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)
      this.#cookies.set(name, value)
    }
    return answer
  }

  /** Opens a page by its address, or as a link of the page that is open; answers where that leads on, if it does. */
  async open(url, site = 'none') {
    const headers = { 'sec-fetch-site': site, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
    const answer = await this.#request('GET', url, { ...headers, ...(this.page && { referer: this.page }) })
    this.page = url
    return answer.headers.location
  }

  async post(path, input, bearer) {
    const { text } = await this.#request('POST', `${this.origin}${API}${path}`, {
      'content-type': 'application/json',
      'sec-fetch-site': 'same-origin',
      'sec-fetch-mode': 'same-origin',
      origin: this.origin,
      referer: this.page,
      'x-csrf-token': this.#cookies.get('csrf-token'),
      ...(bearer && { authorization: `Bearer ${bearer}` }),
    }, JSON.stringify(input))
    return JSON.parse(text)
  }
}

async function signIn(pdsUrl, handle, password) {
  const { origin } = new URL(pdsUrl)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const verifier = base64url(randomBytes(32))
  const { request_uri } = await prove(privateKey, `${origin}/oauth/par`, {
    client_id: CLIENT_ID,
    redirect_uri: REDIRECT_URI,
    scope: SCOPE,
    response_type: 'code',
    code_challenge: base64url(createHash('sha256').update(verifier).digest()),
    code_challenge_method: 'S256',
    state: randomUUID(),
    login_hint: handle,
  })
  const browser = new Browser(origin)
  await browser.open(`${origin}/oauth/authorize?${new URLSearchParams({ client_id: CLIENT_ID, request_uri })}`)
  const { account, ephemeralToken } = await browser.post('/sign-in', { locale: 'en', username: handle, password })
  const { url } = await browser.post('/consent', { did: account.did }, ephemeralToken)
  const code = new URL(url).searchParams.get('code')
  if (!code) throw new Error(`no code in ${url}`)
  const tokens = await prove(privateKey, `${origin}/oauth/token`, {
    grant_type: 'authorization_code',
    client_id: CLIENT_ID,
    redirect_uri: REDIRECT_URI,
    code,
    code_verifier: verifier,
  })
  const key = Buffer.from(privateKey.export({ format: 'jwk' }).d, 'base64url').toString('hex')
  return { accessToken: tokens.access_token, refreshToken: tokens.refresh_token, key }
}

async function main([command, pdsUrl, ...rest]) {
  if (command === 'sign-in' && rest.length === 2) {
    console.log(JSON.stringify(await signIn(pdsUrl, ...rest)))
  } else if (command === 'revoke' && rest.length === 2) {
    const [key, token] = rest
    await prove(privateKeyOf(key), `${new URL(pdsUrl).origin}/oauth/revoke`, { client_id: CLIENT_ID, token })
  } else {
    throw new Error('usage: oauth.mjs sign-in PDS_URL HANDLE PASSWORD | revoke PDS_URL KEY TOKEN')
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await main(process.argv.slice(2))
  } catch (error) {
    console.error(`oauth.mjs: ${error.message}`)
    process.exitCode = 1
  }
}
