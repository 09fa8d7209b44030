// People at the front end's pages, over a real PDS and a real hold: what they send twice, two tabs that sign in, a sign-in that was
// refused, and accounts that their PDS serves no more.
//
//   visits.mjs HOLD APPVIEW WORK_DIR
//
// The last line is the sum: "appview: N passed, N failed". Exit 1 when any failed.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { startStack } from '../demo/processes.mjs'
import { makeImage } from './images.mjs'
import { Person } from './pages.mjs'
import { newAccount, Registry } from './registry.mjs'
import { allHeld, step, sum } from './steps.mjs'

const run = promisify(execFile)
const [holdBinary, appviewBinary, work] = process.argv.slice(2)
const stack = await startStack(work)
const alice = await newAccount(stack.pds, 'alice.test')
const registry = await Registry.start({ binaries: { hold: holdBinary, appview: appviewBinary }, work, stack, owner: alice })
const { appview } = registry
const origin = appview.url.replace('localhost', '127.0.0.1')
const person = new Person(origin, alice)
/** What a page says, without its style. */
const said = ({ status, text }) => `${status} ${/<main[^]*/.exec(text)?.[0]}`

await step('a second click on a star changes nothing: one record, and no error', async () => {
  const page = await person.signIn()
  const query = new URLSearchParams({ repo: alice.did, collection: 'io.atcr.sailor.star' })
  const stars = async () => (await (await fetch(`${stack.pds}/xrpc/com.atproto.repo.listRecords?${query}`)).json()).records
  for (const [star, count] of [['give', 1], ['take', 0], ['give', 1], ['take', 0]]) {
    const click = () => person.send(page, '/star', { owner: alice.did, name: 'app', star })
    const answers = await Promise.all(Array.from({ length: 4 }, click))
    assert(answers.every(({ status }) => status === 303), answers.map(said).join('\n'))
    assert.equal((await stars()).length, count)
  }
})

await step('a webhook’s form that is sent twice shows one secret, of one webhook', async () => {
  const page = await person.open('/settings/webhooks?name=app')
  const once = /name="once" value="([^"]+)"/.exec(page.text)[1]
  const click = () => person.send(page, '/settings/webhooks', { name: 'app', url: 'http://localhost:1/of-two-clicks', once })
  const answers = await Promise.all([click(), click()])
  const secrets = answers.map(({ text }) => /<pre><code>([0-9a-f]{64})</.exec(text)?.[1])
  assert(secrets[0] && secrets[0] === secrets[1], answers.map(said).join('\n'))
  assert.equal((await person.open('/settings/webhooks?name=app')).text.split('/of-two-clicks').length, 2)
})

/** Begins a sign-in that returns to a page; answers the address at the PDS. */
async function begin(visitor, next) {
  const page = await visitor.open(`/auth/oauth/login?next=${encodeURIComponent(next)}`)
  const begun = await visitor.send(page, '/auth/oauth/login', { handle: visitor.account.handle, next })
  assert.equal(begun.status, 303, said(begun))
  return begun.location
}

await step('sign-ins that were begun in two tabs end both, each on its page', async () => {
  const visitor = new Person(origin, alice)
  const [one, other] = [await begin(visitor, '/alice.test'), await begin(visitor, '/settings/webhooks?name=app')]
  const [back, second] = [await visitor.consent(one), await visitor.consent(other)]
  for (const [callback, next] of [[second, '/settings/webhooks?name=app'], [back, '/alice.test']]) {
    const ended = await visitor.open(callback)
    assert.deepEqual([ended.status, ended.location], [303, next], said(ended))
    assert.match((await visitor.open(next)).text, /Sign out/)
  }
})

await step('who refuses at the PDS is led back from there to where the sign-in was begun', async () => {
  const visitor = new Person(origin, alice)
  const refused = await visitor.open(await visitor.consent(await begin(visitor, '/alice.test/app?page=2'), '/reject'))
  assert.equal(refused.status, 403, said(refused))
  assert.match(said(refused), /refused at the account.*PDS[^]*href="\/auth\/oauth\/login\?next=%2Falice\.test%2Fapp%3Fpage%3D2"/)
})

