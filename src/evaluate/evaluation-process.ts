/**
 * The process of an evaluation: `fork` this module and send it one request. It ends by itself when that is done, and when its
 * parent is gone: the next one goes on where it was.
 */
import { constants, setPriority } from 'node:os'
import { UserError, messageOf } from '../errors.ts'
import type { EvaluationMessage, EvaluationRequest } from './evaluation.ts'
import { runEvaluation } from './evaluation-run.ts'

/** Resolves when the message has left the process. */
async function send(message: EvaluationMessage): Promise<void> {
  await new Promise<void>((resolve) => {
    if (process.connected) process.send!(message, undefined, undefined, () => { resolve() })
    else resolve()
  })
}

async function answer(request: EvaluationRequest): Promise<void> {
  try {
    // Messages arrive in the order in which they are sent.
    const result = await runEvaluation(request, (message) => { void send(message) })
    await send({ type: 'done', result })
  } catch (error) {
    const stack = error instanceof Error && !(error instanceof UserError) ? error.stack : undefined
    await send({ type: 'failed', message: messageOf(error), stack })
  }
  process.exit()
}

// Whoever is answered meanwhile comes first.
setPriority(constants.priority.PRIORITY_LOW)
// Ctrl-C reaches the whole group of a terminal; the server alone decides what becomes of its evaluations.
process.on('SIGINT', () => {})
process.once('disconnect', () => { process.exit() })
process.once('message', (request: EvaluationRequest) => { void answer(request) })
