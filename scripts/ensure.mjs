// Runs before `npm start` and `npm test`: makes a fresh clone ready. Plain JavaScript, because the machine's own Node
// may be too old for TypeScript (Node 20 is enough here).
import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const REQUIRED_NODE = 24
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const modules = join(root, 'node_modules')
const windows = process.platform === 'win32'

if (!isInstalled()) {
  console.error('Installing what package-lock.json names (once) ...')
  // A failed install script is no reason to stop: the only one we need fetches Node, and fetchNode() can do that too.
  const installed = npm(['ci']) || npm(['ci', '--ignore-scripts'])
  if (!installed) fail('npm ci failed (see above). Check the network and the registry that npm is configured for.')
}
if (nodeMajor() < REQUIRED_NODE) {
  console.error(`Fetching Node ${REQUIRED_NODE} (once) ...`)
  fetchNode()
  if (nodeMajor() < REQUIRED_NODE) fail(`Node ${REQUIRED_NODE} could not be fetched. Install Node >= ${REQUIRED_NODE} and try again.`)
}

/** Every package that the lockfile requires on all platforms is there, in the version that it names. */
function isInstalled() {
  const wanted = readJson(join(root, 'package-lock.json'))
  const present = readJson(join(modules, '.package-lock.json'))
  if (!wanted || !present) return false
  return Object.entries(wanted.packages).every(
    ([path, entry]) =>
      path === '' || entry.optional || (present.packages[path]?.version === entry.version && existsSync(join(root, path))),
  )
}

/** Major version of the Node that npm's scripts find first, 0 where there is none. */
function nodeMajor() {
  const path = [join(modules, '.bin'), process.env.PATH].join(windows ? ';' : ':')
  const result = spawnSync('node', ['--version'], { encoding: 'utf8', shell: windows, env: { ...process.env, PATH: path } })
  return Number(/^v(\d+)\./.exec(result.stdout ?? '')?.[1] ?? 0)
}

/** Puts Node's binary for this platform where the `node` package's install script would have put it. */
function fetchNode() {
  const platform = windows ? 'win' : process.platform
  const name = `${platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node'}-${platform}-${process.arch}`
  const version = readJson(join(modules, 'node', 'package.json'))?.version ?? REQUIRED_NODE
  const scratch = join(modules, '.node')
  mkdirSync(scratch, { recursive: true })
  if (!npm(['install', '--prefix', scratch, '--no-save', `${name}@${version}`])) {
    fail(`npm could not install ${name}@${version}. Install Node >= ${REQUIRED_NODE} and try again.`)
  }
  const file = windows ? 'node.exe' : 'node'
  const target = join(modules, 'node', 'bin', file)
  const link = join(modules, '.bin', file)
  mkdirSync(dirname(target), { recursive: true })
  mkdirSync(dirname(link), { recursive: true })
  copyFileSync(join(scratch, 'node_modules', name, 'bin', file), target)
  chmodSync(target, 0o755)
  rmSync(scratch, { recursive: true })
  rmSync(link, { force: true })
  if (windows) copyFileSync(target, link)
  else symlinkSync(join('..', 'node', 'bin', file), link)
}

/** True if npm, run in the project with `args`, succeeds. onnxruntime-node's binaries are in its package: its script is skipped. */
function npm(args) {
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' }
  const script = process.env.npm_execpath
  const command = script ? (process.env.npm_node_execpath ?? process.execPath) : 'npm'
  const all = [...(script ? [script] : []), ...args, '--no-audit', '--no-fund', '--loglevel=error']
  const result = spawnSync(command, all, { cwd: root, env, stdio: ['ignore', 2, 2], shell: windows && !script })
  return result.status === 0
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

function fail(message) {
  console.error(message)
  process.exit(1)
}
