/** A row as training sees it, for people to read: stretches of text, and which of them carry loss. */
import type { Tokenizer } from '../models/tokenizer/tokenizer.ts'
import type { AnyRow } from './check-texts.ts'
import { dataKinds, type DataKind, type DataKindName } from './kinds.ts'
import type { RenderOptions, RenderedRow } from './render.ts'
import { sides, truncateTree, type RenderedTree } from './tree.ts'

/** Neighbouring tokens of which the same is true. A control token stands by itself. */
export interface TokenRun {
  readonly text: string
  /** How many tokens the text is. */
  readonly tokens: number
  readonly loss: boolean
  readonly control: boolean
  /** Beyond `maxLength`: training never sees it, whether it would carry loss or not. */
  readonly cut: boolean
}

export type PartName = 'conversation' | 'prompt' | 'answer' | (typeof sides)[number]

export interface RowPart {
  readonly name: PartName
  readonly tokens: number
  readonly runs: readonly TokenRun[]
}

export interface RowView {
  /** What several answers begin with comes first, once. */
  readonly parts: readonly RowPart[]
  /** Tokens of the longest sequence, before `maxLength`. */
  readonly length: number
  /** Tokens that carry loss and are kept. */
  readonly loss: number
  /** Whether `maxLength` cuts an end off. */
  readonly truncated: boolean
  /** Whether training leaves the row out: an answer keeps no token that carries loss, or a prompt alone is too long. */
  readonly dropped: boolean
}

export interface ViewOptions extends RenderOptions {
  readonly maxLength: number
}

/**
 * A row by the tokens and the mask that training makes of it (tree.ts).
 * @throws UserError where it cannot be rendered
 */
export function viewRow(row: AnyRow, kind: DataKindName, tokenizer: Tokenizer, { maxLength, ...rendering }: ViewOptions): RowView {
  const { render } = dataKinds[kind] as DataKind<AnyRow>
  const whole = render(row, tokenizer, rendering)
  const kept = truncateTree(whole, maxLength)
  const parts = partsOf(whole, kind).map(({ name, tokens }, i) => {
    const length = partsOf(kept, kind)[i]!.tokens.ids.length
    return { name, tokens: tokens.ids.length, runs: runsOf(tokens, length, tokenizer) }
  })
  return {
    parts,
    length: whole.stem.ids.length + Math.max(0, ...whole.branches.map(({ ids }) => ids.length)),
    loss: kept.branches.reduce((sum, { mask }) => sum + mask.reduce((count, carries) => count + carries, 0), 0),
    truncated: kept !== whole,
    dropped: whole.branches.length === 0 ? kept !== whole : !kept.branches.every(({ mask }) => mask.includes(1)),
  }
}

/** The rendered pieces by their names: as many for the cut tree as for the whole one. */
function partsOf({ stem, branches }: RenderedTree, kind: DataKindName): { readonly name: PartName; readonly tokens: RenderedRow }[] {
  const names: readonly PartName[] = { sft: ['conversation'], pairs: sides, labelled: ['answer'], prompts: [] }[kind] as readonly PartName[]
  const answers = branches.map((tokens, i) => ({ name: names[i]!, tokens }))
  return kind === 'sft' ? answers : [{ name: 'prompt', tokens: stem }, ...answers]
}

function runsOf({ ids, mask }: RenderedRow, kept: number, tokenizer: Tokenizer): TokenRun[] {
  const control = Array.from(ids, (id) => isControl(id, tokenizer))
  const alike = (a: number, b: number): boolean => !control[a] && !control[b] && mask[a] === mask[b] && a < kept === b < kept
  const runs: TokenRun[] = []
  for (let start = 0, end = 0; start < ids.length; start = end) {
    end = start + 1
    while (end < ids.length && alike(start, end)) end++
    runs.push({
      text: textOf(ids, start, end, tokenizer), tokens: end - start, loss: mask[start] === 1, control: control[start]!, cut: start >= kept,
    })
  }
  return runs
}

const controls = new WeakMap<Tokenizer, Map<number, boolean>>()

function isControl(id: number, tokenizer: Tokenizer): boolean {
  let known = controls.get(tokenizer)
  if (known === undefined) controls.set(tokenizer, known = new Map())
  let control = known.get(id)
  if (control === undefined) {
    control = tokenizer.decode([id]) === '' && tokenizer.decode([id], { control: true }) !== ''
    known.set(id, control)
  }
  return control
}

/** The text of tokens `start` to `end`, read after the one before them: some decoders drop the space that a text begins with. */
function textOf(ids: Int32Array, start: number, end: number, tokenizer: Tokenizer): string {
  const before = tokenizer.decode([...ids.subarray(Math.max(0, start - 1), start)], { control: true })
  const both = tokenizer.decode([...ids.subarray(Math.max(0, start - 1), end)], { control: true })
  return both.startsWith(before) ? both.slice(before.length) : tokenizer.decode([...ids.subarray(start, end)], { control: true })
}
