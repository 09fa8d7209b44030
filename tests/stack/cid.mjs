// The CID of a blob by its SHA-256 or its bytes, as the reference library writes it.

import { cidForRawBytes, cidForRawHash } from '@atproto/lex-data'

/** @param {string} digest `sha256:` and 64 hexadecimal digits */
export function rawCid(digest) {
  return cidForRawHash(Buffer.from(digest.replace('sha256:', ''), 'hex')).toString()
}

/** @param {Uint8Array} bytes all of a blob */
export async function cidOfBytes(bytes) {
  return (await cidForRawBytes(bytes)).toString()
}
