/** The rows of a run as work: a sample of them rendered and packed as training does it. */
import { packTrees } from '../data/pack.ts'
import { answerTree, type RenderedTree } from '../data/tree.ts'
import { Random } from '../random.ts'
import { shapeOf, type BatchShape } from './work.ts'

/** Rows of a data set, by a sample of them. */
export interface RowSample {
  /** Rows of an epoch. */
  readonly rows: number
  /** Some of them, or all, as training renders and cuts them. */
  readonly trees: readonly RenderedTree[]
}

/** Steps of which the work is counted; the others are like them. */
const countedSteps = 24

/** Batches of `batch` trees as steps would take them. */
export function sampledSteps({ trees }: RowSample, batch: number, seed = 0): RenderedTree[][] {
  const order = new Random(seed, 0).shuffle(trees.map((_, i) => i))
  const size = Math.min(batch, order.length)
  const steps = Math.max(1, Math.min(countedSteps, Math.floor(order.length / size)))
  return Array.from({ length: steps }, (_, step) => order.slice(step * size, (step + 1) * size).map((row) => trees[row]!))
}

export function shapesOf(trees: readonly RenderedTree[], options: Parameters<typeof packTrees>[1]): BatchShape[] {
  return packTrees(trees, options).map(shapeOf)
}

/** Prompts with answers of a given length: what a step learns from where answers are sampled. */
export function withAnswers(prompts: readonly RenderedTree[], groupSize: number, tokens: number): RenderedTree[] {
  const answers = Array.from({ length: groupSize }, () => new Int32Array(tokens))
  return prompts.map(({ stem }) => answerTree(stem.ids, answers))
}

/** Tokens of whole trees, as a run counts those it trains on. */
export function tokensOf(trees: readonly RenderedTree[]): number {
  return trees.reduce((sum, { stem, branches }) => sum + stem.ids.length + branches.reduce((of, { ids }) => of + ids.length, 0), 0)
}
