import type { WireRunDetail } from '../../../../src/server/routes/runs-wire.ts'

export interface GeneralLoss {
  /** Mean cross-entropy per token of the general questions, nats: of the model that the run began with, and of the one that it made. */
  readonly before: number
  readonly after: number
  /** After it by how much more, percent. */
  readonly rise: number
}

/** The general loss may rise by so much before an alias no longer moves by itself, percent. */
export const riseAllowed = 2

/** The first and the last time that a run measured the general questions; undefined where it did so only once. */
export function generalLossOf({ evaluations }: Pick<WireRunDetail, 'evaluations'>): GeneralLoss | undefined {
  const losses = evaluations.toSorted((a, b) => a.step - b.step).flatMap(({ metrics }) => metrics['general_loss'] ?? [])
  const [before, after] = [losses[0], losses.at(-1)]
  if (before === undefined || after === undefined || losses.length < 2) return undefined
  return { before, after, rise: (after / before - 1) * 100 }
}
