import { fork } from 'node:child_process'
import { siblingModule } from '../runtime/worker.ts'
import type { JobMessage, JobRequest, StopCommand } from '../train/job.ts'
import type { StopRequest } from '../train/stop.ts'

/** How a job's process ended: with its last answer, or without one. */
export type JobOutcome =
  | Extract<JobMessage, { readonly type: 'done' | 'failed' | 'checked' | 'compared' }>
  | { readonly type: 'died'; readonly code: number | null; readonly signal: NodeJS.Signals | null; readonly output: string }

/** A process that carries out one request. */
export interface JobChild {
  readonly pid: number | undefined
  /** Resolves when the process has ended; never rejects. */
  readonly ended: Promise<JobOutcome>
  /** Asks it to end at its next checkpoint; the last request counts. */
  stop(request: StopRequest): void
  /** Ends it at once, as `kill -9` does: what it leaves on the disk is whole at any moment. */
  kill(): void
}

/** How much of its error output is kept. */
const outputTail = 4000

/** Starts the process of a job. @param onMessage hears of what comes before the last answer */
export function startJobProcess(request: JobRequest, onMessage: (message: JobMessage) => void = () => {}): JobChild {
  const child = fork(siblingModule(import.meta, '../train/job-process'), {
    // Numbers that are not finite survive.
    serialization: 'advanced',
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let last: JobOutcome | undefined
  let output = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => { output = (output + text).slice(-outputTail) })
  child.on('message', (message: JobMessage) => {
    if (message.type === 'event' || message.type === 'checkpoint') onMessage(message)
    else last = message
  })
  // A failed start is told by `close`, too; a channel that closes early by the process's end.
  child.on('error', (error) => { output += error.message })
  const ended = new Promise<JobOutcome>((resolve) => {
    child.on('close', (code, signal) => { resolve(last ?? { type: 'died', code, signal, output }) })
  })
  child.send(request, () => {})
  return {
    pid: child.pid,
    ended,
    stop: (request) => { if (child.connected) child.send({ type: 'stop', request } satisfies StopCommand, () => {}) },
    kill: () => { child.kill('SIGKILL') },
  }
}
