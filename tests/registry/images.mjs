// Images that any client takes, as OCI image layouts of files that nothing need be fetched for.

import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { gzipSync } from 'node:zlib'

export const OCI_IMAGE = 'application/vnd.oci.image.manifest.v1+json'
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json'
const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'
const BLOCK = 512

export const sha256 = (bytes) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** An archive with one file. */
function tar(name, content) {
  const header = Buffer.alloc(BLOCK)
  const octal = (number, width) => `${number.toString(8).padStart(width - 1, '0')}\0`
  header.write(name, 0)
  header.write(octal(0o644, 8) + octal(0, 8) + octal(0, 8) + octal(content.length, 12) + octal(0, 12), 100)
  header.write('        0', 148)
  header.write('ustar\x0000', 257)
  header.write(`${octal(header.reduce((sum, byte) => sum + byte), 7)} `, 148)
  return Buffer.concat([header, content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK), Buffer.alloc(2 * BLOCK)])
}

/** A layout in `directory`; its images are tagged `it`. */
class Layout {
  constructor(directory) {
    Object.assign(this, { directory, source: `oci:${directory}:it` })
  }

  file(digest) {
    return path.join(this.directory, 'blobs', ...digest.split(':'))
  }

  async put(bytes, mediaType) {
    const digest = sha256(bytes)
    await mkdir(path.dirname(this.file(digest)), { recursive: true })
    await writeFile(this.file(digest), bytes)
    return { mediaType, digest, size: bytes.length }
  }

  /** An image with a layer for each of these lengths, and what its configuration and its manifest say besides. */
  async image(lengths, architecture, { config: more, annotations } = {}) {
    const layers = []
    const archives = lengths.map((length, index) => tar(`file-${index}`, randomBytes(length)))
    // Compressed already, or clients would do it, and push something else.
    for (const archive of archives) layers.push(await this.put(gzipSync(archive, { level: 1 }), OCI_LAYER))
    const image = { architecture, os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: archives.map(sha256) }, ...more }
    const config = await this.put(Buffer.from(JSON.stringify(image)), OCI_CONFIG)
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_IMAGE, config, layers, ...(annotations && { annotations }) }))
    const manifest = await this.put(bytes, OCI_IMAGE)
    return { manifest, bytes, layers, config, diffIds: image.rootfs.diff_ids }
  }

  async tag(manifest) {
    await writeFile(path.join(this.directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
    const annotations = { 'org.opencontainers.image.ref.name': 'it' }
    const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations }] }
    await writeFile(path.join(this.directory, 'index.json'), JSON.stringify(index))
  }
}

/** An image with a layer for each of these lengths, in a layout of its own. */
export async function makeImage(directory, lengths, about) {
  const layout = new Layout(directory)
  const image = await layout.image(lengths, 'amd64', about)
  await layout.tag(image.manifest)
  return { ...image, directory, source: layout.source }
}

/** An index with an image for each of two architectures, in a layout of its own. */
export async function makeIndex(directory) {
  const layout = new Layout(directory)
  const images = []
  for (const architecture of ['amd64', 'arm64']) images.push({ ...(await layout.image([1000], architecture)), architecture })
  const manifests = images.map(({ manifest, architecture }) => ({ ...manifest, platform: { architecture, os: 'linux' } }))
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }))
  const manifest = await layout.put(bytes, OCI_INDEX)
  await layout.tag(manifest)
  return { manifest, bytes, images, directory, source: layout.source }
}

/** The digest that the layout's one image has, all of whose blobs are read and hashed. */
export function digestOfLayout(directory) {
  const read = ({ digest }) => {
    const bytes = readFileSync(path.join(directory, 'blobs', ...digest.split(':')))
    if (sha256(bytes) !== digest) throw new Error(`${digest} has other bytes`)
    return bytes
  }
  const visit = (descriptor) => {
    const { manifests = [], layers = [], config } = JSON.parse(read(descriptor))
    manifests.forEach(visit)
    layers.forEach(read)
    if (config) read(config)
  }
  const [top] = JSON.parse(readFileSync(path.join(directory, 'index.json'))).manifests
  visit(top)
  return top.digest
}
