/** The job that is being written: as the form has it, as the address has it, and as the request that it becomes. */
import type { JobRequest } from '../../../../src/server/routes/jobs-request.ts'

export const methodNames = ['sft', 'dpo', 'kto', 'grpo', 'ppo'] as const
export type MethodName = (typeof methodNames)[number]

type Block = Readonly<Record<string, unknown>>

/** What beyond data, method and names a job was told. */
export interface Settings {
  /** In OpenAI's words: n_epochs, batch_size, beta … */
  readonly hyperparameters?: Block
  readonly grader?: unknown
  readonly adapter?: Block
  readonly base?: Block
  /** Other keys of a recipe, and the method's own block. */
  readonly recipe?: Block
  readonly seed?: number
  readonly metadata?: Readonly<Record<string, string>>
  readonly webhook?: Block
}

export interface Draft {
  /** `dataset:NAME@VERSION` or a file's id; '' where none is chosen yet. */
  readonly data: string
  /** Held-out rows; '': the dataset's own, or none. */
  readonly heldOut: string
  /** '' for the base. */
  readonly model: string
  /** undefined: what fits the data best. */
  readonly method: MethodName | undefined
  readonly suffix: string
  readonly alias: string
  readonly settings: Settings
}

export const emptyDraft: Draft = { data: '', heldOut: '', model: '', method: undefined, suffix: '', alias: '', settings: {} }

/** Reads what an address says: `data`, `eval`, `model`, `method`, `suffix`, `alias`, and the rest as JSON in `settings`. */
export function draftOfQuery(query: URLSearchParams): Draft {
  const text = (key: string): string => query.get(key) ?? ''
  return {
    data: text('data'), heldOut: text('eval'), model: text('model'), suffix: text('suffix'), alias: text('alias'),
    method: methodNames.find((name) => name === query.get('method')),
    settings: settingsOf(query.get('settings')),
  }
}

/** What was cut or mistyped on the way is no reason to show nothing. */
function settingsOf(json: string | null): Settings {
  try {
    const value: unknown = JSON.parse(json ?? '{}')
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
  } catch {
    return {}
  }
}

/** The way back, for `hrefTo`: what is empty is left out. */
export function queryOfDraft({ data, heldOut, model, method, suffix, alias, settings }: Draft): Record<string, string | undefined> {
  const rest = JSON.stringify(settings)
  const given = (text: string): string | undefined => (text === '' ? undefined : text)
  return {
    data: given(data), eval: given(heldOut), model: given(model), method, suffix: given(suffix), alias: given(alias),
    settings: rest === '{}' ? undefined : rest,
  }
}

/** OpenAI's name of a method. */
export function typeOf(method: MethodName): 'supervised' | 'dpo' | 'kto' | 'reinforcement' {
  if (method === 'sft') return 'supervised'
  return method === 'grpo' || method === 'ppo' ? 'reinforcement' : method
}

/** The body for `POST /v1/fine_tuning/jobs`. What another method was told stays in the draft, and is not said. @param base the base's name */
export function requestOf(draft: Draft & { readonly method: MethodName }, base: string): JobRequest {
  const { data, heldOut, model, method, suffix, alias, settings } = draft
  const type = typeOf(method)
  const hyperparameters = withoutStrangers(settings.hyperparameters, type)
  const recipe = Object.fromEntries(Object.entries(settings.recipe ?? {}).filter(([key]) => key === method || !isMethod(key)))
  const grader = type === 'reinforcement' ? { grader: settings.grader ?? null } : {}
  const posttrain = filled({
    adapter: filled(settings.adapter), base: filled(settings.base), recipe: filled(recipe), algorithm: method === 'ppo' ? method : undefined,
    alias: alias === '' ? undefined : alias, webhook: settings.webhook,
  })
  return filled({
    model: model === '' ? base : model,
    training_file: data,
    validation_file: heldOut === '' ? undefined : heldOut,
    method: { type, ...filled({ [type]: filled({ ...grader, hyperparameters: filled(hyperparameters) }) }) },
    suffix: suffix === '' ? undefined : suffix,
    seed: settings.seed ?? 0,
    metadata: settings.metadata,
    posttrain,
  }) as unknown as JobRequest
}

/** The draft of a request that the server made of YAML. `before` keeps what YAML has no words for. @param base the base's name */
export function draftOfRequest(request: JobRequest, before: Draft, base: string): Draft {
  const { model, training_file: data, validation_file: heldOut, method, seed } = request
  const { adapter, base: precision, recipe, algorithm } = request.posttrain ?? {}
  const block = (method as { readonly type: string; readonly [type: string]: unknown } | null | undefined)
  const own = block?.[block.type] as { readonly hyperparameters?: Block; readonly grader?: unknown } | undefined
  const { webhook, metadata } = before.settings
  return {
    ...before, data, heldOut: heldOut ?? '', model: model === base ? '' : model,
    method: algorithm ?? methodOf(block?.type),
    settings: filled({
      hyperparameters: own?.hyperparameters, grader: own?.grader, adapter, base: precision, recipe, seed: seed === 0 ? undefined : seed, webhook, metadata,
    }) ?? {},
  }
}

function methodOf(type: string | undefined): MethodName {
  if (type === 'reinforcement') return 'grpo'
  return methodNames.find((name) => name === type) ?? 'sft'
}

function isMethod(key: string): boolean {
  return (methodNames as readonly string[]).includes(key)
}

const preferences = ['beta']
const sampling = ['compute_multiplier', 'eval_interval', 'eval_samples', 'reasoning_effort']

/** Hyperparameters that the method has. */
function withoutStrangers(all: Block = {}, type: string): Block {
  const strange = [...(type === 'dpo' || type === 'kto' ? [] : preferences), ...(type === 'reinforcement' ? [] : sampling)]
  return Object.fromEntries(Object.entries(all).filter(([key]) => !strange.includes(key)))
}

/** Without what is undefined; undefined where nothing is left. */
function filled(block: Block | undefined): Block | undefined {
  const entries = Object.entries(block ?? {}).filter(([, value]) => value !== undefined)
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}
