// A public internet within one machine, for a front end that runs as in production: a network of its own where 11.0.0.1 is
// public, and servers there by TLS at names below one domain.
//
//   unshare --map-root-user --net --mount node ...

import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import path from 'node:path'
import { freePort, Hold } from '../demo/processes.mjs'
import { saysJson } from './meddler.mjs'
import { Appview } from './registry.mjs'

export const DOMAIN = 'atcr-check.org'
export const PUBLIC = '11.0.0.1'

export class Internet {
  /** A network with these addresses beside the public one, and a certificate authority in the folder `work`. */
  constructor(work, names, addresses = []) {
    Object.assign(this, { work, authority: path.join(work, 'ca.pem') })
    this.#command('ip', 'link', 'set', 'lo', 'up')
    for (const address of [PUBLIC, ...addresses]) this.#command('ip', 'address', 'add', `${address}/${address.includes(':') ? 128 : 32}`, 'dev', 'lo')
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
    this.#command('openssl', 'req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test authority')
    this.#command('openssl', 'req', ...key, '-keyout', 'tls.key', '-out', 'tls.csr', '-subj', `/CN=${DOMAIN}`)
    writeFileSync(this.#file('san'), `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}\n`)
    this.#command('openssl', 'x509', '-req', '-in', 'tls.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'tls.pem', '-days', '2', '-extfile', 'san')
  }

  /** Has every program of this network read `text` as the file of the system at `target`; returns the file that it is. */
  replace(target, text) {
    const file = this.#file(path.basename(target))
    writeFileSync(file, text)
    this.#command('mount', '--bind', file, target)
    return file
  }

  /** Serves the servers, each by the first part of its name, over TLS. A server is one before another (`Meddler`). */
  async serve(servers) {
    const tls = https.createServer({ key: readFileSync(this.#file('tls.key')), cert: readFileSync(this.#file('tls.pem')) }, (request, response) => {
      const server = servers[request.headers.host.split('.')[0]]
      if (!server) return response.writeHead(404).end()
      const { method, headers, url } = request
      const onward = http.request({ host: '127.0.0.1', port: new URL(server.url).port, method, path: url, headers }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers)
        answer.pipe(response)
      })
      onward.on('error', () => response.destroy())
      request.pipe(onward)
    })
    tls.listen(443, PUBLIC)
    await once(tls, 'listening')
  }

  /** A hold of `owner` at hold.DOMAIN, as in production. */
  async hold(binary, owner) {
    const hold = await Hold.prepare({ binary, work: this.work, owner, plc: `https://plc.${DOMAIN}` })
    Object.assign(hold.settings, {
      HOLD_PUBLIC_URL: `https://hold.${DOMAIN}`,
      HOLD_PUBLIC: 'true',
      HOLD_ALLOW_ALL_CREW: 'true',
      SSL_CERT_FILE: this.authority,
    })
    delete hold.settings.TEST_MODE
    await hold.start()
    return hold
  }

  /** A front end, as in production, but for its own address. */
  async appview(binary) {
    const port = await freePort()
    const appview = new Appview(binary, this.work, port, {
      ATCR_BASE_URL: `http://localhost:${port}`,
      ATCR_HTTP_ADDR: `127.0.0.1:${port}`,
      ATCR_DATABASE_PATH: this.#file('appview.db'),
      ATCR_DEFAULT_HOLD_DID: `did:web:hold.${DOMAIN}`,
      ATCR_PLC_DIRECTORY_URL: `https://plc.${DOMAIN}`,
      ATCR_PROXY_BLOBS: 'true',
      SSL_CERT_FILE: this.authority,
    })
    await appview.start()
    return appview
  }

  #file = (name) => path.join(this.work, name)
  #command = (name, ...words) => execFileSync(name, words, { cwd: this.work, stdio: ['ignore', 'ignore', 'pipe'] })
}

/** What the directory behind `plc` answers, with the PDS that `endpoint()` says in everybody's document. */
export const namesPds = (plc, endpoint) => async ({ method, url }) => {
  if (method !== 'GET' || !/^\/did:plc:[a-z2-7]{24}$/.test(url)) return undefined
  const document = await (await fetch(`${plc}${url}`)).json()
  document.service[0].serviceEndpoint = endpoint()
  return saysJson(200, document)
}
