/** What can be seen of rows without a model: what they say, and whether they say it twice or contradict each other. */
import type { Tokenizer } from '../models/tokenizer/tokenizer.ts'
import type { DataKindName } from './kinds.ts'
import type { Located } from './read.ts'
import type { LabelRow, PairRow, PromptRow, RowMessage, SftRow, Turns } from './rows.ts'

/** A row of any kind. */
export type AnyRow = SftRow | PairRow | LabelRow | PromptRow

/** Something about one row that its owner should know. */
export interface Finding {
  readonly where: string
  /** `error`: training refuses the file. `warning`: it goes on, perhaps not as meant. */
  readonly severity: 'error' | 'warning'
  readonly problem: string
}

/** Looks at rows one after another, in the order of the file, and remembers them. */
export class TextCheck {
  duplicates = 0
  /** Rows that say the opposite of one before them. */
  conflicts = 0
  readonly labels = { up: 0, down: 0 }
  readonly #kind: DataKindName
  readonly #tokenizer: Tokenizer | undefined
  /** Where each statement was first made. */
  readonly #said = new Map<string, string>()

  constructor(kind: DataKindName, tokenizer: Tokenizer | undefined) {
    this.#kind = kind
    this.#tokenizer = tokenizer
  }

  check({ where, row }: Located<AnyRow>): Finding[] {
    if (this.#kind === 'labelled') this.labels[(row as LabelRow).label ? 'up' : 'down']++
    const problems = [this.#emptyAnswer(row), this.#sidesAlike(row), this.#saidBefore(where, row), this.#typedControl(row)]
    return problems.flatMap((problem): Finding[] => (problem === undefined ? [] : [{ where, severity: 'warning', problem }]))
  }

  #emptyAnswer(row: AnyRow): string | undefined {
    const wanted = this.#kind === 'labelled' && !(row as LabelRow).label ? [] : wantedTexts(row, this.#kind)
    return wanted.some((text) => text.trim() === '') ? 'an assistant turn is empty: the model would learn to say nothing' : undefined
  }

  #sidesAlike(row: AnyRow): string | undefined {
    if (this.#kind !== 'pairs') return undefined
    const { chosen, rejected } = row as PairRow
    return keyOf(chosen) === keyOf(rejected) ? 'chosen and rejected differ in case and white space only' : undefined
  }

  /** Rows say the same where they differ in case and white space only. */
  #saidBefore(where: string, row: AnyRow): string | undefined {
    const key = keyOf(row)
    const same = this.#said.get(key)
    if (same !== undefined) {
      this.duplicates++
      return `says the same as ${same}`
    }
    const opposite = oppositeOf(row, this.#kind)
    const contradicted = opposite && this.#said.get(keyOf(opposite))
    this.#said.set(key, where)
    if (contradicted === undefined) return undefined
    this.conflicts++
    return this.#kind === 'pairs' ? `prefers the answer that ${contradicted} rejects` : `${contradicted} has the same answer with the other label`
  }

  /** Text in which the model's own control tokens are written out: often a conversation that was rendered twice. */
  #typedControl(row: AnyRow): string | undefined {
    const typed = allTexts(row, this.#kind).map((text) => this.#tokenizer?.findControl(text)).find((token) => token !== undefined)
    if (typed === undefined) return undefined
    return `the text has "${typed}" in it, which is trained as plain characters; the chat template adds control tokens by itself`
  }
}

function keyOf(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === 'string') return part.normalize('NFKC').toLowerCase().replaceAll(/\s+/g, ' ').trim()
    return isRecord(part) ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1))) : part
  })
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The row that contradicts this one; undefined where its kind knows none. */
function oppositeOf(row: AnyRow, kind: DataKindName): object | undefined {
  if (kind === 'labelled') return { ...row, label: !(row as LabelRow).label }
  if (kind !== 'pairs') return undefined
  const { chosen, rejected, ...rest } = row as PairRow
  return { ...rest, chosen: rejected, rejected: chosen }
}

/** What the model is to say. */
function wantedTexts(row: AnyRow, kind: DataKindName): string[] {
  const turns = { sft: answerOf, labelled: answerOf, pairs: (pair: AnyRow) => (pair as PairRow).chosen, prompts: () => [] }[kind](row)
  return typeof turns === 'string' ? [turns] : assistantTexts(turns)
}

function answerOf(row: AnyRow): Turns {
  return 'messages' in row ? row.messages as Turns : (row as LabelRow).completion
}

function assistantTexts(turns: readonly RowMessage[]): string[] {
  return turns.filter(({ role }) => role === 'assistant').map(({ content }) => content)
}

function allTexts(row: AnyRow, kind: DataKindName): string[] {
  const { messages, prompt, completion, chosen, rejected } = row as Partial<Record<string, Turns>>
  const parts = kind === 'prompts' ? [prompt] : [messages, prompt, completion, chosen, rejected]
  return parts.flatMap((part) => (part === undefined ? [] : typeof part === 'string' ? [part] : part.map(({ content }) => content)))
}
