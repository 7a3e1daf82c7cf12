/** Recipes for each row of the decision table, filled in for the data that is there. */
import { methods } from '../methods/index.ts'
import type { RecipeInput } from '../train/recipe.ts'
import type { SituationId } from './decision-table.ts'
import type { AnswerCheck, DataFacts, Facts } from './facts.ts'
import { fitOf, fourBits } from './fit.ts'
import { countOf, labelsOf, plateauRun, type Finding } from './situation.ts'

/** A run that is advised; several are to be done in their order. */
export interface PlannedRun {
  readonly title: string
  readonly recipe: RecipeInput
}

type Method = 'sft' | 'dpo' | 'kto' | 'reward' | 'ppo' | 'grpo'

/** Learning rates of adapters that were tried in examples/, with a model of this width; wider ones take less. */
const tried: { readonly width: number; readonly rates: Readonly<Record<Method, number>> } = {
  width: 576, rates: { sft: 1e-3, dpo: 5e-5, kto: 1e-4, reward: 2e-4, ppo: 2e-4, grpo: 3e-4 },
}

/** The runs for a situation; none where its data are not there. */
export function planRuns(facts: Facts, { situation, data }: Finding): PlannedRun[] {
  const build: Readonly<Record<SituationId, () => PlannedRun[]>> = {
    'domain': () => demonstrations(facts, data),
    'format': () => demonstrations(facts, data),
    'forgetting': () => demonstrations(facts, data),
    'limited-compute': () => demonstrations(facts, data, { base: { precision: fourBits(facts) } }),
    'variants': () => data.flatMap((file, i) => demonstrations(facts, [file], data.length === 1 ? {} : { output: `runs/variant-${i + 1}` })),
    'pairs': () => run(facts, 'dpo', data, { dpo: { beta: 0.1 } }),
    'cold-start': () => thumbs(facts, data),
    'logs': () => thumbs(facts, data),
    'safety': () => rewardAndPpo(facts, data),
    'reasoning': () => verified(facts, data),
  }
  return situation === null ? [] : build[situation]()
}

function demonstrations(facts: Facts, data: readonly DataFacts[], more: Partial<RecipeInput> = {}): PlannedRun[] {
  const rows = countOf(data)
  return run(facts, 'sft', data, { epochs: rows < 300 ? 3 : rows < 5000 ? 2 : 1, ...more })
}

/** Beyond this ratio of the two thumbs a few answers would decide every step. */
export const heaviestThumb = 10

/** How much the rarer thumb weighs: KTO wants weight times count of the two within a third of each other. */
export function thumbWeight({ up, down }: { readonly up: number; readonly down: number }): number {
  const ratio = Math.max(up, down) / Math.min(up, down)
  return ratio > 4 / 3 ? Math.min(heaviestThumb, Math.round(10 * ratio) / 10) : 1
}

/** Files are often sorted by their thumbs, and steps of one kind alone would pull to and fro: they are shuffled. */
function thumbs(facts: Facts, data: readonly DataFacts[]): PlannedRun[] {
  const { up, down } = labelsOf(data)
  if (up === 0 || down === 0) return []
  const weight = thumbWeight({ up, down })
  return run(facts, 'kto', data, {
    batch: 16, shuffle: true, kto: { beta: 0.1, ...(weight > 1 && { [up < down ? 'desirable_weight' : 'undesirable_weight']: weight }) },
  })
}

function verified(facts: Facts, data: readonly DataFacts[]): PlannedRun[] {
  const [first] = data
  if (first?.check === undefined) return []
  return run(facts, 'grpo', data, {
    batch: 4, grpo: { reward: graderOf(first.check), group_size: 8, max_new_tokens: roomForAnswer(first.check) },
  })
}

/** Tokens for an answer: an object has no more than its keys and values, everything else is reasoned for. */
function roomForAnswer({ compare, longest }: AnswerCheck): number {
  return compare === 'json' ? Math.max(64, 2 ** Math.ceil(Math.log2(longest / 2))) : 128
}

