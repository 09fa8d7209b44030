// Webhooks: what real clients push to a real registry comes to real receivers once, signed, also after errors, restarts and
// kill -9; what receivers do to the registry harms nobody; nobody but the owner has a say; nothing is sent inward.
//
//   webhooks.mjs HOLD APPVIEW WORK_DIR [own]    own: in a network and with mounts of its own, where names may lead anywhere
//
// The last line is the sum: "appview: N passed, N failed". Exit 1 when any failed.

import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { startStack } from '../demo/processes.mjs'
import { makeImage, makeIndex, OCI_IMAGE, OCI_INDEX, sha256 } from './images.mjs'
import { Person } from './pages.mjs'
import { newAccount, Registry } from './registry.mjs'
import { allHeld, step, sum } from './steps.mjs'

const run = promisify(execFile)
const [holdBinary, appviewBinary, work, own] = process.argv.slice(2)
const file = (name) => path.join(work, name)
const MANUAL = readFileSync(new URL('../../src/appview/manual/webhooks.md', import.meta.url), 'utf8')
const PUBLIC = '11.0.0.1'
const INSIDE = '10.0.0.1'

/** Where names lead, in a network of one's own. */
function names(more = '') {
  writeFileSync(file('hosts'), `127.0.0.1 localhost\n::1 localhost ip6-localhost\n${INSIDE} inside.atcr-check.org\n${more}`)
}
if (own) {
  const command = (name, ...words) => execFileSync(name, words, { stdio: ['ignore', 'ignore', 'pipe'] })
  command('ip', 'link', 'set', 'lo', 'up')
  for (const address of [PUBLIC, INSIDE, '169.254.169.254']) command('ip', 'address', 'add', `${address}/32`, 'dev', 'lo')
  names(`${PUBLIC} moves.atcr-check.org\n`)
  command('mount', '--bind', file('hosts'), '/etc/hosts')
}

/** A server that gets deliveries, keeps them, and answers as a step wants. */
class Receiver {
  /** @type {{headers: http.IncomingHttpHeaders, body: string, event: any}[]} */
  got = []
  #taken = 0
  answer = (_request, response) => response.writeHead(204).end()

