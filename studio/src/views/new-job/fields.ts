/** The few settings that matter, each with a line on what it does. Everything else is in the YAML. */
import type { Recipe } from '../../../../src/train/recipe.ts'
import type { Draft, MethodName, Settings } from './draft.ts'

export interface Field {
  readonly id: string
  readonly label: string
  readonly about: string
  /** Where the settings have it. */
  readonly path: readonly [block: keyof Settings, ...keys: string[]]
  /** Where a recipe has it, for what is taken where nothing is said. */
  readonly recipeKey: (method: MethodName) => string
  /** Those that have it; all unless given. */
  readonly methods?: readonly MethodName[]
  readonly whole?: boolean
  /** It is the adapter's own, and cannot be said where a job goes on from one. */
  readonly ofAdapter?: boolean
}

export const fields: readonly Field[] = [
  {
    id: 'rank', label: 'Rank', whole: true, ofAdapter: true, path: ['adapter', 'rank'], recipeKey: () => 'adapter.rank',
    about: 'How much the adapter can change. Start low; raise it only if the model still misses what the rows show.',
  },
  {
    id: 'lr', label: 'Learning rate', path: ['recipe', 'optimizer', 'lr'], recipeKey: () => 'optimizer.lr',
    about: 'How far each step goes. Lower it if the loss jumps, raise it if it hardly falls.',
  },
  {
    id: 'epochs', label: 'Epochs', path: ['hyperparameters', 'n_epochs'], recipeKey: () => 'epochs',
    about: 'How often each row is seen. More is learned, then learned by heart.',
  },
  {
    id: 'batch', label: 'Batch', whole: true, path: ['hyperparameters', 'batch_size'], recipeKey: () => 'batch',
    about: 'Rows in a step. More make steps steadier, and fewer of them.',
  },
  {
    id: 'beta', label: 'Beta', methods: ['dpo', 'kto'], path: ['hyperparameters', 'beta'], recipeKey: (method) => `${method}.beta`,
    about: 'How closely the model keeps to what it was. Lower moves it further, and breaks it more easily.',
  },
  {
    id: 'group', label: 'Answers to a prompt', whole: true, methods: ['grpo'], path: ['recipe', 'grpo', 'group_size'], recipeKey: () => 'grpo.group_size',
    about: 'They are judged against each other. More make the judgement steadier, and take longer.',
  },
  {
    id: 'grpo-length', label: 'Longest answer', whole: true, methods: ['grpo'], path: ['recipe', 'grpo', 'max_new_tokens'], recipeKey: () => 'grpo.max_new_tokens',
    about: 'In tokens. Sampling takes most of the time, and grows with this.',
  },
  {
    id: 'ppo-length', label: 'Longest answer', whole: true, methods: ['ppo'], path: ['recipe', 'ppo', 'max_new_tokens'], recipeKey: () => 'ppo.max_new_tokens',
    about: 'In tokens. Sampling takes most of the time, and grows with this.',
  },
  {
    id: 'kl', label: 'Price of leaving the start', methods: ['ppo'], path: ['recipe', 'ppo', 'kl_coef'], recipeKey: () => 'ppo.kl_coef',
    about: 'Taken from the reward for each token that the model would not have said before. Higher keeps it closer.',
  },
]

/** Those that a method has. */
export function fieldsOf(method: MethodName): readonly Field[] {
  return fields.filter(({ methods }) => methods === undefined || methods.includes(method))
}

type Tree = { readonly [key: string]: unknown }

/** What the draft says of a field. */
export function valueOf({ settings }: Pick<Draft, 'settings'>, { path }: Pick<Field, 'path'>): number | undefined {
  const value = path.reduce<unknown>((at, key) => (at as Tree | undefined)?.[key], settings)
  return typeof value === 'number' ? value : undefined
}

/** The draft with a field set, or taken away; blocks that this leaves empty go too. */
export function withValue(draft: Draft, { path }: Pick<Field, 'path'>, value: unknown): Draft {
  return { ...draft, settings: (assigned(draft.settings as Tree, path, value) ?? {}) as Settings }
}

function assigned(tree: Tree | undefined, [key = '', ...rest]: readonly string[], value: unknown): Tree | undefined {
  const own = rest.length === 0 ? value : assigned(tree?.[key] as Tree | undefined, rest, value)
  const { [key]: _, ...others } = tree ?? {}
  const next = own === undefined ? others : { ...others, [key]: own }
  return Object.keys(next).length === 0 ? undefined : next
}

/** What is taken where nothing is said: the filled-in recipe's. */
export function defaultOf(recipe: Recipe | undefined, field: Field, method: MethodName): string {
  const value = field.recipeKey(method).split('.').reduce<unknown>((at, key) => (at as Tree | undefined)?.[key], recipe)
  return typeof value === 'number' ? String(value) : ''
}

/** The field that a refused request's key belongs to: 'data', 'model', 'rank' …; undefined where the form has none. */
export function fieldOfParam(param: string, method: MethodName): string | undefined {
  const named: Readonly<Record<string, string>> = {
    training_file: 'data', validation_file: 'held-out', model: 'model', suffix: 'suffix', 'posttrain.alias': 'alias', 'posttrain.base.precision': 'precision',
  }
  if (named[param] !== undefined) return named[param]
  if (param.startsWith('method.reinforcement.grader')) return 'grader'
  const hyperparameter = /^method\.\w+\.hyperparameters\.(\w+)$/.exec(param)?.[1]
  const key = hyperparameter === undefined ? param.replace(/^posttrain\./, '') : `hyperparameters.${hyperparameter}`
  return fieldsOf(method).find(({ path }) => path.join('.') === key || path.join('.') === `recipe.${key}`)?.id
}
