/** Whether a job's adapter does better than the one in use: measured at the job's end, in its process. */
import { readRows, type Located } from '../data/read.ts'
import { dataKinds, type DataKind, type DataKindName } from '../data/kinds.ts'
import type { LabelRow, PromptRow } from '../data/rows.ts'
import { renderTrees, sequencesOf, type RenderedTree } from '../data/tree.ts'
import { gradeModel } from '../evaluate/grade-model.ts'
import { openGrader } from '../evaluate/graders/index.ts'
import { meanEstimate, meanOf, type Estimate } from '../evaluate/statistics.ts'
import { loadModel, type LoadedModel } from '../generate/model.ts'
import type { Precision } from '../models/graph/parts.ts'
import { methods } from '../methods/index.ts'
import { generalRows } from './evaluator.ts'
import { methodSettings, type Recipe } from './recipe.ts'
import { renderOptions } from './training-data.ts'

/** What is compared, by the kind of the held-out rows. */
export const measures = {
  sft: 'log-probability per token of the held-out answers',
  pairs: 'margin between the chosen and the rejected answer, log-probabilities',
  labelled: 'log-probability per token of answers with a thumb up, its negative of those with a thumb down',
  prompts: 'reward of the likeliest answer',
} as const satisfies Record<DataKindName, string>

/** The candidate's figures less those of the adapter in use. */
export interface Comparison {
  readonly measure: (typeof measures)[DataKindName]
  /** Held-out prompts; of several rows of one prompt the mean is taken, since they are not independent. */
  readonly prompts: number
  /** Mean change over prompts with its 95% bootstrap interval; above 0 is better. */
  readonly preference: Estimate
  /** Mean cross-entropy per token of the general set, nats: under the adapter in use, and under the candidate. */
  readonly generalLoss: { readonly before: number; readonly after: number }
}

export interface ComparisonRequest {
  /** As it was carried out; its `eval` names the held-out rows. */
  readonly recipe: Recipe & { readonly eval: string }
  /** Folder of the adapter in use; null: the base alone. */
  readonly incumbent: string | null
  readonly candidate: string
}

/** Measures both adapters on the held-out rows and the general set, one after the other. */
export async function compareAdapters({ recipe, incumbent, candidate }: ComparisonRequest): Promise<Comparison> {
  const kindName = methods[recipe.method]!.rows
  const kind = dataKinds[kindName] as DataKind<unknown>
  const rows = await readRows(recipe.eval, kind.rows)
  const before = await measure(recipe, kindName, kind, rows, incumbent)
  const after = await measure(recipe, kindName, kind, rows, candidate)
  const changes = before.values.flatMap((value, i) => {
    const change = after.values[i]! - value
    return Number.isFinite(change) ? [{ prompt: before.prompts[i]!, change }] : []
  })
  const byPrompt = [...Map.groupBy(changes, ({ prompt }) => prompt).values()]
  return {
    measure: measures[kindName],
    prompts: byPrompt.length,
    preference: meanEstimate(byPrompt.map((group) => meanOf(group.map(({ change }) => change)))),
    generalLoss: { before: before.generalLoss, after: after.generalLoss },
  }
}

interface Measured {
  /** One for each row; NaN where there is none. */
  readonly values: readonly number[]
  /** The rows' prompts: equal keys, equal prompts. */
  readonly prompts: readonly string[]
  readonly generalLoss: number
}

async function measure(
  recipe: Recipe, kindName: DataKindName, kind: DataKind<unknown>, rows: readonly Located<unknown>[], adapter: string | null,
): Promise<Measured> {
  const { model: ref, base, device, threads } = recipe
  await using model = await loadModel(ref, { adapter: adapter ?? undefined, precision: base.precision as Precision, device, threads })
  const rendering = { ...renderOptions(recipe, model.config), maxLength: recipe.max_length }
  const general = await generalRows(model.tokenizer, rendering, recipe.max_length)
  const generalLoss = lossOf((await answersOf(model, general)).flat())
  const { trees, sources } = renderTrees(rows, kind.render, model.tokenizer, rendering)
  const prompts = trees.map(({ stem }, i) => (stem.ids.length === 0 ? `row ${i}` : stem.ids.join()))
  if (kindName === 'prompts') return { values: await rewards(recipe, model, sources as Located<PromptRow>[]), prompts, generalLoss }
  const answers = await answersOf(model, trees)
  const values = answers.map((row, i) => valueOf(kindName, row, sources[i]!.row))
  return { values, prompts, generalLoss }
}

/** What of an answer carries loss. */
interface Answer {
  /** Sum of log-probabilities, nats. */
  readonly logprob: number
  readonly tokens: number
}

/** Of each tree, its branches' answers. */
async function answersOf(model: LoadedModel, trees: readonly RenderedTree[]): Promise<Answer[][]> {
  const sequences = trees.map(sequencesOf)
  const logprobs = await model.score(sequences.flat().map(({ ids }) => ({ ids: [...ids] })))
  let at = 0
  return sequences.map((rows) => rows.map(({ mask }) => {
    const values = logprobs[at++]!
    let [logprob, tokens] = [0, 0]
    for (let i = 0; i < values.length; i++) {
      if (mask[i + 1] === 0) continue
      logprob += values[i]!
      tokens += 1
    }
    return { logprob, tokens }
  }))
}

function lossOf(answers: readonly Answer[]): number {
  const total = (of: (answer: Answer) => number): number => answers.reduce((sum, answer) => sum + of(answer), 0)
  return -total(({ logprob }) => logprob) / total(({ tokens }) => tokens)
}

function valueOf(kind: Exclude<DataKindName, 'prompts'>, answers: readonly Answer[], row: unknown): number {
  const [first, second] = answers
  const perToken = first!.logprob / first!.tokens
  switch (kind) {
    case 'pairs': return first!.logprob - second!.logprob
    case 'labelled': return (row as LabelRow).label ? perToken : -perToken
    case 'sft': return perToken
  }
}

async function rewards(recipe: Recipe, model: LoadedModel, rows: readonly Located<PromptRow>[]): Promise<number[]> {
  const { reward, max_new_tokens: maxTokens } = methodSettings(recipe) as { readonly reward: unknown; readonly max_new_tokens: number }
  const grader = await openGrader(reward)
  try {
    const graded = await gradeModel(model, rows, grader, { sampling: { maxTokens, temperature: 0 }, rendering: renderOptions(recipe, model.config) })
    return graded.map(([answer]) => answer!.reward ?? NaN)
  } finally {
    await grader.close()
  }
}