  async start(port = 0, host = '127.0.0.1') {
    this.server = http.createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      this.got.push({ headers: request.headers, body, event: JSON.parse(body) })
      this.answer(request, response)
    })
    this.server.listen(port, host)
    await once(this.server, 'listening')
    this.port = this.server.address().port
    this.url = `http://localhost:${this.port}/hook?token=of-its-owner`
    return this
  }

  async stop() {
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }

  /** The next delivery that no step has taken yet. */
  async next(within = 120_000) {
    await until(() => this.got.length > this.#taken, within, () => `${this.#taken} deliveries, and no other`)
    this.#taken += 1
    return this.got[this.#taken - 1]
  }

  /** That there is none that no step has taken, nor comes within a while. */
  async hasNoMore() {
    await pause(1500)
    assert.equal(this.got.length, this.#taken)
  }
}

async function until(condition, within, words) {
  const deadline = performance.now() + within
  while (!(await condition())) {
    assert(performance.now() < deadline, `${await words()}\n${registry.appview.lastLogLines(5).join('\n')}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

const stack = await startStack(work)
const [alice, bob] = await Promise.all(['alice.test', 'bob.test'].map((handle) => newAccount(stack.pds, handle)))
const registry = await Registry.start({ binaries: { hold: holdBinary, appview: appviewBinary }, work, stack, owner: alice })
const { appview } = registry
const origin = appview.url.replace('localhost', '127.0.0.1')
const push = (app, name) =>
  run('skopeo', ['--insecure-policy', 'copy', '--all', '--preserve-digests', '--dest-tls-verify=false', '--dest-creds', `alice.test:${alice.appPassword}`, app.source, `docker://${appview.host}/alice.test/${name}`])
const command = async (...words) => (await run(appviewBinary, words, { cwd: work, env: { ...appview.settings, PATH: process.env.PATH } })).stdout

/** Looks into the front end's database while that is down, changes it, and starts it again. */
async function inDatabase(change) {
  await appview.kill()
  const database = new DatabaseSync(appview.settings.ATCR_DATABASE_PATH)
  const result = change(database)
  database.close()
  await appview.start()
  return result
}

const person = new Person(origin, alice)
await person.signIn()
/** Adds a webhook to a repository; answers its number and its secret. */
async function add(name, url, secret = '') {
  const page = await person.open(`/settings/webhooks?name=${name}`)
  const done = await person.send(page, '/settings/webhooks', { name, url, secret })
  if (done.status !== 200) return done
  const [, shown] = /<pre><code>([^<]+)<\/code>/.exec(done.text)
  const [, id] = new RegExp(`/settings/webhook\\?id=(\\d+)">${url.replaceAll(/[?.]/g, '\\$&').replaceAll('&', '&#38;')}`).exec(done.text)
  return { id, secret: shown, text: done.text }
}
const shown = (id) => person.open(`/settings/webhook?id=${id}`)
/** Waits until the page of a webhook says this; answers the page. */
async function says(id, words) {
  let page
  await until(async () => words.test(({ text: page } = await shown(id)).text), 120_000, () => `${words}: ${page}`)
  return page
}
async function act(id, fields, as = person) {
  const page = await shown(id)
  return as.send(as === person ? page : await as.open('/settings'), '/settings/webhook', { id, ...fields })
}

const [app, other, both] = [await makeImage(file('app'), [100, 200_000]), await makeImage(file('other'), [100]), await makeIndex(file('both'))]
const receiver = await new Receiver().start()
let hook

/** What the manual says of the signature, by its very words. */
async function signed({ body }, secret) {
  writeFileSync(file('body.json'), body)
  const [, line] = /```sh\n(openssl [^\n]+)\n```/.exec(MANUAL)
  return (await run('sh', ['-c', line], { cwd: work, env: { PATH: process.env.PATH, SECRET: secret } })).stdout.trim()
}

await step('an owner adds a webhook, and sees its secret this once', async () => {
  hook = await add('app', receiver.url)
  assert.match(hook.secret, /^[0-9a-f]{64}$/)
  for (const page of [await person.open('/settings/webhooks?name=app'), await shown(hook.id), await person.open('/settings/data')]) {
    assert(page.text.includes('token=of-its-owner') && !page.text.includes(hook.secret), page.text)
  }
  assert.match((await person.open('/settings/webhooks?name=app')).text, /id="webhooks"/)
  const twice = await add('app', receiver.url)
  assert.deepEqual([twice.status, /has a webhook for this address/.test(twice.text)], [400, true])
})

await step('a test is a ping, whose signature openssl makes as the manual says', async () => {
  const page = await act(hook.id, { do: 'test' })
  assert.match(page.text, /The test was delivered: 204/)
  const ping = await receiver.next()
  const { event, headers } = ping
  assert.deepEqual([event.event, event.repository, event.registry, event.owner], ['ping', 'app', appview.host, { did: alice.did, handle: 'alice.test' }])
  assert.equal(headers['x-atcr-signature-256'], await signed(ping, hook.secret))
  assert.notEqual(headers['x-atcr-signature-256'], await signed(ping, `${hook.secret}x`))
  assert.deepEqual([headers['x-atcr-event'], headers['content-type'], headers['x-atcr-delivery']], ['ping', 'application/json', `${event.id}-${hook.id}`])
  assert(Math.abs(Number(headers['x-atcr-timestamp']) - Date.now() / 1000) < 60 && /^atcr-appview\//.test(headers['user-agent']))
})

await step('an image that skopeo pushes is one delivery with what it is', async () => {
  await push(app, 'app:v1')
  const delivery = await receiver.next()
  const { event, headers } = delivery
  assert.equal(headers['x-atcr-signature-256'], await signed(delivery, hook.secret))
  const { id, time, ...rest } = event
  assert(/^[0-9a-f]{32}$/.test(id) && Math.abs(Date.parse(time) - Date.now()) < 60_000)
  assert.deepEqual(rest, {
    event: 'push',
    registry: appview.host,
    owner: { did: alice.did, handle: 'alice.test' },
    repository: 'app',
    tag: 'v1',
    image: `${appview.host}/alice.test/app:v1`,
    digest: app.manifest.digest,
    mediaType: OCI_IMAGE,
    size: app.manifest.size,
    artifactType: 'application/vnd.oci.image.config.v1+json',
    platforms: [],
    pushedBy: alice.did,
  })
})

await step('an index with two platforms is one delivery, not one a manifest', async () => {
  await push(both, 'app:multi')
  const { event } = await receiver.next()
  assert.deepEqual([event.tag, event.digest, event.mediaType, event.platforms, event.artifactType], ['multi', both.manifest.digest, OCI_INDEX, ['linux/amd64', 'linux/arm64'], null])
  await receiver.hasNoMore()
})

await step('what is pushed without a tag, what is attached to an image, and another repository are no event', async () => {
  const token = await appview.token('repository:alice.test/app:pull,push', 'alice.test', alice.appPassword)
  const put = async (reference, bytes) => {
    const { status, code } = await appview.call(token, 'PUT', `/v2/alice.test/app/manifests/${reference}`, { body: bytes, headers: { 'content-type': OCI_IMAGE } })
    assert.equal(status, 201, code)
  }
  await put(app.manifest.digest, app.bytes)
  const attached = JSON.stringify({ ...JSON.parse(app.bytes), artifactType: 'application/spdx+json', subject: app.manifest })
  await put(sha256(attached), attached)
  await put('attached', attached)
  await put(`${app.manifest.digest.replace(':', '-')}.sig`, app.bytes)
  await push(other, 'elsewhere:v1')
  await push(other, 'app:v2')
  const { event } = await receiver.next()
  assert.deepEqual([event.tag, event.digest], ['v2', other.manifest.digest])
  await receiver.hasNoMore()
})

await step('the log says what became of each, and delivers one again as the same event', async () => {
  const page = await shown(hook.id)
  for (const words of ['push of v1', 'push of multi', 'push of v2', 'ping', 'Delivered: 204']) assert(page.text.includes(words), `${words}\n${page.text}`)
  const first = receiver.got[1]
  const [, delivery] = new RegExp(`name="delivery" value="(\\d+)"><button[^>]*>Redeliver<span class="hidden"> ${first.headers['x-atcr-delivery']}`).exec(page.text)
  await act(hook.id, { do: 'again', delivery })
  const again = await receiver.next()
  assert.deepEqual([again.body, again.headers['x-atcr-delivery']], [first.body, first.headers['x-atcr-delivery']])
})

await step('another account sees and changes nothing, and no form without its token does', async () => {
  const stranger = new Person(origin, bob)
  await stranger.signIn()
  assert.equal((await stranger.open(`/settings/webhook?id=${hook.id}`)).status, 404)
  assert(!(await stranger.open('/settings/webhooks?name=app')).text.includes('of-its-owner'))
  for (const what of ['test', 'off', 'on', 'delete', 'again']) {
    assert.equal((await act(hook.id, { do: what, sure: 'yes', delivery: '1' }, stranger)).status, 404, what)
  }
  for (const [target, body] of [['/settings/webhook', `id=${hook.id}&do=off`], ['/settings/webhooks', `name=app&url=${encodeURIComponent(receiver.url)}`]]) {
    const headers = { cookie: person.cookie, 'content-type': 'application/x-www-form-urlencoded' }
    for (const token of ['', '&token=x']) assert.equal((await fetch(`${origin}${target}`, { method: 'POST', body: body + token, headers })).status, 403)
  }
  const nobody = await (await fetch(`${origin}/settings/webhook?id=${hook.id}`, { headers: { accept: 'text/html' } })).text()
  assert(nobody.includes('/auth/oauth/login') && !nobody.includes('of-its-owner'), nobody)
  await push(app, 'app:still-there')
  assert.equal((await receiver.next()).event.tag, 'still-there')
})

await step('a receiver that fails is tried again, with the same delivery', async () => {
  receiver.answer = (_, response) => response.writeHead(500).end('a secret of another network')
  await push(app, 'app:again')
  const first = await receiver.next()
  const page = await says(hook.id, /Not yet: it answered 500\. Next attempt: 2/)
  assert(!page.includes('a secret of another network'))
  receiver.answer = (_, response) => response.writeHead(200).end()
  const second = await receiver.next()
  assert.deepEqual([second.body, second.headers['x-atcr-delivery']], [first.body, first.headers['x-atcr-delivery']])
  await says(hook.id, /Delivered: 200/)
})

await step('a receiver that is away gets it when it is back, and nobody else waits for it', async () => {
  const near = await new Receiver().start()
  await add('app', near.url)
  await receiver.stop()
  await push(app, 'app:away')
  await near.next()
  await says(hook.id, /Not yet:/)
  await receiver.start(receiver.port)
  assert.equal((await receiver.next()).event.tag, 'away')
  await near.hasNoMore()
  await near.stop()
})

await step('a kill -9 between push and answer: the same delivery comes again', async () => {
  receiver.answer = () => {}
  await push(app, 'app:killed')
  const first = await receiver.next()
  await appview.kill()
  receiver.answer = (_, response) => response.writeHead(204).end()
  await appview.start()
  const second = await receiver.next()
  assert.deepEqual([second.event.tag, second.body, second.headers['x-atcr-delivery']], ['killed', first.body, first.headers['x-atcr-delivery']])
})

await step('a kill -9 with the receiver away: what was acknowledged is delivered later', async () => {
  await receiver.stop()
  await push(app, 'app:patient')
  await appview.kill()
  await receiver.start(receiver.port)
  await appview.start()
  assert.equal((await receiver.next()).event.tag, 'patient')
})

await step('redirects are not followed, what is large or slow is cut, and others come through meanwhile', async () => {
  const [trap, slow, large] = [await new Receiver().start(), await new Receiver().start(), await new Receiver().start()]
  const moved = await new Receiver().start()
  moved.answer = (_, response) => response.writeHead(307, { location: trap.url }).end()
  slow.answer = () => {}
  large.answer = (_, response) => {
    response.writeHead(200)
    const more = () => response.destroyed || response.write(Buffer.alloc(65_536), () => setTimeout(more, 1))
    more()
  }
  const ids = []
  for (const one of [slow, moved, large]) ids.push((await add('hard', one.url)).id)
  await add('hard', receiver.url)
  await push(app, 'hard:v1')
  await receiver.next()
  assert.match((await shown(ids[0])).text, />Waits</, 'the slow one held others up')
  await says(ids[1], /Not yet: it answered 307: redirects are not followed/)
  await says(ids[2], /Delivered: 200/)
  await says(ids[0], /Not yet: it did not answer within 10 s/)
  assert.equal(trap.got.length, 0)
  for (const id of ids) await act(id, { do: 'off' })
  await Promise.all([trap, slow, large, moved].map((one) => one.stop()))
})

await step('410 switches a webhook off, its owner switches it on again', async () => {
  receiver.answer = (_, response) => response.writeHead(410).end()
  await push(app, 'app:gone')
  await receiver.next()
  await says(hook.id, /Disabled by the registry: its receiver says that it is gone for good/)
  receiver.answer = (_, response) => response.writeHead(204).end()
  await push(app, 'app:nobody')
  await receiver.hasNoMore()
  assert.match((await act(hook.id, { do: 'on' })).text, /It is enabled/)
  await push(app, 'app:somebody')
  assert.equal((await receiver.next()).event.tag, 'somebody')
})

await step('after a day a delivery is given up, and after three days without any the webhook is off', async () => {
  receiver.answer = (_, response) => response.writeHead(503).end()
  await push(app, 'app:old')
  await says(hook.id, /Not yet: it answered 503/)
  const day = 24 * 60 * 60 * 1_000_000
  const later = (days) => inDatabase((database) => {
    database.exec(`UPDATE webhook_delivery SET due_us = 1, queued_us = queued_us - ${day} WHERE due_us IS NOT NULL`)
    database.exec(`UPDATE webhook SET failing_us = failing_us - ${days * day} WHERE failing_us IS NOT NULL`)
  })
  await later(1)
  assert.match(await says(hook.id, /Not delivered: it answered 503/), /Enabled\. Deliveries fail: the first one 1 day ago/)
  await push(app, 'app:older')
  await says(hook.id, /Not yet: it answered 503/)
  await later(2)
  await says(hook.id, /Disabled by the registry: no delivery succeeded for three days/)
  receiver.answer = (_, response) => response.writeHead(204).end()
  await act(hook.id, { do: 'on' })
})

await step('what the registry must not connect to is refused when it is added, in words', async () => {
  const refused = [
    ['http://127.0.0.1:80/', /its host has no public address/],
    ['https://169.254.169.254/latest/meta-data/', /its host has no public address/],
    ['https://[::ffff:127.0.0.1]/', /its host has no public address/],
    ['https://[::1]:8443/', /its host has no public address/],
    ['https://0x7f000001/', /its host has no public address/],
    ['https://10.0.0.1/', /its host has no public address/],
    ['https://a:b@example.org/', /no user and no password/],
    ['file:///etc/passwd', /must begin with https/],
    ['nonsense', /must be like https/],
    ['https://nobody.invalid/', /its name cannot be looked up/],
    ...(own ? [['https://inside.atcr-check.org/', /its host has no public address/]] : []),
  ]
  for (const [url, words] of refused) {
    const { status, text } = await add('refused', url)
    assert(status === 400 && words.test(text), `${url}: ${status} ${text}`)
  }
  assert.equal((await add('refused', receiver.url, 'too short')).status, 400)
  const mine = await add('refused', receiver.url, 'a-secret-of-my-own')
  assert.equal(mine.secret, 'a-secret-of-my-own')
  for (let number = 1; number < 10; number += 1) await add('refused', `${receiver.url}&${number}`)
  assert.match((await add('refused', `${receiver.url}&10`)).text, /as many webhooks as this repository or your account may have/)
})

if (own) {
  await step('a name that leads inward later is not connected to', async () => {
    const [outside, inside] = [await new Receiver().start(0, PUBLIC), []]
    const trap = net.createServer((socket) => inside.push(socket.destroy()))
    trap.listen(outside.port, INSIDE)
    await once(trap, 'listening')
    const { id } = await add('moves', `http://moves.atcr-check.org:${outside.port}/`)
    assert.match((await act(id, { do: 'test' })).text, /The test was delivered/)
    names(`${INSIDE} moves.atcr-check.org\n`)
    assert.match((await act(id, { do: 'test' })).text, /The test was not delivered: its host has no public address/)
    assert.deepEqual([outside.got.length, inside.length], [1, 0])
    await outside.stop()
    await new Promise((resolve) => trap.close(resolve))
  })
} else {
  console.log('skipped: a name that leads inward later is not connected to: no network of its own can be had')
}

await step('an operator sees whose they are and switches one off; secrets are in no list, log or export', async () => {
  const list = JSON.parse(await command('webhooks', '--json', 'list'))
  const one = list.find(({ id }) => String(id) === hook.id)
  assert.deepEqual([one.account, one.repository, one.host, one.isOn], [alice.did, 'app', `localhost:${receiver.port}`, true])
  assert.match(await command('webhooks', 'disable', hook.id), /is disabled/)
  assert.match((await shown(hook.id)).text, /Disabled by the registry: the operator of this registry disabled it/)
  await assert.rejects(command('webhooks', 'disable', '9999'), /there is no webhook 9999/)
  const exported = await command('accounts', 'export', alice.did)
  assert(JSON.parse(exported).webhooks.some(({ repository, isOn }) => repository === 'app' && !isOn), exported)
  const log = readFileSync(appview.log, 'utf8')
  for (const text of [exported, JSON.stringify(list), log]) assert(!text.includes(hook.secret) && !text.includes('a-secret-of-my-own'))
  for (const text of [JSON.stringify(list), log]) assert(!text.includes('of-its-owner'), 'an address may have a secret in it')
})

await step('a webhook is deleted once that was said twice, and all of an account with its data', async () => {
  assert.match((await act(hook.id, { do: 'delete' })).text, /Delete this webhook of app\?/)
  assert.equal((await act(hook.id, { do: 'delete', sure: 'yes' })).status, 303)
  assert.equal((await shown(hook.id)).status, 404)
  await command('accounts', 'delete', alice.did)
  const left = await inDatabase((database) => database.prepare('SELECT (SELECT count(*) FROM webhook) + (SELECT count(*) FROM webhook_delivery) AS rows').get())
  assert.equal(left.rows, 0)
})

if (!allHeld()) console.log(appview.lastLogLines(40).join('\n'))
const held = sum()
await Promise.all([receiver.stop(), registry.stop()])
await stack.stop()
process.exit(held ? 0 : 1)
