/** A recipe becomes a job's request: the way back of `jobs-recipe.ts`. */
import { isDeepStrictEqual } from 'node:util'
import { methods } from '../../methods/index.ts'
import { checkRecipe, methodSettings, type Recipe, type RecipeInput } from '../../train/recipe.ts'
import { ApiError } from '../errors.ts'
import { adapterShape } from './jobs-recipe.ts'
import type { JobBody, JobRequest } from './jobs-request.ts'

type Block = Readonly<Record<string, unknown>>

/**
 * The request of a recipe, of which `recipeOf` makes the same again: what differs from its defaults, in OpenAI's words
 * where there are any. Passes and seed are always said, since a request without them means others than a recipe does.
 * `output` is passed over: a job has a folder of its own.
 * @throws ApiError (400) for what no job can do; `param` is the request's key
 */
export function requestOf(recipe: Recipe): JobRequest {
  const { model, method, data, eval: heldOut, adapter, seed, epochs } = recipe
  if (data.length !== 1) throw new ApiError(400, 'data: a job learns from one file or dataset', { param: 'training_file' })
  if (method === 'reward') throw new ApiError(400, 'method: a reward model is trained by `posttrain train`, not by a job', { param: 'method' })
  if (adapter.init === 'pissa') throw new ApiError(400, 'adapter.init: pissa is for `posttrain train`', { param: 'posttrain.adapter.init' })
  const { adapter: adapterChanges, base, batch, output: _, [method]: block = {}, ...settings } = changesOf(recipe)
  const isReinforcement = method === 'grpo' || method === 'ppo'
  const type = method === 'sft' ? 'supervised' : isReinforcement ? 'reinforcement' : method
  // OpenAI has a word for the beta of preferences alone.
  const { beta, ...unnamed } = block as Block
  const hyperparameters = { n_epochs: epochs, batch_size: batch, beta: isReinforcement ? undefined : beta }
  return compact({
    model: adapter.init ?? model,
    training_file: data[0]!.path,
    validation_file: heldOut,
    method: {
      type,
      [type]: compact({ grader: rewardOf(recipe), hyperparameters: compact(hyperparameters) }),
    },
    seed,
    posttrain: compact({
      adapter: adapterChanges, base, algorithm: method === 'ppo' ? method : undefined,
      recipe: compact({ ...settings, [method]: isReinforcement ? block : unnamed }),
    }),
  }) as unknown as JobRequest
}

/** What answers are worth, where the method samples any. */
function rewardOf(recipe: Recipe): unknown {
  return (methodSettings(recipe) as Block)['reward']
}

/** What a recipe says beyond what follows from its model, data and method. */
function changesOf(recipe: Recipe): Block {
  const { model, method, data, eval: heldOut, adapter, seed, epochs } = recipe
  const reward = rewardOf(recipe)
  const said = { model, method, data, eval: heldOut, seed, epochs, ...(reward !== undefined && { [method]: { reward } }) }
  const defaults = (rank?: number): Recipe => checkRecipe({ ...said, adapter: { rank, init: adapter.init } } as RecipeInput, methods)
  // Other defaults follow from the rank.
  const { adapter: shaped, ...plain } = defaults(adapter.rank)
  return differences(recipe, { ...plain, steps: undefined, adapter: { ...shaped, rank: defaults().adapter.rank } })
}

/** The entries of `value` that `from` has not, in blocks of blocks too. */
function differences(value: Block, from: Block): Block {
  return Object.fromEntries(Object.entries(value).flatMap(([key, own]) => {
    const other = from[key]
    if (own === undefined || isDeepStrictEqual(own, other)) return []
    return [[key, isBlock(own) && isBlock(other) ? differences(own, other) : own]]
  }))
}

function isBlock(value: unknown): value is Block {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Without what is undefined or an empty block. */
function compact(block: Block): Block | undefined {
  const entries = Object.entries(block).filter(([, value]) => value !== undefined && !(isBlock(value) && Object.keys(value).length === 0))
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

/**
 * A request's recipe as a person edits it: what matters most first, with the names of the request, without what no job
 * can say.
 * @param recipe what `recipeOf` made of the request
 */
export function editableRecipe({ model, training_file, validation_file }: JobBody, recipe: Recipe): Block {
  const { method, adapter, base, optimizer, schedule, batch, epochs, steps, ...rest } = recipe
  const { data: _data, eval: _eval, model: _model, template: _template, device: _device, output: _output, [method]: block, ...others } = rest as Block
  const { name, lr, ...moments } = optimizer
  return compact({
    model, method, data: training_file, eval: validation_file ?? undefined, [method]: block,
    adapter: editableAdapter(adapter), base, optimizer: { name, lr, ...moments }, schedule, batch, epochs, steps, ...others,
  })!
}

/** The shape of an adapter that is there already is not to be said. */
function editableAdapter({ init, ...shape }: Recipe['adapter']): Block {
  const isFixed = (key: string): boolean => init !== undefined && (adapterShape as readonly string[]).includes(key)
  return Object.fromEntries(Object.entries(shape).filter(([key]) => !isFixed(key)))
}
