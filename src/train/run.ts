/** A run from recipe to report, in the process or thread that trains. */
import { existsSync, readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { UserError, messageOf } from '../errors.ts'
import { dataKinds, type DataKind } from '../data/kinds.ts'
import { Loader } from '../data/loader.ts'
import type { ModelFiles } from '../models/files.ts'
import { writeHuggingFaceDirectory } from '../models/formats/export.ts'
import { openModel } from '../models/open.ts'
import { writeAdapter } from '../models/peft.ts'
import { prepareWeights } from '../models/prepare.ts'
import type { Tokenizer } from '../models/tokenizer/tokenizer.ts'
import { methods } from '../methods/index.ts'
import type { Method } from '../methods/method.ts'
import { replaceDirectory } from '../files.ts'
import { assertRuns } from '../runtime/probe.ts'
import { Random } from '../random.ts'
import { checkAdapter, openAdapter, parameterRule, type TrainedAdapter } from './adapter.ts'
import { loadCheckpoint, restoreParameters, type TrainState } from './checkpoint.ts'
import { generalRows } from './evaluator.ts'
import type { TrainEvent, TrainResult } from './events.ts'
import { Learner } from './learner.ts'
import { checkRows } from './learning/check-rows.ts'
import { openLearning } from './learning/index.ts'
import { criticHeadName, initialHead, rewardHeadName, withScalarHead, withSeparateCritic, type Tower } from './learning/heads.ts'
import { evaluate, trainingLoop, type LoopParts } from './loop.ts'
import { createAdamW, type Optimizer } from './optimizer.ts'
import { fullPolicy, loraPolicy, type Placement, type Policy } from './policy.ts'
import { choosePrecision } from './precision.ts'
import { formatRecipe, methodSettings, parseRecipe, type Recipe } from './recipe.ts'
import { observations } from './report-advice.ts'
import { buildReport } from './report.ts'
import { openRun, runPaths, type RunFolder } from './run-folder.ts'
import type { StopRequest } from './stop.ts'
import { summarizeRun } from './summary.ts'
import { LoaderStateSchema, openData, renderOptions, type TrainingData } from './training-data.ts'

export interface RunRequest {
  readonly recipe: Recipe
  /** Local path of the recipe's model. */
  readonly model: string
  readonly resume: boolean
  readonly overwrite: boolean
  /** Folder for prepared weights. */
  readonly cache: string
}

/** Trains what the recipe asks for; `stopRequest` is asked after every step. */
export async function runTraining(
  request: RunRequest, emit: (event: TrainEvent) => void, stopRequest: () => StopRequest | undefined,
): Promise<TrainResult> {
  if (request.resume) refuseOtherRun(request.recipe)
  const model = await openModel(request.model)
  try {
    const tokenizer = withRecipeTemplate(model.tokenizer, request.recipe.template)
    const kind = dataKinds[methods[request.recipe.method]!.rows] as DataKind<unknown>
    const data = await openData(request.recipe, kind, tokenizer, model.config)
    // What is wrong with the rows, the graders, the adapter or the device is said before there is a folder.
    const warnings = [...data.warnings, ...checkRows(request.recipe, data, model.config)]
    checkAdapter(request.recipe, model.config)
    await assertRuns(request.recipe.device)
    const recipe = await withPrecision(request, model, tokenizer, emit)
    const folder = await openRun(recipe.output, { ...request, recipe: formatRecipe(recipe) })
    try {
      const stored = parseRecipe(folder.recipe, folder.paths.recipe, methods)
      const changed = Object.keys(recipe).filter((key) => !isDeepStrictEqual(recipe[key as keyof Recipe], stored[key as keyof Recipe]))
      if (changed.length > 0) {
        emit({ type: 'warning', text: `resuming with the recipe that the run began with; ignored: ${changed.join(', ')}` })
      }
      return await runInFolder({ ...request, recipe: stored }, model, tokenizer, { ...data, warnings }, folder, emit, stopRequest)
    } finally {
      folder.close()
    }
  } finally {
    model.close()
  }
}

/** What a run is made of. A resumed run keeps its whole recipe, but these are read before it is known. */
const ingredients = ['model', 'method', 'data', 'eval', 'template', 'max_length'] as const

/** Throws a UserError if the output folder holds a run of another model or of other data. */
function refuseOtherRun(recipe: Recipe): void {
  const { recipe: path } = runPaths(recipe.output)
  if (!existsSync(path)) return
  const stored = parseRecipe(readFileSync(path, 'utf8'), path, methods)
  const other = ingredients.filter((key) => !isDeepStrictEqual(recipe[key], stored[key]))
  if (other.length === 0) return
  throw new UserError(
    `${recipe.output} holds another run: ${other.join(', ')} differ from its recipe, ${path}. ` +
      'Resume with that recipe, choose another output, or pass --overwrite instead of --resume to begin anew.',
    { exitCode: 2 },
  )
}

async function runInFolder(
  { recipe, cache }: RunRequest,
  model: ModelFiles,
  tokenizer: Tokenizer,
  data: TrainingData,
  folder: RunFolder,
  emit: (event: TrainEvent) => void,
  stopRequest: () => StopRequest | undefined,
): Promise<TrainResult> {
  for (const text of data.warnings) emit({ type: 'warning', text })
  const placement: Placement = { device: recipe.device, threads: recipe.threads }
  const method = methods[recipe.method]!
  const settings = methodSettings(recipe) as Record<string, unknown>
  if (recipe.adapter.type === 'lora' && recipe.adapter.init === 'pissa') emit({ type: 'status', text: 'taking the weights apart for PiSSA' })
  const { policy, adapter } = await openPolicy(recipe, method, settings, model, cache)
  const { betas, eps, weight_decay } = recipe.optimizer
  const optimizer = createAdamW(policy.values, { betas, eps, weightDecay: weight_decay, rule: parameterRule(recipe) })
  // An adapter is small: methods that sample say how far they have moved even where their loss does not ask.
  const compared = method.reference?.(settings) === true || (method.rows === 'prompts' && adapter !== undefined)
  const initial = compared ? copyOf(policy.values) : policy.values
  const start = folder.resumedFrom === undefined ? firstState(recipe) : restore(policy, optimizer, folder.resumedFrom.path)
  if (folder.finished) return resultOf(folder, recipe, start, true)
  const loaderOptions = { parts: data.parts, batch: recipe.batch, seed: recipe.seed, shuffle: recipe.shuffle }
  const loader = new Loader(loaderOptions, LoaderStateSchema.parse(start.loader))
  const stepsPerEpoch = loader.stepsPerEpoch * stepsPerBatch(method, settings)
  const totalSteps = recipe.steps ?? Math.ceil(stepsPerEpoch * recipe.epochs!)
  if (start.step === 0) {
    folder.logEvent({ type: 'started', step: 0, steps: totalSteps })
    for (const message of data.warnings) folder.logEvent({ type: 'warning', step: 0, message })
  }

  const learning = await openLearning(method, settings, {
    recipe, policy, initial, placement, data, tokenizer, folder, cache, emit, model, state: start.learning,
  })
  emit({ type: 'status', text: 'compiling the training graph' })
  const learner = await Learner.compile(policy, learning.loss, placement, { observe: learning.observed ?? {} })
  const parts: LoopParts = {
    recipe, folder, policy, placement, learner, learning, optimizer, loader, emit, stopRequest,
    general: await generalRows(tokenizer, renderOptions(recipe, model.config), recipe.max_length),
    totalSteps,
    stepsPerEpoch,
  }
  try {
    const end = await trainingLoop(parts, start)
    const paused = stopRequest() === 'pause' && end.step < parts.totalSteps
    if (paused) return resultOf(folder, recipe, end, false)
    await finish(parts, end, model, adapter)
    return resultOf(folder, recipe, end, true)
  } finally {
    await learner.release()
    await learning.release?.()
  }
}

function copyOf(values: Policy['values']): Policy['values'] {
  return new Map([...values].map(([name, array]) => [name, array.slice()]))
}

/** Optimizer steps on each batch of rows. */
function stepsPerBatch(method: Method, settings: Record<string, unknown>): number {
  return method.rows === 'prompts' ? method.rollouts(settings).iterations : 1
}

/** The best or the last parameters, written out; the general set once more; the report. */
async function finish(parts: LoopParts, end: TrainState, model: ModelFiles, adapter: TrainedAdapter | undefined): Promise<void> {
  const { recipe, folder, policy, emit } = parts
  const best = recipe.keep === 'best' ? folder.checkpoints.best() : undefined
  if (best !== undefined) restoreParameters(policy.values, loadCheckpoint(best.path).parameters, best.path)
  await evaluate(parts, end, { heldOut: false, general: true })
  const head = policy.values.get(rewardHeadName)
  if (adapter !== undefined) {
    const finished = { ...adapter.finished(), ...(head !== undefined && { head }) }
    await replaceDirectory(folder.paths.adapter, (aside) => writeAdapter(aside, finished, model.config, recipe.model))
  } else {
    await writeHuggingFaceDirectory(folder.paths.model, model, { read: (name) => policy.values.get(name)! }, { scalarHead: head })
  }
  folder.logEvent({ type: 'finished', step: end.step })
  for (const text of observations(summarizeRun(folder.path))) emit({ type: 'warning', text })
  await folder.finish(buildReport(folder.path, recipe))
}

async function openPolicy(
  recipe: Recipe,
  method: Method,
  settings: Record<string, unknown>,
  model: ModelFiles,
  cache: string,
): Promise<{ policy: Policy; adapter: TrainedAdapter | undefined }> {
  const precision = recipe.base.precision === 'auto' ? 'f32' : recipe.base.precision
  const adapter = await openAdapter(recipe, model, precision, cache)
  const bare = adapter === undefined
    ? fullPolicy(model)
    : loraPolicy(model.config, adapter.adapter, precision, prepareWeights(adapter.base, precision, cache))
  return { policy: withHeads(bare, recipe.seed, method, settings, { adapter: adapter?.adapter.config, precision }), adapter }
}

/** A reward model's head begins at random, a critic's at zero: it knows nothing yet. */
function withHeads(policy: Policy, seed: number, method: Method, settings: Record<string, unknown>, tower: Tower): Policy {
  const { hiddenSize } = policy.config
  if (method.rows === 'pairs' && method.scalarHead === true) {
    return withScalarHead(policy, rewardHeadName, initialHead(hiddenSize, new Random(seed, headStream)))
  }
  const critic = method.rows === 'prompts' ? method.rollouts(settings).critic : undefined
  if (critic === undefined) return policy
  const towers = critic === 'shared' ? policy : withSeparateCritic(policy, tower)
  return withScalarHead(towers, criticHeadName, new Float32Array(hiddenSize))
}

/** The stream of the run's seed that makes a head. */
const headStream = 2 ** 31 + 1

function firstState({ seed }: Recipe): TrainState {
  return { step: 0, epoch: 0, loader: { epoch: 0, index: 0 }, seed, best: null, evaluationsSinceBest: 0, tokens: 0, elapsedSeconds: 0 }
}

function restore(policy: Policy, optimizer: Optimizer, directory: string): TrainState {
  const { parameters, optimizer: moments, state } = loadCheckpoint(directory)
  restoreParameters(policy.values, parameters, directory)
  optimizer.restore(moments)
  return state
}

function resultOf(folder: RunFolder, recipe: Recipe, state: TrainState, finished: boolean): TrainResult {
  return {
    directory: folder.path,
    output: recipe.adapter.type === 'none' ? folder.paths.model : folder.paths.adapter,
    finished,
    steps: state.step,
    precision: recipe.base.precision,
    tokens: state.tokens,
    seconds: state.elapsedSeconds,
  }
}

/** The recipe with `auto` replaced by what it comes to. */
async function withPrecision(
  { recipe, cache }: RunRequest,
  model: ModelFiles,
  tokenizer: Tokenizer,
  emit: (event: TrainEvent) => void,
): Promise<Recipe> {
  if (recipe.base.precision !== 'auto') return recipe
  emit({ type: 'status', text: 'choosing the precision of the base' })
  const rows = () => generalRows(tokenizer, renderOptions(recipe, model.config), recipe.max_length)
  const precision = await choosePrecision(model, rows, { device: recipe.device, threads: recipe.threads }, cache)
  return { ...recipe, base: { precision } }
}

function withRecipeTemplate(tokenizer: Tokenizer, template: string): Tokenizer {
  if (template === 'auto' || template === 'none') return tokenizer
  try {
    return tokenizer.withTemplate(readFileSync(template, 'utf8'))
  } catch (error) {
    const fault = error instanceof UserError ? error.message : `it cannot be read: ${messageOf(error)}. Give auto, none or a file`
    throw new UserError(`template: ${template}: ${fault}`, { exitCode: 2, cause: error })
  }
}
