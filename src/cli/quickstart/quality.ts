/** What a model's summaries of held-out complaints are worth: measured by the server, which keeps them for the Studio. */
import { setTimeout } from 'node:timers/promises'
import { UserError } from '../../errors.ts'
import { meanEstimate, meanOf, shareEstimate, type Estimate } from '../../evaluate/statistics.ts'
import type { WireEvaluation } from '../../server/routes/evaluations-wire.ts'
import type { Progress } from '../progress.ts'
import type { Client } from './client.ts'
import type { Complaint } from './desk.ts'
import { factPatterns, pointsGrader } from './points.ts'

/** A model's answers to the held-out complaints. */
export interface Answers {
  /** Of each complaint its summaries. */
  readonly texts: readonly (readonly string[])[]
  /** Points of each, 0 to 1. */
  readonly points: readonly (readonly number[])[]
  /** Summaries that did not end before the limit. */
  readonly cut: number
}

/** Intervals are at 95%, over complaints: bootstrap for points, Wilson for the share. */
export interface Quality {
  readonly answers: number
  readonly points: Estimate
  /** Share with all five points. */
  readonly flawless: Estimate
  /** Share that did not end before the limit. */
  readonly cut: number
}

/** Two summaries of each complaint; a complaint's seed is the same for every model. */
const complaints = { name: 'held-out complaints', grader: pointsGrader, sampling: { samples: 2, temperature: 0.7, max_tokens: 64, seed: 0 } } as const

/** The likeliest summary of each complaint, by its likeness to the chosen one; which of the two is likelier. */
const choices = { name: 'held-out choices', sampling: { samples: 1, temperature: 0, max_tokens: 64, seed: 0 } } as const

const pause = 250

/** Uploads the complaints that models are measured on, each with what its summaries must keep. @returns the file's id */
export async function uploadHeldOut(client: Client, heldOut: readonly Complaint[]): Promise<string> {
  const lines = heldOut.map(({ messages, facts }) => `${JSON.stringify({ prompt: messages, ...factPatterns(facts) })}\n`)
  return client.upload(Buffer.from(lines.join('')), 'heldout-complaints.jsonl')
}

/** Has the server measure a model. @param rows the id of the uploaded complaints @throws UserError where that fails */
export async function measureHeldOut(
  client: Client, model: string, rows: string, { label, progress }: { readonly label: string; readonly progress: Progress },
): Promise<Answers> {
  const { id } = await measured(client, { model, rows, ...complaints }, { label, progress })
  const answers = (await client.evaluationItems(id)).map((item) => item.answers)
  return {
    texts: answers.map((each) => each.map(({ text }) => text)),
    points: answers.map((each) => each.map(({ reward }) => reward ?? 0)),
    cut: answers.flat().filter(({ finish_reason: reason }) => reason === 'length').length,
  }
}

/**
 * Has the server measure a model on the choices that a dataset holds out.
 * @param dataset `dataset:NAME@VERSION` @returns the share in which the model finds the chosen summary likelier
 */
export async function measureChoices(
  client: Client, model: string, dataset: string, { label, progress }: { readonly label: string; readonly progress: Progress },
): Promise<Estimate> {
  const { result } = await measured(client, { model, rows: dataset, ...choices }, { label, progress })
  if (result?.preference_accuracy == null) throw new UserError(`${dataset} has no held-out pairs to measure ${label} on`)
  return result.preference_accuracy
}

/** The evaluation when it is over. @throws UserError where it fails */
async function measured(
  client: Client, request: { readonly model: string; readonly rows: string; readonly name: string }, { label, progress }: { readonly label: string; readonly progress: Progress },
): Promise<WireEvaluation> {
  let evaluation = await client.evaluate(request)
  while (evaluation.finished_at === null) {
    await setTimeout(pause, undefined, { signal: client.signal })
    evaluation = await client.evaluation(evaluation.id)
    const { done, total } = evaluation.progress
    if (total > 0) progress.update({ label: `${request.name}, ${label}`, done, total })
  }
  progress.end()
  if (evaluation.status !== 'succeeded') throw new UserError(`${label} could not be measured: ${evaluation.error ?? evaluation.status}`)
  return evaluation
}

export function qualityOf({ points, cut }: Answers): Quality {
  const answers = points.flat().length
  const flawless = points.flat().filter((value) => value === 1).length
  return {
    answers,
    points: meanEstimate(pointsByComplaint({ points })),
    flawless: shareEstimate(flawless / (answers / points.length), points.length),
    cut: cut / answers,
  }
}

/** The mean of each complaint's summaries: those of one complaint are not independent. */
export function pointsByComplaint({ points }: Pick<Answers, 'points'>): number[] {
  return points.map(meanOf)
}
