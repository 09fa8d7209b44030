// The drills of an operator: each is a chapter of the manual, done with real holds, a real front end and the reference
// libraries, by the commands that stand there.
//
//   run.mjs HOLD_BINARY APPVIEW_BINARY WORK_DIR [S3_LIST LITESTREAM]
//
// S3_LIST is the file that ATCR_HOLD_S3 names. Exits 0 when every step held. WORK_DIR belongs to the caller.

import { createAccount } from '../stack/account.mjs'
import { Client } from '../demo/client.mjs'
import { Hold, startStack } from '../demo/processes.mjs'
import { chapter, counts, duration, note, step, title } from '../demo/report.mjs'
import { backup } from './backup.mjs'
import { newHost } from './host.mjs'
import { registryFrontEnd } from './registry.mjs'
import { lostKey } from './key.mjs'
import { otherProgram } from './program.mjs'
import { standby } from './standby.mjs'
import { successor } from './successor.mjs'

const [binary, appviewBinary, work, s3List, litestream] = process.argv.slice(2)
const started = performance.now()
let stack
let hold

/** One account's view of whichever hold it is shown. */
class Visitor extends Client {
  at(hold) {
    return new Visitor(hold, this.pdsUrl, { account: this.account })
  }
}

async function drills() {
  title('The drills of an operator')
  let alice
  chapter('Start')
  await step('A PLC directory, a PDS, an account, a hold', async () => {
    stack = await startStack(work)
    const account = await createAccount(stack.pds, 'alice.test')
    hold = await Hold.prepare({ binary, work, owner: account.did, plc: stack.plc })
    await hold.start()
    alice = new Visitor(hold, stack.pds, { account })
  })
  const at = (current) => ({ hold: current, alice: alice.at(current), work })
  hold = await backup(at(hold))
  hold = await newHost(at(hold))
  hold = await otherProgram(at(hold))
  hold = await lostKey(at(hold))
  if (litestream) hold = await standby({ ...at(hold), s3List, litestream })
  hold = await successor({ ...at(hold), binary, stack })
  await registryFrontEnd({ binary, appviewBinary, stack, work })
}

async function stop(code) {
  await Promise.race([stack?.stop(), new Promise((resolve) => setTimeout(resolve, 5000))])
  const verdict = code === 0 ? 'Everything held' : 'Something did not hold'
  console.log(`\n    ${verdict}, in ${duration(performance.now() - started)}.\n\ndrills: ${counts()}`)
  // What still runs is killed with this process.
  process.exit(code)
}

for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(1))

try {
  await drills()
  await stop(0)
} catch (error) {
  note(error.stack)
  if (hold) {
    note('The hold said last:')
    for (const line of hold.lastLogLines(15)) note(`  ${line}`)
  }
  await stop(1)
}
