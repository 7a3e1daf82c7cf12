import { z } from 'zod'

import { nearest } from '../errors.ts'
import type { RecipeIssue } from './recipe-error.ts'
import type { Origin } from './recipe-origin.ts'

/** What other trainers call the things that recipes have under another name. */
const elsewhere: Readonly<Record<string, string>> = {
  r: 'rank', lora_r: 'rank', lora_alpha: 'alpha', target_modules: 'targets', rslora: 'use_rslora',
  model_name_or_path: 'model', base_model: 'model', dataset: 'data', train_file: 'data', datasets: 'data', eval_file: 'eval',
  learning_rate: 'optimizer.lr', weight_decay: 'optimizer.weight_decay', max_grad_norm: 'optimizer.max_grad_norm',
  lr_scheduler_type: 'schedule.name', warmup_ratio: 'schedule.warmup', num_train_epochs: 'epochs', num_epochs: 'epochs', max_steps: 'steps',
  batch_size: 'batch', per_device_train_batch_size: 'batch', gradient_accumulation_steps: 'tokens_per_micro_batch',
  max_seq_length: 'max_length', sequence_len: 'max_length', output_dir: 'output', chat_template: 'template',
  loss_type: 'loss', lambda_d: 'desirable_weight', lambda_u: 'undesirable_weight',
  num_generations: 'group_size', max_completion_length: 'max_new_tokens', response_length: 'max_new_tokens', reward_funcs: 'reward',
  reward_weights: 'reward', reward_model: 'reward', reward_model_path: 'reward', grader: 'reward', num_iterations: 'iterations',
  num_ppo_epochs: 'iterations', importance_sampling_level: 'ratio', mask_truncated_completions: 'mask_truncated',
  vllm_importance_sampling_cap: 'importance_cap', clip_range: 'cliprange', init_kl_coef: 'kl_coef', target_kl: 'kl_target',
  value_coef: 'vf_coef', gae_lambda: 'lam',
}

type Issue = z.core.$ZodIssue

/** Of the unknown keys of one mapping so many are named: whoever has more of them gave us no recipe. */
const mostUnknown = 50

/** Each fault with its place, key and remedy. */
export function issuesOf(error: z.ZodError, schema: z.ZodType, origin: Origin): RecipeIssue[] {
  return error.issues.flatMap(issue => faultsOf(innermost(issue, origin.value), schema, origin))
}

function faultsOf(issue: Issue, schema: z.ZodType, origin: Origin): RecipeIssue[] {
  const { path } = issue
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, path)
    return issue.keys.slice(0, mostUnknown).map(key => ({
      place: origin.place([...path, key]), key: [...path, key].join('.'), message: unknownKey(key, path, known, schema),
    }))
  }
  const key = path.join('.')
  return [{ place: origin.place(path), key, message: `${key || 'the recipe'} ${remark(issue, valueAt(origin.value, path))}` }]
}

function unknownKey(key: string, path: readonly PropertyKey[], known: readonly string[], schema: z.ZodType): string {
  const name = [...path, key].join('.')
  const alias = Object.hasOwn(elsewhere, key) ? elsewhere[key] : undefined
  const block = path.length > 0 ? undefined : known.find(candidate => keysAt(schema, [candidate]).includes(alias ?? key))
  const slip = block === undefined ? (alias ?? nearest(key, known)) : `${block}.${alias ?? key}`
  return `unknown key ${name}${slip === undefined ? `; known here: ${known.join(', ')}` : `; did you mean ${slip}?`}`
}

function remark(issue: Issue, value: unknown): string {
  const got = `, got ${show(value)}`
  switch (issue.code) {
    case 'invalid_type':
      return value === undefined ? 'is missing' : `must be ${article(issue.expected)}${got}`
    case 'invalid_value': {
      const slip = typeof value === 'string' ? nearest(value, issue.values.map(String)) : undefined
      const list = `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.join(', ')}`
      if (value === undefined) return `is missing: it ${list}`
      return `${list}${got}${slip === undefined ? '' : `; did you mean ${slip}?`}`
    }
    case 'too_small':
      if (issue.origin === 'string' || issue.origin === 'array') return 'must not be empty'
      return `must be ${issue.inclusive ? 'at least' : 'greater than'} ${String(issue.minimum)}${got}`
    case 'too_big':
      if (issue.origin === 'array') return `must have ${String(issue.maximum)} entries${got}`
      return `must be ${issue.inclusive ? 'at most' : 'less than'} ${String(issue.maximum)}${got}`
    case 'custom':
      return issue.message
    default:
      return `${issue.message}${got}`
  }
}

/** The fault inside a union's alternatives that lies deepest: the one of the form that the user meant. */
function innermost(issue: Issue, value: unknown): Issue {
  if (issue.code !== 'invalid_union') return issue
  const candidates = issue.errors.flat().map(inner => innermost({ ...inner, path: [...issue.path, ...inner.path] }, value))
  const deepest = Math.max(...candidates.map(({ path }) => path.length))
  return candidates.find(({ path, code }) => path.length === deepest && code !== 'invalid_type')
    ?? candidates.find(({ path }) => path.length === deepest)
    ?? issue
}

/** Known keys of the mapping at `path`. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  if (schema instanceof z.ZodUnion) return (schema.options as z.ZodType[]).flatMap(option => keysAt(option, path))
  const inside = wrapped(schema)
  if (inside !== undefined) return keysAt(inside, path)
  if (schema instanceof z.ZodArray) return path.length === 0 ? [] : keysAt(schema.element as z.ZodType, path.slice(1))
  if (!(schema instanceof z.ZodObject)) return []
  const [key, ...rest] = path
  if (key === undefined) return Object.keys(schema.shape)
  const field = (schema.shape as Record<PropertyKey, z.ZodType>)[key]
  return field === undefined ? [] : keysAt(field, rest)
}

function wrapped(schema: z.ZodType): z.ZodType | undefined {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return schema.unwrap() as z.ZodType
  }
  return schema instanceof z.ZodPipe ? (schema.in as z.ZodType) : undefined
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | null | undefined)?.[key], value)
}

function show(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value))
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

function article(expected: string): string {
  const names: Readonly<Record<string, string>> = { int: 'a whole number', object: 'a mapping of keys to values', array: 'a list', tuple: 'a list' }
  return names[expected] ?? `a ${expected}`
}
