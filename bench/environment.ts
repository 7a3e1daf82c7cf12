import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const bench = import.meta.dirname
const peers = join(bench, 'peers')

/** The interpreter that has TRL, PEFT and transformers. POSTTRAIN_PEERS_PYTHON names one that is there already. */
export function pythonPeers(): string {
  const given = process.env['POSTTRAIN_PEERS_PYTHON']
  if (given !== undefined && given !== '') return given
  const directory = join(bench, '.venv-peers')
  const python = join(directory, ...(process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']))
  const requirements = join(peers, 'requirements.txt')
  installOnce(join(directory, 'installed'), requirements, () => {
    const system = process.platform === 'win32' ? 'python' : 'python3'
    if (!existsSync(python)) step('creating a Python environment for the peers', system, ['-m', 'venv', directory])
    step('installing torch, transformers, PEFT and TRL', python, ['-m', 'pip', 'install', '--quiet', '-r', requirements])
  })
  return python
}

/** Sees to node-llama-cpp beside the peers' scripts, with the binaries of its packages (nothing is compiled). */
export function nodePeers(): void {
  const installed = join(peers, 'node_modules', '.installed')
  installOnce(installed, join(peers, 'package.json'), () => {
    const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
    step('installing node-llama-cpp', npm, ['install', '--prefix', peers, '--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund'])
  })
}

/** Runs `install` unless `stamp` says that it was done for this `manifest`. */
function installOnce(stamp: string, manifest: string, install: () => void): void {
  const digest = createHash('sha256').update(readFileSync(manifest)).digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return
  install()
  writeFileSync(stamp, digest)
}

function step(what: string, command: string, args: readonly string[]): void {
  process.stderr.write(`${what} ...\n`)
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], shell: command.endsWith('.cmd') })
  if (error !== undefined) throw new Error(`${command} cannot be run: ${error.message}`)
  if (status !== 0) throw new Error(`${what} failed (${command} ended with ${String(status)})`)
}
