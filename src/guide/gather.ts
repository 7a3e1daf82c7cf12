/** Gathers what advice and estimates are made of: opens the model, reads the files, looks into finished runs. */
import { dataKinds, type DataKind } from '../data/kinds.ts'
import { readRows } from '../data/read.ts'
import { renderTrees } from '../data/tree.ts'
import type { AnyRow } from '../data/check-texts.ts'
import { methods } from '../methods/index.ts'
import type { ModelConfig } from '../models/config.ts'
import { openModel } from '../models/open.ts'
import type { Tokenizer } from '../models/tokenizer/tokenizer.ts'
import { generalRows } from '../train/evaluator.ts'
import { checkRecipe, type Recipe, type RecipeInput } from '../train/recipe.ts'
import { renderOptions } from '../train/training-data.ts'
import { advise, type Advice } from './advise.ts'
import { fileFacts, heldOutFacts, variantsOf, type FileFacts } from './data-facts.ts'
import type { SituationId } from './decision-table.ts'
import { estimateRun } from './estimate.ts'
import type { Facts, ModelFacts, StoreFacts } from './facts.ts'
import { canTake } from './fit.ts'
import { thisMachine } from './machine.ts'
import type { Pace } from './pace.ts'
import { paceOfRuns } from './run-pace.ts'
import { trialPace } from './trial.ts'
import type { RunEstimate } from './run-estimate.ts'
import { openRuns, runFacts, type FinishedRun, type NamedRun } from './run-facts.ts'
import { dataOfStore } from './store-data.ts'
import type { RowSample } from './workload.ts'

/** A file, and what recipes call it. */
export interface NamedFile {
  readonly path: string
  readonly name: string
  /** Rows that are held out of a dataset. */
  readonly heldOutPath?: string | undefined
}

export interface AdviceRequest {
  readonly files: readonly NamedFile[]
  readonly heldOut?: NamedFile | undefined
  readonly goal?: SituationId | undefined
  /** What recipes call the model, and where it is; without a path it is not opened. */
  readonly model: { readonly name: string; readonly path?: string | undefined }
  readonly store?: StoreFacts | undefined
  /** Runs of this model that have ended, the oldest first. */
  readonly runs: readonly NamedRun[]
  /** In place of what this machine has, MiB. */
  readonly memoryMb?: number | undefined
  /** Models that are to differ, where somebody says how many. */
  readonly variants?: number | undefined
  /** The adapter to go on from, by the name that recipes have for it. */
  readonly initialAdapter?: string | undefined
}

/** Advice, and what each of its runs will take, where the rows are there and the model was opened. */
export interface FullAdvice {
  readonly advice: Advice
  readonly estimates: readonly (RunEstimate | null)[]
}

interface OpenedModel {
  readonly config: ModelConfig
  readonly tokenizer: Tokenizer
  readonly fourBit: boolean
}

/** @throws UserError where a file or the model cannot be read */
export async function giveAdvice(request: AdviceRequest): Promise<FullAdvice> {
  const { model: { path } } = request
  const model = path === undefined ? undefined : await open(path)
  const runs = openRuns(request.runs)
  const facts = await gatherFacts(request, model, runs)
  const advice = advise(facts)
  if (model === undefined || advice.runs.length === 0) return { advice, estimates: advice.runs.map(() => null) }
  const pace = paceOfRuns(runs, model.config, await trialPace())
  const unreadable = [...facts.data, facts.heldOut].flatMap((file) => (file === undefined || file.broken === 0 ? [] : [file.name]))
  const estimates: (RunEstimate | null)[] = []
  for (const { recipe, datasets } of advice.runs) {
    const readable = datasets.length === 0 && ![recipe.data, recipe.eval].flat().some((name) => unreadable.includes(String(name)))
    estimates.push(readable ? await estimateOf(withPaths(recipe, request), model, pace) : null)
  }
  return { advice: { ...advice, warnings: [...advice.warnings, ...tooLarge(advice, estimates, facts)] }, estimates }
}

function tooLarge({ runs }: Advice, estimates: FullAdvice['estimates'], { machine }: Facts): string[] {
  return runs.flatMap(({ title }, i) => {
    const estimate = estimates[i]
    if (estimate == null || canTake(machine, estimate.memoryMb)) return []
    return [`${title} takes about ${estimate.memoryMb} MB, and this machine has ${machine.memoryMb} MB: take a smaller model, a smaller max_length or a smaller tokens_per_micro_batch.`]
  })
}

