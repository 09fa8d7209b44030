// A person in a real browser, at the real pages of a PDS: Chromium signs in and lets a device in, which then gets a token.
//
//   browser.mjs HOLD APPVIEW WORK_DIR CHROMIUM [FOLDER]    leaves screenshots in FOLDER
//
// The last line is the sum: "appview: N passed, N failed". Exit 1 when any failed.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startStack } from '../demo/processes.mjs'
import { newAccount, Registry } from './registry.mjs'
import { allHeld, step, sum } from './steps.mjs'

const [holdBinary, appviewBinary, work, chromium, ...folder] = process.argv.slice(2)
const stack = await startStack(work)
const alice = await newAccount(stack.pds, 'alice.test')
const registry = await Registry.start({ binaries: { hold: holdBinary, appview: appviewBinary }, work, stack, owner: alice })
const { appview } = registry

const post = async (target, fields) => (await fetch(`${appview.url}${target}`, { method: 'POST', body: new URLSearchParams(fields) })).json()

await step('Chromium signs in at the pages of the PDS and lets a device in', async () => {
  const { device_code, verification_uri_complete } = await post('/auth/device/code', { client_id: 'the laptop' })
  const script = fileURLToPath(new URL('browser.py', import.meta.url))
  await promisify(execFile)('python3', [script, chromium, verification_uri_complete, alice.handle, alice.password, ...folder])
  const { device_secret } = await post('/auth/device/token', { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code })
  assert(await appview.token('repository:alice.test/app:pull,push', 'alice.test', device_secret))
})

if (!allHeld()) console.log(appview.lastLogLines(40).join('\n'))
const held = sum()
await registry.stop()
await stack.stop()
process.exit(held ? 0 : 1)
