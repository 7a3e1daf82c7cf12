import type { GradedSample, NamedGrader, OpenedGrader, Score } from './grader.ts'

/**
 * A grader made of others: `total` makes a number of their scores. Where one of them is null, so is the whole.
 * The scores of a part's own parts are named `part/inner`.
 */
export async function openCombined(
  parts: readonly NamedGrader[],
  total: (scores: Readonly<Record<string, number>>) => number,
): Promise<OpenedGrader> {
  const opened: { readonly name: string; readonly grader: OpenedGrader }[] = []
  const close = async () => { await Promise.all(opened.map(async ({ grader }) => grader.close?.())) }
  try {
    for (const part of parts) opened.push({ name: part.name, grader: await part.open() })
  } catch (error) {
    await close()
    throw error
  }
  return {
    async score(samples: readonly GradedSample[]): Promise<Score[]> {
      const columns = await Promise.all(opened.map(async ({ name, grader }) => ({ name, scores: await grader.score(samples) })))
      return samples.map((_, i) => combine(columns.map(({ name, scores }) => ({ name, score: scores[i]! })), total))
    },
    close,
  }
}

/** Names of the components of a grader made of `parts`. */
export function componentNames(parts: readonly NamedGrader[]): string[] {
  return parts.flatMap(({ name, parts: inner = [] }) => [name, ...inner.map(part => `${name}/${part}`)])
}

function combine(
  scores: readonly { readonly name: string; readonly score: Score }[],
  total: (scores: Readonly<Record<string, number>>) => number,
): Score {
  const parts = Object.fromEntries(scores.flatMap(({ name, score }) => [
    [name, score.value] as const,
    ...Object.entries(score.parts ?? {}).map(([inner, value]) => [`${name}/${inner}`, value] as const),
  ]))
  const missing = scores.find(({ score }) => score.value === null)
  if (missing !== undefined) return { value: null, reason: `${missing.name}: ${missing.score.reason ?? 'no score'}`, parts }
  const value = total(Object.fromEntries(scores.map(({ name, score }) => [name, score.value!])))
  return Number.isFinite(value) ? { value, parts } : { value: null, reason: `the formula gives ${value}`, parts }
}
