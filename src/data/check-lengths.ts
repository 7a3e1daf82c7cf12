/** What rows come to in tokens, and what `maxLength` leaves of them. */
import { UserError } from '../errors.ts'
import type { Tokenizer } from '../models/tokenizer/tokenizer.ts'
import type { AnyRow, Finding } from './check-texts.ts'
import type { DataKind, DataKindName } from './kinds.ts'
import type { Located } from './read.ts'
import type { RenderOptions, RenderedRow } from './render.ts'
import { truncateTree, type RenderedTree } from './tree.ts'

/** Tokens of the rows as they are trained, after `maxLength`. */
export interface TokenStatistics {
  readonly total: number
  /** Of these, the ones that carry loss. */
  readonly loss: number
  /** Tokens of one row before `maxLength`: of its longer answer, the prompt included. */
  readonly shortest: number
  readonly median: number
  /** Nineteen rows of twenty are not longer. */
  readonly percentile95: number
  readonly longest: number
  readonly histogram: LengthHistogram
  /** By part of the rows: prompt, completion, chosen, rejected; thumbs up and down apart. Empty for conversations. */
  readonly parts: Readonly<Record<string, PartStatistics>>
  /** Of pairs: the share in which the chosen answer is the longer one, those of equal length half. */
  readonly chosenLonger?: number
}

/** Rows by their length before `maxLength`: `rows[i]` have more than `i * width` tokens, and at most `(i + 1) * width`. */
export interface LengthHistogram {
  readonly width: number
  readonly rows: readonly number[]
}

/** Tokens of one part of the rows, before `maxLength`. */
export interface PartStatistics {
  readonly mean: number
  readonly longest: number
}

export interface LengthOptions extends RenderOptions {
  readonly maxLength?: number
}

/** Renders rows as training does and keeps count of their tokens. */
export class LengthCheck {
  truncated = 0
  /** Rows that are left out. */
  dropped = 0
  readonly #kind: DataKindName
  readonly #render: DataKind<AnyRow>['render']
  readonly #tokenizer: Tokenizer
  readonly #options: LengthOptions
  readonly #lengths: number[] = []
  readonly #parts = new Map<string, number[]>()
  #chosenLonger = 0
  #total = 0
  #loss = 0

  constructor(name: DataKindName, { render }: DataKind<AnyRow>, tokenizer: Tokenizer, options: LengthOptions) {
    this.#kind = name
    this.#render = render
    this.#tokenizer = tokenizer
    this.#options = options
  }

  check({ where, row }: Located<AnyRow>): Finding[] {
    const { maxLength = Infinity } = this.#options
    let whole: RenderedTree
    try {
      whole = this.#render(row, this.#tokenizer, this.#options)
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      return [{ where, severity: 'error', problem: error.message }]
    }
    this.#lengths.push(lengthOf(whole))
    this.#countParts(row, whole)
    const cut = truncateTree(whole, maxLength)
    const problem = cut === whole ? undefined : this.#cutText(whole, cut)
    if (isUsable(whole, cut)) {
      this.#total += cut.stem.ids.length + sum(cut.branches, ({ ids }) => ids.length)
      this.#loss += lossOf(cut)
    } else this.dropped++
    if (cut !== whole) this.truncated++
    return problem === undefined ? [] : [{ where, severity: 'warning', problem }]
  }

  /** Undefined where no row could be rendered. */
  statistics(): TokenStatistics | undefined {
    const sorted = this.#lengths.toSorted((a, b) => a - b)
    if (sorted.length === 0) return undefined
    const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!
    const parts = [...this.#parts].map(([name, lengths]) =>
      [name, { mean: sum(lengths, (length) => length) / lengths.length, longest: lengths.reduce((a, b) => Math.max(a, b)) }] as const)
    return {
      total: this.#total,
      loss: this.#loss,
      shortest: at(0),
      median: at(0.5),
      percentile95: at(0.95),
      longest: at(1),
      histogram: histogramOf(sorted),
      parts: Object.fromEntries(parts),
      ...(this.#kind === 'pairs' ? { chosenLonger: this.#chosenLonger / sorted.length } : {}),
    }
  }

  #countParts(row: AnyRow, { stem, branches }: RenderedTree): void {
    if (this.#kind === 'sft') return
    this.#count('prompt', stem.ids.length)
    const names = { pairs: ['chosen', 'rejected'], labelled: ['label' in row && row.label === true ? 'thumbs up' : 'thumbs down'], prompts: [] }[this.#kind]
    const lengths = branches.map(({ ids }) => ids.length)
    names.forEach((name, i) => { this.#count(name, lengths[i]!) })
    if (this.#kind === 'pairs') this.#chosenLonger += (Math.sign(lengths[0]! - lengths[1]!) + 1) / 2
  }

  #count(part: string, length: number): void {
    const lengths = this.#parts.get(part)
    if (lengths === undefined) this.#parts.set(part, [length])
    else lengths.push(length)
  }

  #cutText(whole: RenderedTree, cut: RenderedTree): string {
    const { maxLength = Infinity } = this.#options
    const [length, loss, kept] = [lengthOf(whole), lossOf(whole), lossOf(cut)]
    const head = `${length} tokens, cut to ${maxLength}`
    if (whole.branches.length === 0) return `the prompt has ${length} tokens, more than max_length ${maxLength}: the row is left out`
    if (kept === 0) return `${head}: all ${loss} that carry loss are lost, so the row is left out`
    if (!isUsable(whole, cut)) return `${head}: an answer is lost as a whole, so the row is left out`
    return `${head}: ${length - maxLength} are lost, ${loss === kept ? 'none of which carry loss' : `${loss - kept} of the ${loss} that carry loss among them`}`
  }
}

/** Few enough to be seen at a glance. */
const mostBins = 20

/** @param sorted lengths, the shortest first; at least one */
function histogramOf(sorted: readonly number[]): LengthHistogram {
  const longest = sorted.at(-1)!
  let width = 1
  while (width * mostBins < longest) width *= 2
  const rows = new Array<number>(Math.ceil(longest / width)).fill(0)
  for (const length of sorted) rows[Math.max(0, Math.ceil(length / width) - 1)]!++
  return { width, rows }
}

/** Whether training takes a row: of each answer something is left, and a prompt without one is whole (data/tree.ts). */
function isUsable(whole: RenderedTree, cut: RenderedTree): boolean {
  return whole.branches.length === 0 ? cut === whole : cut.branches.every(({ mask }) => mask.includes(1))
}

function lengthOf({ stem, branches }: RenderedTree): number {
  return stem.ids.length + Math.max(0, ...branches.map(({ ids }) => ids.length))
}

function lossOf({ branches }: RenderedTree): number {
  return sum(branches, ({ mask }: RenderedRow) => sum(mask, (carries) => carries))
}

function sum<Item>(items: Iterable<Item>, of: (item: Item) => number): number {
  let total = 0
  for (const item of items) total += of(item)
  return total
}
