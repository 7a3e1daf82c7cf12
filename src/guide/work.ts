/** How much there is to compute, counted from the shapes of what runs. No time is in here: pace.ts has what a unit takes. */
import type { PackedBatch } from '../models/graph/forward.ts'
import type { ModelConfig } from '../models/config.ts'
import { linearModules, linearShape } from '../models/graph/decoder.ts'

/** Multiply-adds by the kernel that does them, and what else takes time. */
export interface Work {
  /** Of the blocks' linear layers, with frozen weights as they are stored. */
  readonly linear: number
  /** Of matrices in f32 whatever the base: adapters, the gradients of trained weights. */
  readonly dense: number
  /** Of the output head. */
  readonly head: number
  /** Scores of attention, over all heads and layers: each goes through two products and a softmax. */
  readonly scores: number
  /** Values of hidden states that operators between the products read or write. */
  readonly elements: number
  /** Weights of the base that pass through memory for a few rows: all of them for each token of decoding. */
  readonly weights: number
  /** Parameters that an optimizer step updates. */
  readonly updates: number
  /** Runs of a graph. */
  readonly runs: number
}

export const noWork: Work = { linear: 0, dense: 0, head: 0, scores: 0, elements: 0, weights: 0, updates: 0, runs: 0 }

export function addWork(...parts: readonly Work[]): Work {
  const keys = Object.keys(noWork) as (keyof Work)[]
  return Object.fromEntries(keys.map((key) => [key, parts.reduce((sum, part) => sum + part[key], 0)])) as unknown as Work
}

export function timesWork(work: Work, factor: number): Work {
  return Object.fromEntries(Object.entries(work).map(([key, value]: [string, number]) => [key, value * factor])) as unknown as Work
}

/** A model's sizes, and those of what is trained of it. */
export interface Sizes {
  readonly config: ModelConfig
  /** Weights of the blocks' linear layers. */
  readonly linear: number
  /** Weights of embedding and output head. */
  readonly embedding: number
  /** Weights of the output head: those of the embedding where they are tied. */
  readonly head: number
  /** Parameters of the adapter; 0 without one. */
  readonly adapter: number
  /** Σ (in + out) over adapted layers, times the rank: multiply-adds of an adapter for each position. */
  readonly lowRank: number
  /** All that is trained. */
  readonly trained: number
  /** Rank of DoRA's adapters, 0 of others: each run of a graph takes the norms of the adapted weights anew, by products of so many rows. */
  readonly normRows: number
}

export interface AdapterShape {
  readonly rank: number
  /** Full names of the adapted layers. */
  readonly modules: readonly string[]
  readonly dora?: boolean | undefined
}

/** @param adapter undefined: every weight is trained */
export function sizesOf(config: ModelConfig, adapter: AdapterShape | undefined): Sizes {
  const sum = (modules: readonly string[], of: (shape: readonly [number, number]) => number): number =>
    modules.reduce((total, module) => total + of(linearShape(config, module)), 0)
  const linear = sum(linearModules(config), ([outputs, inputs]) => outputs * inputs)
  const head = config.vocabSize * config.hiddenSize
  const embedding = config.tieEmbeddings ? head : 2 * head
  const lowRank = adapter === undefined ? 0 : adapter.rank * sum(adapter.modules, ([outputs, inputs]) => outputs + inputs)
  return { config, linear, embedding, head, adapter: lowRank, lowRank, trained: adapter === undefined ? linear + embedding : lowRank, normRows: adapter?.dora === true ? adapter.rank : 0 }
}

/** What of a packed batch says how much work it is. */
export interface BatchShape {
  readonly bins: number
  readonly length: number
  /** Positions that are scored. */
  readonly targets: number
}

export function shapeOf({ bins, length, targets }: PackedBatch): BatchShape {
  return { bins, length, targets: targets.labels.length }
}

/** Values of hidden states for each position and layer that norms, rotations, gates and residuals pass over. */
function elementsOf({ hiddenSize, intermediateSize, heads, headDim, layers }: ModelConfig): number {
  return layers * (6 * hiddenSize + 4 * intermediateSize + 2 * heads * headDim)
}

/** One run of a graph over a packed batch: forwards, or forwards and backwards. */
export function batchWork(sizes: Sizes, { bins, length, targets }: BatchShape, backward: boolean): Work {
  const { config, linear, head, lowRank, normRows } = sizes
  const positions = bins * length
  const full = lowRank === 0
  const passes = backward ? 3 : 1
  return {
    // Frozen weights have no gradient of their own.
    linear: (positions * (backward ? 2 : 1) + normRows) * linear,
    dense: positions * (backward && full ? linear : passes * lowRank) + (backward && full ? targets * head : 0),
    head: targets * head * (backward ? 2 : 1),
    scores: bins * length * length * config.heads * config.layers * passes,
    elements: positions * elementsOf(config) * passes,
    weights: normRows > 0 ? linear : 0,
    updates: 0,
    runs: 1,
  }
}

/** One optimizer step's clipping and update on the host. */
export function updateWork({ trained }: Sizes): Work {
  return { ...noWork, updates: trained }
}

/** Answers that are decoded side by side. */
export interface DecodeShape {
  readonly rows: number
  /** Tokens of a prompt, and of an answer on the mean. */
  readonly prompt: number
  readonly tokens: number
  /** Tokens of the longest answer: so often the graph runs. */
  readonly steps: number
}

export function decodeWork(sizes: Sizes, { rows, prompt, tokens, steps }: DecodeShape): Work {
  const { config, linear, head, lowRank } = sizes
  const positions = rows * tokens
  return {
    linear: positions * linear,
    dense: positions * lowRank,
    head: positions * head,
    scores: positions * (prompt + tokens / 2) * config.heads * config.layers,
    elements: positions * elementsOf(config),
    weights: steps * (linear + head),
    updates: 0,
    runs: steps,
  }
}
