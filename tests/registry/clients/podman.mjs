// podman, with storage of its own; nothing is run.

import path from 'node:path'
import { containersClient } from './containers.mjs'

export default containersClient('podman', (at) => [
  '--tmpdir', path.join(at.home, 'tmp'), '--events-backend', 'none', '--cgroup-manager', 'cgroupfs',
])
