import type { EvaluationMessage, EvaluationRequest } from '../evaluate/evaluation.ts'
import { siblingModule } from '../runtime/worker.ts'
import { startChild, type Child, type Death } from './child-process.ts'

type LastMessage = Extract<EvaluationMessage, { readonly type: 'done' | 'failed' }>

/** How the process of an evaluation ended: with its last answer, or without one. */
export type EvaluationOutcome = LastMessage | Death

/** What it tells before its last answer. */
export type EvaluationNews = Exclude<EvaluationMessage, LastMessage>

/** A process that carries out one evaluation. */
export type EvaluationChild = Pick<Child<LastMessage>, 'ended' | 'kill'>

/** Starts the process of an evaluation. */
export function startEvaluationProcess(request: EvaluationRequest, onNews: (message: EvaluationNews) => void): EvaluationChild {
  const isLast = (message: EvaluationMessage): message is LastMessage => message.type === 'done' || message.type === 'failed'
  return startChild(siblingModule(import.meta, '../evaluate/evaluation-process'), request, isLast, onNews)
}
