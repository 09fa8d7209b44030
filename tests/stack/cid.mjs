// The CID of a blob by its SHA-256, as the reference library writes it.

import { cidForRawHash } from '@atproto/lex-data'

/** @param {string} digest `sha256:` and 64 hexadecimal digits */
export function rawCid(digest) {
  return cidForRawHash(Buffer.from(digest.replace('sha256:', ''), 'hex')).toString()
}
