import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, extname, isAbsolute, join, resolve } from 'node:path'
import { stringify } from 'yaml'
import { z } from 'zod'

import { messageOf, UserError } from '../errors.ts'
import { precisions } from '../models/graph/linear-maps.ts'
import { type Origin, originOfObject, originOfYaml, withSettings } from './recipe-origin.ts'
import { RecipeError } from './recipe-error.ts'
import { issuesOf } from './recipe-issues.ts'

/** What a recipe must know of a method: its own block of settings, and where it departs from the common defaults. */
export interface RecipeMethod {
  /** Schema of the block that bears the method's name. */
  readonly settings: z.ZodObject
  /** Order of rows where the recipe does not say (true unless given here). */
  readonly shuffle?: boolean
  /** The fewest rows of an optimizer step that the method can work with (1 unless given here). */
  readonly minBatch?: number
  /** Learning rate of adapters where the recipe does not say (2e-4 unless given here); a tenth for full fine-tuning. */
  readonly learningRate?: number
  /** Keys of the block that may name a file. */
  readonly files?: readonly string[]
}

/** The methods that recipes may name. */
export type RecipeMethods = Readonly<Record<string, RecipeMethod>>

const count = z.int().positive()
const source = z.strictObject({ path: z.string().min(1), weight: z.number().positive().default(1) })

/** One file, or several that are mixed: a source of weight 2 is drawn twice as often as its number of rows gives. */
const data = z
  .union([z.string().min(1), z.array(z.union([z.string().min(1), source])).min(1)])
  .transform(value => (typeof value === 'string' ? [value] : value)
    .map(entry => (typeof entry === 'string' ? { path: entry, weight: 1 } : entry)))

const adapter = z
  .strictObject({
    type: z.enum(['lora', 'none']).default('lora'),
    rank: count.optional(),
    alpha: z.number().positive().optional(),
    targets: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).optional(),
    init: z.string().min(1).optional(),
    use_rslora: z.boolean().optional(),
    use_dora: z.boolean().optional(),
    /** LoRA+: the learning rate of B over that of A. */
    loraplus_ratio: z.number().min(1).optional(),
  })
  .superRefine((value, context) => {
    if (value.use_dora === true && value.init === 'pissa') {
      context.addIssue({ code: 'custom', path: ['use_dora'], message: 'cannot go with init: pissa: the change would be no ordinary adapter of the base' })
    }
    if (value.type === 'lora') return
    for (const [key, setting] of Object.entries(value)) {
      if (key === 'type' || setting === undefined) continue
      context.addIssue({ code: 'custom', path: [key], message: 'has no meaning with type: none (full fine-tuning)' })
    }
  })
  .transform(({ type, rank = 8, alpha = 2 * rank, targets = 'all-linear', init, use_rslora = false, use_dora = false, loraplus_ratio = 1 }) =>
    type === 'none' ? { type } : { type, rank, alpha, targets, init, use_rslora, use_dora, loraplus_ratio })

const optimizer = z.strictObject({
  name: z.enum(['adamw']).default('adamw'),
  /** Default 2e-4 for LoRA, a tenth of it for full fine-tuning. */
  lr: z.number().positive().optional(),
  betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default([0.9, 0.999]),
  eps: z.number().positive().default(1e-8),
  weight_decay: z.number().min(0).default(0),
  max_grad_norm: z.number().positive().default(1),
})

const schedule = z.strictObject({
  name: z.enum(['constant', 'linear', 'cosine']).default('constant'),
  /** Fraction of all steps. */
  warmup: z.number().min(0).max(1).default(0),
})

const checkpoint = z.strictObject({
  every_seconds: z.number().positive().default(60),
  every_steps: count.optional(),
})

const fields = z.strictObject({
  model: z.string().min(1),
  method: z.string().min(1),
  data,
  eval: z.string().min(1).optional(),
  adapter: adapter.prefault({}),
  base: z.strictObject({ precision: z.enum([...precisions, 'auto']).default('auto') }).prefault({}),
  optimizer: optimizer.prefault({}),
  schedule: schedule.prefault({}),
  batch: count.default(8),
  epochs: z.number().positive().optional(),
  steps: count.optional(),
  max_length: z.int().min(2).default(1024),
  seed: z.int().min(0).max(2 ** 32 - 1).default(0),
  shuffle: z.boolean().optional(),
  template: z.string().min(1).default('auto'),
  stop: z.strictObject({ patience: count }).optional(),
  keep: z.enum(['last', 'best']).default('last'),
  eval_every: count.optional(),
  checkpoint: checkpoint.prefault({}),
  device: z.enum(['cpu', 'webgpu']).default('cpu'),
  threads: count.optional(),
  tokens_per_micro_batch: count.default(512),
  output: z.string().min(1).optional(),
})

/** A recipe as a person writes it; the method's own block stands under the method's name, as `dpo: {beta: 0.1}`. */
export type RecipeInput = z.input<typeof fields> & { readonly [block: string]: unknown }

type Fields = z.output<typeof fields>

/** A recipe that was checked, every default filled in. It is a valid recipe itself. */
export type Recipe = Omit<Fields, 'optimizer' | 'shuffle' | 'output'> & {
  readonly optimizer: Omit<Fields['optimizer'], 'lr'> & { readonly lr: number }
  readonly shuffle: boolean
  /** The run's folder. */
  readonly output: string
}

/** The method's own block, defaults filled in: what its `settings` schema gives. */
export function methodSettings(recipe: Recipe): unknown {
  return (recipe as Recipe & { readonly [block: string]: unknown })[recipe.method]
}

