/** What a method asks of its rows beyond their shape: checked before a run has a folder. */
import { UserError } from '../../errors.ts'
import type { LabelRow, PromptRow } from '../../data/rows.ts'
import { checkFields } from '../../evaluate/grade-model.ts'
import { checkGrader, type GraderOutline } from '../../evaluate/graders/index.ts'
import type { ModelConfig } from '../../models/config.ts'
import { methods } from '../../methods/index.ts'
import { methodSettings, type Recipe } from '../recipe.ts'
import type { RowSet, TrainingData } from '../training-data.ts'
import type { MethodFor } from './learning.ts'
import { graderOptions } from './reward-source.ts'

/** Throws a UserError that names the row or the key at fault. @returns warnings about what will be learned otherwise than meant */
export function checkRows(recipe: Recipe, data: TrainingData, config: ModelConfig): string[] {
  const method = methods[recipe.method]!
  const settings = methodSettings(recipe) as Record<string, unknown>
  switch (method.rows) {
    case 'prompts':
      checkQuestions(recipe, method.rollouts(settings), settings['reward'], data as TrainingData<PromptRow>, config)
      return []
    case 'labelled':
      return labelWarnings(data.rows as RowSet<LabelRow>, settings)
    default:
      return []
  }
}

function checkQuestions(
  recipe: Recipe,
  { maxNewTokens }: ReturnType<MethodFor<'prompts'>['rollouts']>,
  reward: unknown,
  { rows, heldOut }: TrainingData<PromptRow>,
  config: ModelConfig,
): void {
  const { fields } = outlineOf(reward, recipe)
  for (const set of [rows, heldOut].filter((it) => it !== undefined)) {
    checkFields(set.sources, fields)
    checkRoom(set, maxNewTokens, config.maxPositions)
  }
}

/** Reads the graders without opening them; their faults are named by their place in the recipe. */
function outlineOf(reward: unknown, recipe: Recipe): GraderOutline {
  try {
    return checkGrader(reward, graderOptions(recipe))
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    throw new UserError(error.message.replaceAll(/^grader\b/gm, `${recipe.method}.reward`), { exitCode: 2, cause: error })
  }
}

function checkRoom({ trees, sources }: RowSet, maxNewTokens: number, maxPositions: number): void {
  const row = trees.findIndex(({ stem }) => stem.ids.length + maxNewTokens > maxPositions)
  if (row === -1) return
  throw new UserError(
    `${sources[row]!.where}: the prompt has ${trees[row]!.stem.ids.length} tokens, which leaves no room for max_new_tokens ` +
      `(${maxNewTokens}) in the model's context of ${maxPositions}. Shorten it, or lower max_new_tokens or max_length.`,
    { exitCode: 2 },
  )
}

/** Beyond this factor between weight · count of the classes one of them is hardly heard (the paper wants 1 to 4/3). */
const tolerableImbalance = 2

function labelWarnings({ sources }: RowSet<LabelRow>, settings: Record<string, unknown>): string[] {
  const up = sources.filter(({ row }) => row.label).length
  const down = sources.length - up
  if (down === 0) {
    return [`all ${up} rows have label true: nothing says what to avoid. Add rows with label false, or train on these with method: sft`]
  }
  if (up === 0) return [`all ${down} rows have label false: nothing says what is wanted. Add rows with label true`]
  const [desirable, undesirable] = [settings['desirable_weight'] as number, settings['undesirable_weight'] as number]
  // A weight of 0 is meant.
  const ratio = desirable * undesirable === 0 ? 1 : (desirable * up) / (undesirable * down)
  if (ratio <= tolerableImbalance && ratio >= 1 / tolerableImbalance) return []
  const rounded = (value: number): number => Number(value.toPrecision(2))
  const remedy = ratio > 1
    ? `undesirable_weight: ${rounded((desirable * up) / down)}`
    : `desirable_weight: ${rounded((undesirable * down) / up)}`
  return [`${up} rows have label true and ${down} false: the ${ratio > 1 ? 'latter' : 'former'} will hardly be heard. ${remedy} would balance them`]
}