export async function gatherFacts(request: AdviceRequest, model: OpenedModel | undefined, runs: readonly FinishedRun[]): Promise<Facts> {
  const { files, heldOut, goal, store, memoryMb, variants, model: { name } } = request
  const rendering = model === undefined ? {} : { endTokenIds: model.config.eosTokenIds }
  const facts = async (file: NamedFile): Promise<FileFacts> => {
    const found = await fileFacts(file.path, { name: file.name, tokenizer: model?.tokenizer, rendering })
    return file.heldOutPath === undefined ? found : { ...found, facts: { ...found.facts, holdsOut: true } }
  }
  const read: FileFacts[] = []
  for (const file of files) read.push(await facts(file))
  const data = files.length === 0 && store !== undefined ? dataOfStore(store) : read.map((file) => file.facts)
  const held = heldOut === undefined ? undefined : heldOutFacts(await facts(heldOut), read)
  return {
    data, machine: thisMachine(memoryMb), model: modelFacts(name, model),
    variants: variants ?? Math.max(variantsOf(read), files.length === 0 ? store?.variants ?? 1 : 1),
    runs: runs.map(runFacts),
    ...(goal !== undefined && { goal }),
    ...(request.initialAdapter !== undefined && { initialAdapter: request.initialAdapter }),
    ...(held !== undefined && { heldOut: held }),
    ...(store !== undefined && { store }),
  }
}

function modelFacts(name: string, model: OpenedModel | undefined): ModelFacts {
  return { name, ...(model !== undefined && { config: model.config, fourBit: model.fourBit }) }
}

async function open(path: string): Promise<OpenedModel> {
  const model = await openModel(path)
  const { config, tokenizer, tensors } = model
  const fourBit = [...tensors.values()].some(({ dtype }) => dtype.startsWith('Q4_'))
  model.close()
  return { config, tokenizer, fourBit }
}

/** The recipe with the files' paths in place of their names. */
function withPaths(recipe: RecipeInput, { files, heldOut }: AdviceRequest): RecipeInput {
  const paths = new Map(files.map(({ name, path }) => [name, path]))
  const names = [recipe.data].flat() as string[]
  const held = recipe.eval === undefined ? files.find(({ name }) => names.includes(name))?.heldOutPath : heldOut?.path
  // What is kept takes no time, and an adapter to begin with is where it is needed.
  const { eval: _, keep: __, ...rest } = recipe
  return { ...rest, data: names.map((name) => paths.get(name) ?? name), ...(held !== undefined && { eval: held }) }
}

export interface EstimateRequest {
  /** With paths of this machine in the place of names; `output` is not looked at. */
  readonly recipe: RecipeInput
  readonly modelPath: string
  /** Runs of this machine and model that have ended, the oldest first: they say how fast it is. */
  readonly runs?: readonly NamedRun[] | undefined
  readonly rank?: number | undefined
  readonly answerTokens?: number | undefined
}

/** @throws UserError where the recipe is wrong or its files cannot be read */
export async function estimateRecipe({ recipe, modelPath, runs = [], rank, answerTokens }: EstimateRequest): Promise<RunEstimate> {
  const model = await open(modelPath)
  const pace = paceOfRuns(openRuns(runs), model.config, await trialPace())
  return estimateOf(recipe, model, pace, { rank, answerTokens })
}

async function estimateOf(
  input: RecipeInput, { config, tokenizer }: OpenedModel, pace: Pace, known: Pick<EstimateRequest, 'rank' | 'answerTokens'> = {},
): Promise<RunEstimate> {
  const recipe = checkRecipe(input, methods)
  const train = await sampleData(recipe, recipe.data, tokenizer, config)
  const heldOut = recipe.eval === undefined ? undefined : await sampleData(recipe, [{ path: recipe.eval, weight: 1 }], tokenizer, config)
  const general = await generalRows(tokenizer, renderOptions(recipe, config), recipe.max_length)
  return estimateRun({ recipe, config, train, heldOut, general, pace, ...known })
}

/** Rows of a file that are rendered: their lengths stand for those of the others. */
const sampledRows = 512

async function sampleData(recipe: Recipe, sources: Recipe['data'], tokenizer: Tokenizer, config: ModelConfig): Promise<RowSample> {
  const kind = dataKinds[methods[recipe.method]!.rows] as DataKind<AnyRow>
  const options = { ...renderOptions(recipe, config), maxLength: recipe.max_length }
  let total = 0
  const trees = []
  for (const { path, weight } of sources) {
    const rows = await readRows(path, kind.rows)
    const stride = Math.max(1, rows.length / sampledRows)
    const some = Array.from({ length: Math.ceil(rows.length / stride) }, (_, i) => rows[Math.floor(i * stride)]!)
    const rendered = renderTrees(some, kind.render, tokenizer, options)
    trees.push(...rendered.trees)
    total += Math.round((rows.length * weight * rendered.trees.length) / some.length)
  }
  return { rows: total, trees }
}
