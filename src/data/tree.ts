import { UserError, messageOf } from '../errors.ts'
import type { Tokenizer } from '../models/tokenizer/tokenizer.ts'
import type { Located } from './read.ts'
import { renderPrompt, renderRow, truncateRow, type RenderOptions, type RenderedRow } from './render.ts'
import type { LabelRow, PairRow, SftRow } from './rows.ts'

/**
 * What is computed together: tokens that several sequences begin with, and their different ends. The stem of a
 * preference pair or of a group of answers is its prompt, which is so computed once; a row alone is a single branch.
 */
export interface RenderedTree {
  /** May be empty. Its mask marks the tokens of the prompt that carry loss. */
  readonly stem: RenderedRow
  /** At least one. Token 0 of a branch follows the last token of the stem. */
  readonly branches: readonly RenderedRow[]
}

const emptyRow: RenderedRow = { ids: new Int32Array(0), mask: new Uint8Array(0) }

/** A row that shares nothing. */
export function asTree(row: RenderedRow): RenderedTree {
  return { stem: emptyRow, branches: [row] }
}

/** A prompt with answers to it, every token of which carries loss. */
export function answerTree(prompt: Int32Array, answers: readonly ArrayLike<number>[]): RenderedTree {
  return {
    stem: { ids: prompt, mask: new Uint8Array(prompt.length) },
    branches: answers.map(answer => ({ ids: Int32Array.from(answer), mask: new Uint8Array(answer.length).fill(1) })),
  }
}

/** The sequences of a tree, each whole: the stem with each branch; the stem where it has none. */
export function sequencesOf({ stem, branches }: RenderedTree): RenderedRow[] {
  if (branches.length === 0) return [stem]
  return branches.map(({ ids, mask }) => ({ ids: Int32Array.of(...stem.ids, ...ids), mask: Uint8Array.of(...stem.mask, ...mask) }))
}

export function renderSft(row: SftRow, tokenizer: Tokenizer, options: RenderOptions): RenderedTree {
  return asTree(renderRow(row, tokenizer, options))
}

/** The branches of a pair, in their order. */
export const sides = ['chosen', 'rejected'] as const

/** Branches: the chosen answer, the rejected one. */
export function renderPair({ prompt, chosen, rejected }: PairRow, tokenizer: Tokenizer, options: RenderOptions): RenderedTree {
  const answers = [chosen, rejected].map(completion => renderRow({ prompt, completion }, tokenizer, options))
  const length = answers[0]!.mask.indexOf(1)
  return answerTree(answers[0]!.ids.slice(0, length), answers.map(({ ids }) => ids.subarray(length)))
}

/** The prompt and its one answer. */
export function renderLabelled({ prompt, completion }: LabelRow, tokenizer: Tokenizer, options: RenderOptions): RenderedTree {
  const { ids, mask } = renderRow({ prompt, completion }, tokenizer, options)
  const length = mask.indexOf(1)
  return answerTree(ids.slice(0, length), [ids.subarray(length)])
}

/** A prompt whose answers are yet to be sampled: a stem alone. */
export function renderQuestion({ prompt }: { readonly prompt: LabelRow['prompt'] }, tokenizer: Tokenizer, options: RenderOptions): RenderedTree {
  return answerTree(renderPrompt(prompt, tokenizer, options), [])
}

/** The first `maxLength` tokens of every sequence of a tree; the tree itself where none is longer. */
export function truncateTree(tree: RenderedTree, maxLength: number): RenderedTree {
  const longest = tree.stem.ids.length + Math.max(0, ...tree.branches.map(({ ids }) => ids.length))
  if (longest <= maxLength) return tree
  const stem = truncateRow(tree.stem, maxLength)
  return { stem, branches: tree.branches.map(branch => truncateRow(branch, maxLength - stem.ids.length)) }
}

/** Rows ready to train on, and what became of those that are not among them. */
export interface RenderedTrees<Row> {
  readonly trees: readonly RenderedTree[]
  /** What each of `trees` was made of, and where it came from. */
  readonly sources: readonly Located<Row>[]
  /** Rows that lost an end to `maxLength`, dropped ones included. */
  readonly truncated: readonly string[]
  /** Rows left out: of an answer `maxLength` cut away every token that carries loss, or a prompt alone is longer. */
  readonly dropped: readonly string[]
}

/** How rows of a kind become token ids. */
export type Render<Row> = (row: Row, tokenizer: Tokenizer, options: RenderOptions) => RenderedTree

/**
 * Renders rows and cuts their sequences to `maxLength` tokens, keeping the start. A prompt without an answer is never
 * cut, for the model would answer another question: it is left out where it is too long.
 * Throws a UserError that names the first row that cannot be rendered, or where no row is left.
 */
export function renderTrees<Row>(
  rows: readonly Located<Row>[],
  render: Render<Row>,
  tokenizer: Tokenizer,
  options: RenderOptions & { readonly maxLength: number },
): RenderedTrees<Row> {
  const trees: RenderedTree[] = []
  const sources: Located<Row>[] = []
  const truncated: string[] = []
  const dropped: string[] = []
  for (const source of rows) {
    const whole = renderLocated(source, render, tokenizer, options)
    const cut = truncateTree(whole, options.maxLength)
    const isPrompt = whole.branches.length === 0
    if (cut !== whole && !isPrompt) truncated.push(source.where)
    const usable = isPrompt ? cut === whole : cut.branches.every(({ mask }) => mask.includes(1))
    if (usable) {
      trees.push(cut)
      sources.push(source)
    } else dropped.push(source.where)
  }
  if (trees.length === 0) {
    const what = truncated.length > 0 ? 'every token that carries loss from every row' : 'into the prompt of every row'
    throw new UserError(
      `max_length ${options.maxLength} cuts ${what} ` +
        `(${rows.length} in all, the first is ${dropped[0] ?? 'missing'}). Raise max_length or shorten the prompts.`,
      { exitCode: 2 },
    )
  }
  return { trees, sources, truncated, dropped }
}

function renderLocated<Row>({ row, where }: Located<Row>, render: Render<Row>, tokenizer: Tokenizer, options: RenderOptions): RenderedTree {
  try {
    return render(row, tokenizer, options)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    throw new UserError(`${where}: ${messageOf(error)}`, { exitCode: 2, cause: error })
  }
}