/** Checks a recipe given as an object. Throws a RecipeError (exit code 2) that names every wrong key. */
export function checkRecipe(input: unknown, methods: RecipeMethods): Recipe {
  return checkOrigin(originOfObject(input), methods)
}


/** Checks a recipe's YAML `text`; `file` is its name in messages, which give the line. */
export function parseRecipe(text: string, file: string, methods: RecipeMethods): Recipe {
  return checkOrigin(originOfYaml(text, file), methods)
}

/**
 * Reads a recipe from a file. `sets` are assignments such as `optimizer.lr=1e-4`, their values in YAML.
 * Paths in it are relative to the working directory; input files that are not there are looked for beside the recipe.
 */
export function loadRecipe(path: string, sets: readonly string[], methods: RecipeMethods): Recipe {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new UserError(`${path}: the recipe cannot be read: ${messageOf(error)}`, { exitCode: 2, cause: error })
  }
  const recipe = checkOrigin(withSettings(originOfYaml(text, path), sets), methods, outputFor(path))
  return { ...recipe, ...besideRecipe(recipe, path, methods[recipe.method]!) }
}

/** The recipe as YAML, ready to be read again. */
export function formatRecipe(recipe: Recipe): string {
  return stringify(recipe)
}

/** Checks a recipe wherever its values come from. `output` is the run's folder where it does not say. Throws a RecipeError. */
export function checkOrigin(origin: Origin, methods: RecipeMethods, output?: string): Recipe {
  const named = z.looseObject({ method: z.unknown() }).safeParse(origin.value).data?.method
  const method = typeof named === 'string' && Object.hasOwn(methods, named) ? methods[named] : undefined
  const foreign = (name: string) =>
    z.custom(value => value === undefined, { error: `belongs to method ${name}, this recipe's is ${String(named)}` }).optional()
  const blocks = Object.fromEntries(Object.entries(methods).map(([name, { settings }]) =>
    [name, name === named ? settings.strict().prefault({}) : foreign(name)]))
  const schema = fields
    .extend({ method: z.enum(Object.keys(methods)), ...blocks })
    .superRefine((value, context) => { contradictions(value, method, context) })
  const result = schema.safeParse(origin.value)
  if (!result.success) throw new RecipeError(issuesOf(result.error, schema, origin))
  return complete(result.data as Fields, method, output)
}

/** What each value allows and their combination does not. */
function contradictions(value: Fields, method: RecipeMethod | undefined, context: z.core.$RefinementCtx): void {
  const issue = (path: string[], message: string) => { context.addIssue({ code: 'custom', path, message }) }
  if (value.epochs !== undefined && value.steps !== undefined) {
    issue(['steps'], 'epochs and steps are both given: keep one of them')
  }
  if (value.batch > 0 && value.batch < (method?.minBatch ?? 1)) {
    issue(['batch'], `method ${value.method} needs at least ${String(method?.minBatch)} rows in a step`)
  }
  if (value.adapter.type === 'none' && !['auto', 'f32'].includes(value.base.precision)) {
    issue(['base', 'precision'], 'full fine-tuning (adapter.type: none) changes the base: it must be f32')
  }
  if (value.device === 'webgpu' && value.base.precision === 'nf4') issue(['base', 'precision'], 'nf4 runs on the cpu only: take int4')
  for (const key of ['stop', 'eval_every'] as const) {
    if (value[key] !== undefined && value.eval === undefined) issue([key], 'needs evaluation data: give eval: FILE')
  }
  if (value.keep === 'best' && value.eval === undefined) issue(['keep'], 'best is chosen by evaluation loss: give eval: FILE')
}

function complete(value: Fields, method: RecipeMethod | undefined, output: string | undefined): Recipe {
  const { type } = value.adapter
  return {
    ...value,
    base: type === 'none' ? { precision: 'f32' } : value.base,
    optimizer: { ...value.optimizer, lr: value.optimizer.lr ?? (method?.learningRate ?? 2e-4) * (type === 'lora' ? 1 : 0.1) },
    ...(value.steps === undefined && { epochs: value.epochs ?? 1 }),
    shuffle: value.shuffle ?? method?.shuffle ?? true,
    output: value.output ?? output ?? join('runs', value.method),
  }
}

/** runs/NAME, where NAME is the recipe's file name, or its folder's if it is just called recipe.yaml. */
function outputFor(path: string): string {
  const name = basename(path, extname(path))
  return join('runs', name === 'recipe' ? basename(dirname(resolve(path))) : name)
}

/** The recipe's input files, those replaced that exist only relative to the recipe's own folder. */
function besideRecipe(recipe: Recipe, path: string, { files = [] }: RecipeMethod): Pick<Recipe, 'model' | 'data' | 'eval' | 'template' | 'adapter'> {
  const locate = (name: string): string => {
    const beside = join(dirname(path), name)
    return isAbsolute(name) || existsSync(name) || !existsSync(beside) ? name : beside
  }
  const { adapter } = recipe
  const block = methodSettings(recipe) as Readonly<Record<string, unknown>>
  const located = Object.entries(block).map(([key, value]) => [key, files.includes(key) && typeof value === 'string' ? locate(value) : value])
  return {
    [recipe.method]: Object.fromEntries(located),
    model: locate(recipe.model),
    data: recipe.data.map(entry => ({ ...entry, path: locate(entry.path) })),
    eval: recipe.eval === undefined ? undefined : locate(recipe.eval),
    template: ['auto', 'none'].includes(recipe.template) ? recipe.template : locate(recipe.template),
    adapter: adapter.type === 'lora' && adapter.init !== undefined && adapter.init !== 'pissa' ? { ...adapter, init: locate(adapter.init) } : adapter,
  }
}
