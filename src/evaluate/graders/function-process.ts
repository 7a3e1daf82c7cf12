import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { messageOf, UserError } from '../../errors.ts'
import { siblingModule } from '../../runtime/worker.ts'
import type { FunctionReply, FunctionRequest } from './function-child.ts'
import type { GradedSample, Score } from './grader.ts'
import { startTimeLimit } from './time-limit.ts'

export interface FunctionSource {
  /** Absolute path of the module. */
  readonly file: string
  /** The export. */
  readonly name: string
  /** Milliseconds for one row. */
  readonly timeout: number
  /** Megabytes of the JavaScript heap. */
  readonly memory: number
}

/** Milliseconds for a process to start and load the module: a machine under load is slow at that. */
const LOAD_TIMEOUT = 30_000
/** Characters of a reason that are kept. */
const MAX_REASON = 500

/** A user's function in a process of its own, a row at a time; a process that is lost is replaced at the next row. */
export class FunctionProcess {
  readonly #source: FunctionSource
  #child: ChildProcess | undefined
  #last: Promise<unknown> = Promise.resolve()
  #requests = 0
  #closed = false

  constructor(source: FunctionSource) {
    this.#source = source
  }

  /** Starts the process. Throws a UserError where the module cannot be loaded or has no such export. */
  async check(): Promise<void> {
    try {
      await this.#running()
    } catch (error) {
      throw new UserError(`${this.#source.file}: ${messageOf(error)}`, { exitCode: 2, cause: error })
    }
  }

  /** Scores of the samples, in their order. Calls wait for those before them. */
  score(samples: readonly GradedSample[]): Promise<Score[]> {
    const scores = this.#last.then(async () => {
      const all: Score[] = []
      for (const sample of samples) all.push(await this.#score(sample))
      return all
    })
    this.#last = scores.catch(() => undefined)
    return scores
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#stop()
  }

  async #score({ item, output }: GradedSample): Promise<Score> {
    if (this.#closed) return { value: null, reason: 'the grader was closed' }
    try {
      const child = await this.#running()
      const { reward, fault } = await this.#exchange(child, { id: ++this.#requests, item, output }, this.#source.timeout)
      return reward === null ? { value: null, reason: fault ?? 'the function returned null' } : { value: reward }
    } catch (error) {
      await this.#stop()
      return { value: null, reason: messageOf(error) }
    }
  }

  async #running(): Promise<ChildProcess> {
    if (this.#child !== undefined) return this.#child
    const { file, name, memory } = this.#source
    const child = fork(fileURLToPath(siblingModule(import.meta, './function-child')), [file, name, String(memory)], {
      execArgv: [`--max-old-space-size=${memory}`],
      // What the function prints must not mix with results on standard output.
      stdio: ['ignore', 2, 2, 'ipc'],
    })
    child.on('exit', () => { if (this.#child === child) this.#child = undefined })
    this.#child = child
    const { fault } = await this.#exchange(child, undefined, LOAD_TIMEOUT)
    if (fault !== undefined) {
      await this.#stop()
      throw new Error(fault)
    }
    hold(child, false)
    return child
  }

  /** Sends a request (undefined: none, the process speaks first) and waits for the answer, the process's end or the time limit. */
  #exchange(child: ChildProcess, request: FunctionRequest | undefined, timeout: number): Promise<FunctionReply> {
    const { promise, resolve, reject } = Promise.withResolvers<FunctionReply>()
    const onMessage = (message: unknown) => {
      const reply = readReply(message, request?.id ?? 0)
      if (reply !== undefined) resolve(reply)
    }
    const onEnd = (code: number | null, signal: string | null) => { reject(new Error(this.#ending(code, signal))) }
    const onError = (error: Error) => { reject(error) }
    const endLimit = startTimeLimit(timeout, () => { reject(new Error(`the function took longer than ${timeout} ms`)) })
    hold(child, true)
    child.on('message', onMessage).once('exit', onEnd).once('error', onError)
    if (request !== undefined) child.send(request, error => { if (error !== null) reject(error) })
    return promise.finally(() => {
      endLimit()
      child.off('message', onMessage).off('exit', onEnd).off('error', onError)
      hold(child, false)
    })
  }

  #ending(code: number | null, signal: string | null): string {
    const { memory } = this.#source
    if (signal === null && code !== null && code < 128) return `the function ended its process (exit code ${code})`
    return `the function's process was killed (${signal ?? `exit code ${code}`}): it needed more than ${memory} MB of memory`
  }

  async #stop(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    hold(child, true)
    const ended = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }
}

/** Whether the process keeps this one alive: only while it works. */
function hold(child: ChildProcess, on: boolean): void {
  if (on) child.ref()
  else child.unref()
  if (on) child.channel?.ref()
  else child.channel?.unref()
}

/** The reply to the request `id`; undefined for anything else, as the user's code may send what it likes. */
function readReply(message: unknown, id: number): FunctionReply | undefined {
  if (typeof message !== 'object' || message === null) return undefined
  const { id: to, reward, fault } = message as Partial<Record<string, unknown>>
  if (to !== id) return undefined
  return {
    id,
    reward: typeof reward === 'number' && Number.isFinite(reward) ? reward : null,
    ...(typeof fault === 'string' && { fault: fault.slice(0, MAX_REASON) }),
  }
}
