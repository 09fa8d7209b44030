// Accounts on the test PDS, and the service tokens that the PDS makes for them.
//
//   account.mjs create PDS_URL HANDLE...                    a line {"handle","did","password","accessJwt"} each
//   account.mjs token PDS_URL ACCESS_JWT AUD [LXM [TTL_S]]  one line {"token"}
//
// LXM "-" asks for a token without a method. The PDS allows 3,600 s with a method and 60 s without one.
// Errors: the PDS's answer on stderr, exit 1.

import { randomBytes, randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'

async function answer(response) {
  const body = await response.json()
  if (!response.ok) throw new Error(`${response.status} ${body.error}: ${body.message}`)
  return body
}

export async function createAccount(pdsUrl, handle) {
  const password = randomUUID()
  const response = await fetch(`${pdsUrl}/xrpc/com.atproto.server.createAccount`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ handle, email: `${handle}@mail.test`, password }),
  })
  const { did, accessJwt } = await answer(response)
  return { handle, did, password, accessJwt }
}

export async function serviceToken(pdsUrl, accessJwt, { aud, lxm, ttlSeconds }) {
  const query = new URLSearchParams({ aud })
  if (lxm) query.set('lxm', lxm)
  if (ttlSeconds) query.set('exp', String(Math.floor(Date.now() / 1000) + ttlSeconds))
  const response = await fetch(`${pdsUrl}/xrpc/com.atproto.server.getServiceAuth?${query}`, {
    headers: { authorization: `Bearer ${accessJwt}` },
  })
  return (await answer(response)).token
}

/** A DID of the right shape that nobody has. */
export function inventedDid() {
  const letters = 'abcdefghijklmnopqrstuvwxyz234567'
  return `did:plc:${Array.from(randomBytes(24), (byte) => letters[byte % 32]).join('')}`
}

async function main([command, pdsUrl, ...rest]) {
  if (command === 'create' && rest.length > 0) {
    for (const handle of rest) console.log(JSON.stringify(await createAccount(pdsUrl, handle)))
  } else if (command === 'token' && rest.length >= 2) {
    const [accessJwt, aud, lxm, ttl] = rest
    const wanted = { aud, lxm: lxm === '-' ? undefined : lxm, ttlSeconds: ttl && Number(ttl) }
    console.log(JSON.stringify({ token: await serviceToken(pdsUrl, accessJwt, wanted) }))
  } else {
    throw new Error('usage: account.mjs create PDS_URL HANDLE... | token PDS_URL ACCESS_JWT AUD [LXM [TTL_S]]')
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await main(process.argv.slice(2))
  } catch (error) {
    console.error(`account.mjs: ${error.message}`)
    process.exitCode = 1
  }
}
