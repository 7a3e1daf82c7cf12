import { fork } from 'node:child_process'
import { siblingModule } from '../runtime/worker.ts'
import type { EvaluationMessage, EvaluationRequest } from '../evaluate/evaluation.ts'

/** How the process of an evaluation ended: with its last answer, or without one. */
export type EvaluationOutcome =
  | Extract<EvaluationMessage, { readonly type: 'done' | 'failed' }>
  | { readonly type: 'died'; readonly signal: NodeJS.Signals | null; readonly code: number | null; readonly output: string }

/** A process that carries out one evaluation. */
export interface EvaluationChild {
  /** Resolves when the process has ended; never rejects. */
  readonly ended: Promise<EvaluationOutcome>
  /** Ends it at once. */
  kill(): void
}

/** What it tells before its last answer. */
export type EvaluationNews = Exclude<EvaluationMessage, { readonly type: 'done' | 'failed' }>

/** How much of its error output is kept. */
const outputTail = 4000

/** Starts the process of an evaluation. */
export function startEvaluationProcess(request: EvaluationRequest, onNews: (message: EvaluationNews) => void): EvaluationChild {
  const child = fork(siblingModule(import.meta, '../evaluate/evaluation-process'), {
    serialization: 'advanced',
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let last: EvaluationOutcome | undefined
  let output = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => { output = (output + text).slice(-outputTail) })
  child.on('message', (message: EvaluationMessage) => {
    if (message.type === 'done' || message.type === 'failed') last = message
    else onNews(message)
  })
  // A failed start is told by `close`, too.
  child.on('error', (error) => { output += error.message })
  const ended = new Promise<EvaluationOutcome>((resolve) => {
    child.on('close', (code, signal) => { resolve(last ?? { type: 'died', code, signal, output }) })
  })
  child.send(request, () => {})
  return { ended, kill: () => { child.kill('SIGKILL') } }
}
