/** What a model's summaries of held-out complaints are worth. */
import { meanEstimate, meanOf, shareEstimate, type Estimate } from '../../evaluate/statistics.ts'
import type { Progress } from '../progress.ts'
import type { Client } from './client.ts'
import { concurrently } from './concurrently.ts'
import { points, type Complaint } from './desk.ts'

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

const width = 8
const samples = 2

/** Asks for two summaries of each complaint; a complaint's seed is the same for every model. */
export async function answerHeldOut(
  client: Client, model: string, complaints: readonly Complaint[], { label, progress }: { readonly label: string; readonly progress: Progress },
): Promise<Answers> {
  let done = 0
  const completions = await concurrently(complaints, width, async ({ messages }, i) => {
    const completion = await client.ask({
      // A measurement is no traffic: it is not stored.
      model, messages, n: samples, temperature: 0.7, max_completion_tokens: 64, seed: i, store: false,
    })
    progress.update({ label: `held-out complaints, ${label}`, done: ++done, total: complaints.length })
    return completion
  })
  progress.end()
  const texts = completions.map(({ choices }) => choices.map(({ message }) => message.content ?? ''))
  return {
    texts,
    points: texts.map((answers, i) => answers.map((text) => points(text, complaints[i]!))),
    cut: completions.flatMap(({ choices }) => choices).filter(({ finish_reason: reason }) => reason === 'length').length,
  }
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
