import type { Located } from '../data/read.ts'
import { renderPrompt, type RenderOptions } from '../data/render.ts'
import type { PromptRow } from '../data/rows.ts'
import { messageOf, nearest, UserError } from '../errors.ts'
import type { GenerateRequest } from '../generate/completion.ts'
import type { LoadedModel } from '../generate/model.ts'
import { Random } from '../random.ts'
import type { Grade, Grader } from './graders/index.ts'

/** Completions that are generated at once. */
const BATCH = 32

/** Rows that are answered at once. */
export function rowsOfBatch(samples: number): number {
  return Math.max(1, Math.floor(BATCH / samples))
}

/** A completion and what it is worth. */
export interface GradedCompletion extends Grade {
  readonly output: string
  readonly finishReason: 'stop' | 'length'
  /** Generated tokens, the end token included. */
  readonly tokens: number
}

export interface GradeModelOptions {
  /** How each completion is made; `seed` is that of the whole evaluation. */
  readonly sampling: Omit<GenerateRequest, 'prompt' | 'samples'>
  /** Completions of each row; 1 unless given. */
  readonly samples?: number
  readonly rendering?: RenderOptions
  /** Rows at the beginning that were answered before, whole batches of them: they are passed over; 0 unless given. */
  readonly from?: number
  /** Hears of the rows that are graded so far. */
  readonly onRows?: (rows: readonly (readonly GradedCompletion[])[]) => void
}

/**
 * Lets a model answer each row's prompt and grades the answers.
 * @returns for each row, from `from` on, the grades of its completions
 * @throws UserError, before anything is generated, for the first row whose prompt the model cannot take
 */
export async function gradeModel(
  model: Pick<LoadedModel, 'config' | 'tokenizer' | 'generate'>,
  rows: readonly Located<PromptRow>[],
  grader: Grader,
  { sampling, samples = 1, rendering = {}, from = 0, onRows }: GradeModelOptions,
): Promise<GradedCompletion[][]> {
  const prompts = rows.map(row => renderLocated(row, model, rendering))
  const perBatch = rowsOfBatch(samples)
  const graded: GradedCompletion[][] = []
  for (let at = from; at < rows.length; at += perBatch) {
    const chunk = rows.slice(at, at + perBatch)
    const completions = await model.generate(chunk.map((_, i) => ({
      ...sampling, prompt: prompts[at + i]!, samples, seed: new Random(sampling.seed ?? 0, at + i).uint32(),
    })))
    const grades = await grader.grade(completions.map(({ text }, i) => ({ item: chunk[Math.floor(i / samples)]!.row, output: text })))
    const answers = completions.map(({ text, finishReason, usage }, i): GradedCompletion =>
      ({ ...grades[i]!, output: text, finishReason, tokens: usage.completionTokens }))
    chunk.forEach((_, i) => { graded.push(answers.slice(i * samples, (i + 1) * samples)) })
    onRows?.(graded)
  }
  return graded
}

/** Throws a UserError for the first row that lacks a field which the grader's templates read. */
export function checkFields(rows: readonly Located<PromptRow>[], fields: readonly string[]): void {
  for (const { where, row } of rows) {
    const missing = fields.find(field => !Object.hasOwn(row, field))
    if (missing === undefined) continue
    const known = Object.keys(row)
    const slip = nearest(missing, known)
    throw new UserError(
      `${where}: the row has no field "${missing}", which the grader reads as {{item.${missing}}}; ` +
        (slip === undefined ? `its fields are ${known.join(', ')}.` : `did you mean "${slip}"?`),
      { exitCode: 2 },
    )
  }
}

function renderLocated({ row, where }: Located<PromptRow>, { tokenizer, config }: Pick<LoadedModel, 'tokenizer' | 'config'>, rendering: RenderOptions): number[] {
  try {
    const ids = [...renderPrompt(row.prompt, tokenizer, rendering)]
    if (ids.length < config.maxPositions) return ids
    throw new UserError(`the prompt has ${ids.length} tokens, which leaves no room in the model's context of ${config.maxPositions}. Shorten it`)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    throw new UserError(`${where}: ${messageOf(error)}`, { exitCode: 2, cause: error })
  }
}