/** The mean of the keys that are right, where the answer is JSON: partial credit gives reinforcement a slope to climb. */
function graderOf({ fields, compare }: AnswerCheck): object {
  const equal = (name: string, input: string, field: string): object =>
    ({ type: 'string_check', name, input, reference: `{{item.${field}}}`, operation: 'eq' })
  if (compare === 'number') return { type: 'number', reference: `{{item.${fields[0]!}}}` }
  if (compare === 'text') return equal('exact', '{{sample.output_text}}', fields[0]!)
  const parts = fields.map((field, i) => [/^[A-Za-z_]\w*$/.test(field) ? field : `key_${i + 1}`, equal(field, `{{sample.output_json.${field}}}`, field)] as const)
  return {
    type: 'multi', name: 'keys', graders: Object.fromEntries(parts),
    calculate_output: `(${parts.map(([name]) => name).join(' + ')}) / ${parts.length}`,
  }
}

/** A reward model of all pairs, then PPO on the prompts: those that are there, or the pairs' own. */
function rewardAndPpo(facts: Facts, data: readonly DataFacts[]): PlannedRun[] {
  const pairs = data.filter(({ kind }) => kind === 'pairs')
  const own = data.filter(({ kind }) => kind === 'prompts')
  const prompts = own.length > 0 ? own : pairs.filter(({ asPrompts }) => asPrompts)
  if (pairs.length === 0) return []
  const models = pairs.length === 1 ? run(facts, 'reward', pairs, { output: 'runs/reward' })
    : pairs.flatMap((file, i) => run(facts, 'reward', [file], { output: `runs/reward-${i + 1}` }))
  const reward = models.map(({ recipe }, i) => ({
    name: models.length === 1 ? 'preference' : `objective-${i + 1}`, weight: 1 / models.length,
    grader: { type: 'reward_model', adapter: `${recipe.output!}/adapter` },
  }))
  const ppo = prompts.length === 0 ? [] : run(facts, 'ppo', prompts, { batch: 16, ppo: { reward, max_new_tokens: 128, temperature: 1, iterations: 2, kl_coef: 0.05 } })
  return [...models, ...ppo]
}

const titles: Readonly<Record<Method, string>> = {
  sft: 'Supervised fine-tuning of an adapter', dpo: 'DPO on the pairs', kto: 'KTO on the thumbs', reward: 'A reward model of the pairs',
  ppo: 'PPO by the reward model', grpo: 'GRPO by the right answers',
}

function run(facts: Facts, method: Method, data: readonly DataFacts[], more: Partial<RecipeInput>): PlannedRun[] {
  if (data.length === 0) return []
  const { model, heldOut } = facts
  const width = model.config?.hiddenSize ?? tried.width
  const held = heldOut?.kind === methods[method]!.rows ? heldOut.name : undefined
  const begin = method === 'reward' ? undefined : initialAdapter(facts, method)
  const { precision, maxLength } = fitOf(facts, data)
  const names = data.map(({ name }) => name)
  const recipe: RecipeInput = {
    model: model.name,
    method,
    data: names.length === 1 ? names[0]! : names,
    ...(held !== undefined && { eval: held }),
    adapter: begin === undefined ? { type: 'lora', rank: 8, alpha: 16, targets: 'all-linear' } : { type: 'lora', init: begin },
    base: { precision },
    optimizer: { lr: rounded(tried.rates[method] * Math.min(1, tried.width / width)) },
    schedule: { name: 'cosine', warmup: method === 'sft' ? 0.03 : 0.1 },
    batch: 8,
    epochs: 1,
    max_length: maxLength,
    ...(held !== undefined && { keep: 'best' as const }),
    output: `runs/${method}`,
    ...more,
  }
  return [{ title: titles[method], recipe }]
}

/** The one that was named; for preferences the newest adapter of an earlier stage: they go on from what was learned before. */
function initialAdapter(facts: Facts, method: Method): string | undefined {
  if (facts.initialAdapter !== undefined) return facts.initialAdapter
  if (method === 'sft') return undefined
  return (plateauRun(facts) ?? facts.runs.findLast((it) => it.method === 'sft'))?.output
}

/** To two significant digits. */
function rounded(rate: number): number {
  return Number(rate.toPrecision(2))
}
