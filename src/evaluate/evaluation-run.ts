/** An evaluation, in the process that carries it out. */
import { dataKindOf, dataKinds, type DataKind, type DataKindName } from '../data/kinds.ts'
import { readRows } from '../data/read.ts'
import { renderPrompt } from '../data/render.ts'
import type { PairRow } from '../data/rows.ts'
import { UserError } from '../errors.ts'
import { loadModel, type LoadedModel } from '../generate/model.ts'
import type { EvaluationMessage, EvaluationRequest, EvaluationResult, ItemGrades, MeasuredItem, SuiteFile } from './evaluation.ts'
import { summarizeItems } from './evaluation-summary.ts'
import { checkFields, gradeModel, rowsOfBatch, type GradedCompletion } from './grade-model.ts'
import { openGrader, type Grader } from './graders/index.ts'
import { scorePairs, type PairLogprobs } from './preference.ts'
import { itemOf, messagesOf, selectItems, type SuiteItem } from './suite-rows.ts'

/** Pairs that are scored at once. */
const pairBatch = 16

/**
 * Lets a model answer the prompts of a suite and grades the answers; `send` hears of them as they come.
 * @throws UserError where rows, grader or model cannot be used; it names the rows as the client knows them
 */
export async function runEvaluation(request: EvaluationRequest, send: (message: EvaluationMessage) => void): Promise<EvaluationResult> {
  const { kind, items } = await readItems(request.rows)
  const grader = await openGrader(request.grader)
  try {
    const gradable = gradableItems(items, grader, request.rows.name)
    const { model: ref, adapter, precision, threads, sampling, limit } = request
    await using model = await loadModel(ref, { adapter: adapter ?? undefined, precision, threads })
    const selected = selectItems(gradable, { limit, seed: sampling.seed, fits: fitting(model) })
    if (selected.length === 0) throw new UserError(`${request.rows.name}: none of its prompts fits the model's context and chat template`)
    const kept = isBeginning(request.measured, selected, sampling.samples) ? request.measured : []
    send({ type: 'planned', total: selected.length, kind, kept: kept.length })
    const preferred = kind === 'pairs' ? await preferences(model, selected) : undefined
    const { items: answered, error } = await answerItems(model, selected, kept.length, grader, request, send)
    const measured = [...kept, ...answered]
    if (measured.every(({ grades }) => grades.every(({ reward }) => reward === null))) {
      throw new UserError(`None of the answers could be graded${error === undefined ? '' : `: ${error}`}`)
    }
    return summarizeItems(measured, preferred)
  } finally {
    await grader.close()
  }
}

async function readItems({ path, name, kind: known, positions }: SuiteFile): Promise<{ readonly kind: DataKindName; readonly items: readonly SuiteItem[] }> {
  try {
    const kind = known ?? await dataKindOf(path)
    if (kind === undefined) throw new UserError(`${path}: no row has a known shape (docs/recipe.md)`)
    const rows = await readRows(path, (dataKinds[kind] as DataKind<unknown>).rows)
    return { kind, items: rows.flatMap((row, i) => itemOf(kind, row, positions?.[i] ?? i) ?? []) }
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    throw new UserError(error.message.replaceAll(path, name), { cause: error })
  }
}

/** The items that have what the grader compares with. */
function gradableItems(items: readonly SuiteItem[], grader: Grader, name: string): readonly SuiteItem[] {
  if (!grader.fields.includes('reference')) {
    checkFields(items, grader.fields)
    return items
  }
  const referenced = items.filter(({ row }) => Object.hasOwn(row, 'reference'))
  if (referenced.length === 0) throw new UserError(`${name}: no row says what the answer should be, which the grader compares with: give a grader that needs no reference`)
  checkFields(referenced, grader.fields)
  return referenced
}

/** Whether the model has a form and room for a prompt. */
function fitting({ tokenizer, config }: LoadedModel): (item: SuiteItem) => boolean {
  return ({ row }) => {
    try {
      return renderPrompt(row.prompt, tokenizer).length < config.maxPositions
    } catch (error) {
      if (error instanceof UserError) return false
      throw error
    }
  }
}

/** Of the pairs whose answers the model can read, whether it finds the chosen one likelier per token. */
async function preferences(model: LoadedModel, items: readonly SuiteItem[]): Promise<boolean[]> {
  const pairs = items.flatMap(({ pair }) => pair ?? [])
  const preferred: boolean[] = []
  for (let at = 0; at < pairs.length; at += pairBatch) {
    const scored = await scoreReadable(model, pairs.slice(at, at + pairBatch))
    preferred.push(...scored.map(({ chosen, chosenTokens, rejected, rejectedTokens }) => chosen / chosenTokens > rejected / rejectedTokens))
  }
  return preferred
}

/** An answer may be too long for the model, though its prompt is not: such a pair is left out. */
async function scoreReadable(model: LoadedModel, pairs: readonly PairRow[]): Promise<PairLogprobs[]> {
  try {
    return await scorePairs(model, pairs)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    if (pairs.length === 1) return []
    return (await Promise.all(pairs.map((pair) => scoreReadable(model, [pair])))).flat()
  }
}

/**
 * Whether what was measured is the beginning of what is to be: rows may have been deleted since. An answer depends on its place in
 * its batch, so batches have to be whole.
 */
function isBeginning(measured: readonly ItemGrades[], items: readonly SuiteItem[], samples: number): boolean {
  const isWhole = measured.length % rowsOfBatch(samples) === 0 || measured.length === items.length
  return isWhole && measured.every(({ position }, i) => items[i]?.position === position)
}

interface Answered {
  readonly items: readonly ItemGrades[]
  /** Why the first answer could not be graded, where it could not. */
  readonly error: string | undefined
}

/** @param from the items before it are passed over */
async function answerItems(
  model: LoadedModel, items: readonly SuiteItem[], from: number, grader: Grader, { sampling }: EvaluationRequest, send: (message: EvaluationMessage) => void,
): Promise<Answered> {
  const measured: MeasuredItem[] = []
  const { samples, temperature, max_tokens: maxTokens, seed } = sampling
  const graded = await gradeModel(model, items, grader, {
    sampling: { maxTokens, temperature, seed },
    samples,
    from,
    onRows: (graded) => {
      const fresh = graded.slice(measured.length).map((answers, i) => measuredItem(items[from + measured.length + i]!, answers))
      measured.push(...fresh)
      send({ type: 'items', items: fresh })
    },
  })
  return { items: measured.map(({ position, answers }) => ({ position, grades: answers })), error: graded[0]?.[0]?.error }
}

function measuredItem({ position, row, reference }: SuiteItem, answers: readonly GradedCompletion[]): MeasuredItem {
  return {
    position, reference,
    prompt: messagesOf(row.prompt),
    answers: answers.map(({ output, reward, components, finishReason }) => ({ text: output, reward, components, finish_reason: finishReason })),
  }
}
