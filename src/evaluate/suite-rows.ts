/** Rows of any kind as prompts to be answered and graded. */
import type { DataKindName } from '../data/kinds.ts'
import type { Located } from '../data/read.ts'
import type { LabelRow, PairRow, PromptRow, SftRow, Turns } from '../data/rows.ts'
import { Random } from '../random.ts'
import type { ItemMessage } from './evaluation.ts'

/** A row as it is asked and graded. */
export interface SuiteItem {
  /** The row's, in its dataset or its file. */
  readonly position: number
  readonly where: string
  /** What the grader reads as `{{item.x}}`: the prompt; `reference` where there is one; the row's own fields where it is a prompt's. */
  readonly row: PromptRow
  /** What the answer should have been. */
  readonly reference: string | null
  /** Where people preferred one of two answers. */
  readonly pair: PairRow | null
}

/** The grader of rows that say what the answer should have been. */
export const referenceGrader = {
  type: 'text_similarity', input: '{{sample.output_text}}', reference: '{{item.reference}}', evaluation_metric: 'rouge_l',
} as const

/** A row as an item of a suite; undefined where it holds no prompt. @param position its place among all rows */
export function itemOf(kind: DataKindName, { row, where }: Located<unknown>, position: number): SuiteItem | undefined {
  const item = (prompt: Turns, answer: Turns | undefined, pair: PairRow | null = null): SuiteItem => {
    const reference = answer === undefined ? null : textOf(answer)
    return { position, where, row: { prompt, ...(reference !== null && { reference }) }, reference, pair }
  }
  switch (kind) {
    case 'prompts': {
      const { reference } = row as PromptRow
      return { position, where, row: row as PromptRow, reference: typeof reference === 'string' ? reference : null, pair: null }
    }
    case 'pairs': return item((row as PairRow).prompt, (row as PairRow).chosen, row as PairRow)
    case 'labelled': {
      const { prompt, completion, label } = row as LabelRow
      return item(prompt, label ? completion : undefined)
    }
    case 'sft': return conversation(row as SftRow, item)
  }
}

/** The last turn of the assistant that is to be learned, and what came before it. */
function conversation(row: SftRow, item: (prompt: Turns, answer: Turns) => SuiteItem): SuiteItem | undefined {
  if (!('messages' in row)) return item(row.prompt, row.completion)
  const last = row.messages.findLastIndex(({ role, weight }) => role === 'assistant' && weight !== 0)
  return last <= 0 ? undefined : item(row.messages.slice(0, last), row.messages[last]!.content)
}

export interface Selection {
  readonly limit: number
  readonly seed: number
  /** Whether the model can answer a prompt. */
  readonly fits: (item: SuiteItem) => boolean
}

/**
 * The items of a suite, in the order of their positions. Of rows with the same prompt the first counts, since answers to one
 * prompt are not independent. Where there are more than the limit, which are taken depends on the seed and on each position
 * alone: deleted rows leave the others as they were.
 */
export function selectItems(items: readonly SuiteItem[], { limit, seed, fits }: Selection): SuiteItem[] {
  const byPrompt = Map.groupBy(items, ({ row }) => JSON.stringify(row.prompt))
  const lots = [...byPrompt.values()].map(([first]) => ({ item: first!, lot: new Random(seed, first!.position).uint32() }))
  const chosen: SuiteItem[] = []
  for (const { item } of lots.toSorted((a, b) => a.lot - b.lot)) {
    if (chosen.length === limit) break
    if (fits(item)) chosen.push(item)
  }
  return chosen.toSorted((a, b) => a.position - b.position)
}

/** A prompt as people read it. */
export function messagesOf(prompt: Turns): ItemMessage[] {
  return typeof prompt === 'string' ? [{ role: 'user', content: prompt }] : prompt.map(({ role, content }) => ({ role, content }))
}

function textOf(turns: Turns): string {
  return typeof turns === 'string' ? turns : turns.map(({ content }) => content).join('\n')
}
