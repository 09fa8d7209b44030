// A person at the front end's pages: a browser that keeps cookies, fills in forms, and signs in at the pages of the PDS.

import assert from 'node:assert/strict'
import { Browser } from '../stack/oauth.mjs'

export class Person {
  #cookies = new Map()

  /** `fetch` reaches the front end's origin; another one where that is behind TLS. */
  constructor(origin, account, fetching = fetch) {
    Object.assign(this, { origin, account, fetching })
  }

  async #request(method, target, body) {
    const { cookie } = this
    const response = await this.fetching(new URL(target, this.origin), {
      method,
      body: body && new URLSearchParams(body).toString(),
      redirect: 'manual',
      headers: {
        ...(cookie && { cookie }),
        ...(body && { 'content-type': 'application/x-www-form-urlencoded', origin: this.origin, 'sec-fetch-site': 'same-origin' }),
      },
    })
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)
      this.#cookies.set(name, value)
    }
    return { status: response.status, location: response.headers.get('location'), headers: response.headers, text: await response.text() }
  }

  open(target) {
    return this.#request('GET', target)
  }

  /** Sends a form of the page that was opened last. Where its answer leads to a page that says what was done, that is opened. */
  async send(page, target, fields) {
    const token = /name="token" value="([^"]+)"/.exec(page.text)?.[1]
    assert(token, `a page without a form: ${page.status} ${page.text}`)
    const answer = await this.#request('POST', target, { token, ...fields })
    return answer.status === 303 && /[?&]said=/.test(answer.location) ? this.open(answer.location) : answer
  }

  /** The cookie, as another browser may be given it. */
  get cookie() {
    return [...this.#cookies].map((pair) => pair.join('=')).join('; ')
  }

  /** Sends a form with a file of the page that was opened last. */
  async sendFile(page, target, fields, name, bytes) {
    const token = /name="token" value="([^"]+)"/.exec(page.text)?.[1]
    const body = new FormData()
    for (const [key, value] of Object.entries({ token, ...fields })) body.set(key, value)
    body.set(name, new Blob([bytes], { type: 'image/png' }), 'picture.png')
    const response = await this.fetching(new URL(target, this.origin), { method: 'POST', body, headers: { cookie: this.cookie, origin: this.origin } })
    return { status: response.status, text: await response.text() }
  }

  /** Signs in by OAuth, to the page that is shown then. */
  async signIn(userCode = '') {
    const page = await this.open(userCode ? `/auth/device?user_code=${userCode}` : '/auth/oauth/login')
    const next = /name="next" value="([^"]*)"/.exec(page.text)?.[1]
    const begun = await this.send(page, '/auth/oauth/login', { handle: this.account.handle, next })
    assert.equal(begun.status, 303, begun.text)
    const back = await this.consent(begun.location)
    const ended = await this.open(back)
    assert.equal(ended.status, 303, ended.text)
    return this.open(ended.location)
  }

  /** What a person does at the pages of the PDS, who says yes, or no; answers where the browser is sent back to. */
  async consent(url, answer = '/consent') {
    const browser = new Browser(new URL(url).origin)
    // As which client the front end asks.
    this.client = new URL(url).searchParams.get('client_id')
    await browser.open(url)
    const { handle, password } = this.account
    const { account, ephemeralToken } = await browser.post('/sign-in', { locale: 'en', username: handle, password })
    const input = answer === '/consent' ? { did: account.did } : {}
    const { url: next } = await browser.post(answer, input, ephemeralToken)
    return browser.open(next, 'same-origin')
  }

  /** Lets a device in that shows this code. */
  async letIn(userCode) {
    let page = await this.open(`/auth/device?user_code=${userCode}`)
    if (page.text.includes('action="/auth/oauth/login"')) page = await this.signIn(userCode)
    assert(page.text.includes(userCode), page.text)
    const done = await this.send(page, '/auth/device', { user_code: userCode, decision: 'allow' })
    assert.match(done.text, /is authorized/)
    return page
  }
}
