/**
 * The process in which a user's grader function runs. It loads the module named in its arguments, says that it is ready,
 * and answers requests one at a time. A thread of it watches the memory, also while the function hangs.
 */
import { pathToFileURL } from 'node:url'
import { isMainThread, Worker, workerData } from 'node:worker_threads'

import { messageOf, nearest } from '../../errors.ts'

export interface FunctionRequest {
  /** From 1. */
  readonly id: number
  readonly item: Readonly<Record<string, unknown>>
  readonly output: string
}

export interface FunctionReply {
  /** That of its request; 0 says whether the module could be loaded. */
  readonly id: number
  readonly reward: number | null
  /** Why there is none. */
  readonly fault?: string
}

/** What a grader function gets as its first argument; the row is the second. */
export interface FunctionSample {
  readonly output_text: string
  /** The output read as JSON; undefined where it is not. */
  readonly output_json?: unknown
}

/** Megabytes that Node and buffers may take beside the heap. */
const BESIDE_HEAP = 256
const WATCH_EVERY = 50

if (isMainThread) await serve()
else watch(workerData as { readonly limit: number; readonly parent: number })

async function serve(): Promise<void> {
  const [file = '', name = '', memory = ''] = process.argv.slice(2)
  const limit = (Number(memory) + BESIDE_HEAP) * 1e6
  new Worker(new URL(import.meta.url), { workerData: { limit, parent: process.ppid }, execArgv: [], resourceLimits: { maxOldGenerationSizeMb: 32 } }).unref()
  process.on('disconnect', () => { process.exit() })
  const grade = await load(file, name)
  if (typeof grade === 'string') {
    reply({ id: 0, reward: null, fault: grade })
    return
  }
  process.on('message', request => { void run(grade, request as FunctionRequest).then(reply) })
  reply({ id: 0, reward: null })
}

type GraderFunction = (sample: FunctionSample, item: FunctionRequest['item']) => unknown

/** The function, or why there is none. */
async function load(file: string, name: string): Promise<GraderFunction | string> {
  try {
    const module = await import(pathToFileURL(file).href) as Readonly<Record<string, unknown>>
    if (typeof module[name] === 'function') return module[name] as GraderFunction
    const functions = Object.keys(module).filter(key => typeof module[key] === 'function')
    const slip = nearest(name, functions)
    const has = functions.length === 0 ? 'it exports no function' : `it exports ${functions.join(', ')}`
    return `there is no function "${name}" (${has})${slip === undefined ? '' : `; did you mean "${slip}"?`}`
  } catch (error) {
    return `cannot be loaded: ${messageOf(error)}`
  }
}

async function run(grade: GraderFunction, { id, item, output }: FunctionRequest): Promise<FunctionReply> {
  try {
    const reward = await grade({ output_text: output, ...parsed(output) }, item)
    if (reward === null || (typeof reward === 'number' && Number.isFinite(reward))) return { id, reward }
    const what = typeof reward === 'number' ? String(reward) : `a value of type ${typeof reward}`
    return { id, reward: null, fault: `the function returned ${what}, not a number` }
  } catch (error) {
    return { id, reward: null, fault: `the function threw: ${messageOf(error)}` }
  }
}

function parsed(output: string): { readonly output_json?: unknown } {
  try {
    return { output_json: JSON.parse(output) as unknown }
  } catch {
    return {}
  }
}

function reply(message: FunctionReply): void {
  process.send?.(message)
}

/** Ends the process where it takes too much memory, buffers included, or where its parent is gone. */
function watch({ limit, parent }: { readonly limit: number; readonly parent: number }): void {
  setInterval(() => {
    if (process.memoryUsage.rss() > limit || process.ppid !== parent) process.kill(process.pid, 'SIGKILL')
  }, WATCH_EVERY)
}