/** The page of a DID, or that of the handle to which it leads as long as the handle is known. */
async function shown(target) {
  const page = await person.open(target)
  return page.status === 303 ? person.open(page.location) : page
}
const post = (method, authorization, body) => {
  const sent = body && { body: JSON.stringify(body) }
  return fetch(`${stack.pds}/xrpc/${method}`, { method: 'POST', headers: { authorization, ...(body && { 'content-type': 'application/json' }) }, ...sent })
}
const { adminPassword } = JSON.parse(await readFile(path.join(work, 'pds', 'secrets.json'), 'utf8'))
const admin = `Basic ${btoa(`admin:${adminPassword}`)}`
const app = await makeImage(path.join(work, 'app'), [1000])
/** What ends an account at its PDS, and what is said then. */
const ENDS = {
  deactivated: { words: /is deactivated: its images are back when/, end: ({ accessJwt }) => post('com.atproto.server.deactivateAccount', `Bearer ${accessJwt}`, {}) },
  takendown: {
    words: /was taken down at its PDS/,
    end: ({ did }) => post('com.atproto.admin.updateSubjectStatus', admin, { subject: { $type: 'com.atproto.admin.defs#repoRef', did }, takedown: { applied: true, ref: 'test' } }),
  },
  deleted: { words: /is not at its PDS any more: it was deleted/, end: ({ did }) => post('com.atproto.admin.deleteAccount', admin, { did }) },
}
const owners = {}

for (const [state, { words, end }] of Object.entries(ENDS)) {
  await step(`an account that is ${state} is said to be, on its pages and to clients, and nobody tries again for it`, async () => {
    const owner = await newAccount(stack.pds, `${state}.test`)
    owners[state] = owner
    const browser = new Person(origin, owner)
    await browser.signIn()
    // One that nobody has shown yet: a password that the PDS confirmed is good for ten minutes.
    const { password } = await (await post('com.atproto.server.createAppPassword', `Bearer ${owner.accessJwt}`, { name: 'unused' })).json()
    await run('skopeo', ['--insecure-policy', 'copy', '--preserve-digests', '--dest-tls-verify=false', '--dest-creds', `${owner.handle}:${owner.appPassword}`, app.source, `docker://${appview.host}/${owner.handle}/app:v1`])
    const ended = await end(owner)
    assert.equal(ended.status, 200, await ended.text())
    for (const target of ['', '/app', '/app:v1', `/app@${app.manifest.digest}`]) {
      const page = await shown(`/${owner.did}${target}`)
      assert.deepEqual([page.status, page.headers.get('retry-after')], [404, null], `${target} ${said(page)}`)
      assert.match(said(page), words)
    }
    assert.equal((await person.open(`/picture/${owner.did}`)).status, 404)
    const name = `${owner.did.replaceAll(':', '-')}/app`
    const token = await appview.token(`repository:${name}:pull`)
    for (const target of ['manifests/v1', `manifests/${app.manifest.digest}`, 'tags/list', `referrers/${app.manifest.digest}`]) {
      const answer = await fetch(`${appview.url}/v2/${name}/${target}`, { headers: { authorization: `Bearer ${token}` } })
      const { errors } = await answer.json()
      assert.deepEqual([answer.status, errors[0].code], [404, 'NAME_UNKNOWN'], `${target} ${errors[0].message}`)
      assert.match(errors[0].message, words)
    }
    await assert.rejects(run('skopeo', ['inspect', '--tls-verify=false', '--no-creds', `docker://${appview.host}/${name}:v1`]), ({ stderr }) => words.test(stderr) || assert.fail(stderr))
    // The owner: signed in at the pages, by the app password, and with docker's kin.
    const settings = await browser.open('/settings')
    assert.equal(settings.status, 200, said(settings))
    assert.match(said(settings), words)
    const user = owner.did.replaceAll(':', '-')
    const signedIn = appview.token(`repository:${name}:pull,push`, user, password)
    if (state === 'deactivated') await signedIn
    else await assert.rejects(signedIn, ({ message }) => (/^401 /.test(message) && words.test(message)) || assert.fail(message))
    await assert.rejects(appview.token(`repository:${name}:pull,push`, user, 'abcd-efgh-ijkl-mnop'), state === 'deactivated' ? /^Error: 401 .*no such password/ : words)
    const push = ['--insecure-policy', 'copy', '--preserve-digests', '--dest-tls-verify=false', '--dest-creds', `${user}:${password}`, app.source, `docker://${appview.host}/${name}:v2`]
    await assert.rejects(run('skopeo', push), ({ stderr }) => words.test(stderr) || assert.fail(stderr))
  })
}

await step('an account that is activated again is shown and pulled again', async () => {
  const { did, accessJwt } = owners.deactivated
  const activated = await post('com.atproto.server.activateAccount', `Bearer ${accessJwt}`)
  assert.equal(activated.status, 200, await activated.text())
  const deadline = performance.now() + 120_000
  let page
  // That it was away is cached for some seconds.
  while ((page = await shown(`/${did}/app`)).status !== 200) {
    assert(performance.now() < deadline, said(page))
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  await run('skopeo', ['inspect', '--tls-verify=false', '--no-creds', `docker://${appview.host}/${did.replaceAll(':', '-')}/app:v1`])
})

if (!allHeld()) console.log(appview.lastLogLines(40).join('\n'))
const held = sum()
await registry.stop()
await stack.stop().catch(() => {})
process.exit(held ? 0 : 1)
