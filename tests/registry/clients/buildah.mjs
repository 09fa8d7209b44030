// buildah, with storage of its own.

import { containersClient } from './containers.mjs'

export default containersClient('buildah', () => [])
