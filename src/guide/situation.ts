/** Which row of the decision table a team is in, and why. */
import { isDeepStrictEqual } from 'node:util'
import type { DataKindName } from '../data/kinds.ts'
import type { SituationId } from './decision-table.ts'
import type { DataFacts, Facts, RunFacts } from './facts.ts'
import { fitOf } from './fit.ts'

export interface Finding {
  /** null: there is nothing to learn from yet. */
  readonly situation: SituationId | null
  /** In plain words, with the numbers. */
  readonly reasons: readonly string[]
  /** What is learned from now. */
  readonly data: readonly DataFacts[]
}

/** Fewer rows than this are no signal. */
const leastRows = 10
/** As many stored answers make a log. */
const logSize = 1000

/** The first rule that fits, in the order of the headline path: demonstrations, then preferences, then reinforcement. */
export function findSituation(facts: Facts): Finding {
  const found = goalOf(facts) ?? forgettingOf(facts) ?? plateauOf(facts) ?? objectivesOf(facts) ?? demonstrationsOf(facts) ?? pairsOf(facts) ?? thumbsOf(facts) ??
    reasoningOf(facts)
  return found ?? { situation: null, reasons: [nothing(facts)], data: [] }
}

/** Rows of a kind, as many as are worth it. */
export function rowsOf({ data }: Facts, kind: DataKindName): DataFacts[] {
  return data.filter((file) => file.kind === kind && file.rows >= leastRows)
}

export function countOf(data: readonly DataFacts[]): number {
  return data.reduce((sum, { rows }) => sum + rows, 0)
}

/** The rows that each situation learns from. */
export const kindsOfGoal: Readonly<Record<SituationId, readonly DataKindName[]>> = {
  'domain': ['sft'], 'format': ['sft'], 'limited-compute': ['sft'], 'variants': ['sft'], 'forgetting': ['sft'],
  'cold-start': ['labelled'], 'logs': ['labelled'], 'pairs': ['pairs'], 'safety': ['pairs', 'prompts'], 'reasoning': ['prompts'],
}

function goalOf(facts: Facts): Finding | undefined {
  const { goal } = facts
  if (goal === undefined) return undefined
  const data = kindsOfGoal[goal].flatMap((kind) => rowsOf(facts, kind))
  return { situation: goal, reasons: [`This is the goal that you named. ${inventory(facts)}`], data }
}

function forgettingOf(facts: Facts): Finding | undefined {
  const data = rowsOf(facts, 'sft')
  const run = facts.runs.findLast(({ method }) => method === 'sft')
  if (run === undefined || run.adapter === 'lora' || !run.forgets || data.length === 0) return undefined
  return {
    situation: 'forgetting', data,
    reasons: [`${run.name} trained every weight, and its loss on general questions rose by ${percent(run.generalChange ?? 0)}: the model forgets what it knew.`,
      'With an adapter the base stays as it is and can be had back by taking the adapter off.'],
  }
}

const offline = ['dpo', 'kto']

/** The last preference run, where its held-out measure no longer moved. */
export function plateauRun({ runs }: Pick<Facts, 'runs'>): RunFacts | undefined {
  const last = runs.findLast(({ method }) => offline.includes(method))
  return last?.plateau === true ? last : undefined
}

function plateauOf(facts: Facts): Finding | undefined {
  const run = plateauRun(facts)
  if (run === undefined) return undefined
  const reasons = [`${run.name} (${run.method.toUpperCase()}) stopped getting better on held-out rows before it ended: the offline method has plateaued.`]
  const [prompts, pairs] = [verifiable(facts), rowsOf(facts, 'pairs')]
  if (prompts.length > 0) {
    return { situation: 'reasoning', data: prompts, reasons: [...reasons, `${countOf(prompts)} prompts have an answer that a program can check.`] }
  }
  if (pairs.length === 0) return undefined
  return {
    situation: 'safety', data: [...pairs, ...rowsOf(facts, 'prompts')],
    reasons: [...reasons, `${countOf(pairs)} preference pairs are enough to begin a reward model with.`],
  }
}

/** Several files of pairs, each judged by something else, and prompts to answer. */
function objectivesOf(facts: Facts): Finding | undefined {
  const [pairs, prompts] = [rowsOf(facts, 'pairs'), rowsOf(facts, 'prompts')]
  if (pairs.length < 2 || prompts.length === 0 || demonstrationsAreDue(facts)) return undefined
  return {
    situation: 'safety', data: [...pairs, ...prompts],
    reasons: [`${pairs.length} sets of preference pairs (${names(pairs)}) are as many objectives, to be weighed against each other.`,
      `${countOf(prompts)} prompts are there to be answered under their reward.`],
  }
}

function demonstrationsAreDue(facts: Facts): boolean {
  return rowsOf(facts, 'sft').length > 0 && !facts.runs.some(({ method }) => method === 'sft')
}

const forms = {
  json: 'JSON', fields: 'lines of the form “Field: value”', labels: 'one of a few short labels',
} as const

function demonstrationsOf(facts: Facts): Finding | undefined {
  const data = rowsOf(facts, 'sft')
  const preferences = [...rowsOf(facts, 'pairs'), ...rowsOf(facts, 'labelled'), ...verifiable(facts)]
  if (data.length === 0 || (!demonstrationsAreDue(facts) && preferences.length > 0)) return undefined
  const first = `${countOf(data)} rows show answers as they should be${preferences.length > 0 ? ', and nothing was trained on them yet: preferences come after' : ''}.`
  const { machine, variants } = facts
  if (variants > 1) {
    return { situation: 'variants', data, reasons: [first, `${variants} models are asked for that answer the same prompts in different ways.`] }
  }
  const { precision, wantedMb } = fitOf(facts, data)
  if (precision !== 'auto') {
    return {
      situation: 'limited-compute', data,
      reasons: [first, `Training over a base in 8 bits takes about ${wantedMb} MB, and this machine has ${machine.memoryMb} MB.`],
    }
  }
  const form = data[0]?.form
  if (form !== undefined && data.every((file) => file.form === form)) {
    return { situation: 'format', data, reasons: [first, `Nearly all answers are ${forms[form]}: what is to be learned is a form.`] }
  }
  return { situation: 'domain', data, reasons: [first, 'The answers have no form in common: what is to be learned is what they say.'] }
}

function pairsOf(facts: Facts): Finding | undefined {
  const data = rowsOf(facts, 'pairs')
  if (data.length === 0) return undefined
  return { situation: 'pairs', data, reasons: [`${countOf(data)} pairs say which of two answers is better.`] }
}

function thumbsOf(facts: Facts): Finding | undefined {
  const data = rowsOf(facts, 'labelled')
  if (data.length === 0) return undefined
  const { up, down } = labelsOf(data)
  const first = `${up + down} answers have a thumb (${up} up, ${down} down), and no two were compared.`
  const tried = plateauRun(facts)
  if (tried !== undefined) {
    return { situation: 'cold-start', data, reasons: [first, `${tried.name} (${tried.method.toUpperCase()}) has plateaued: new thumbs may bring more, the same ones will not. Reinforcement needs pairs, or prompts with a right answer.`] }
  }
  const { store } = facts
  if (store !== undefined && (store.foreign > 0 || store.completions >= logSize)) {
    return { situation: 'logs', data, reasons: [first, `They come from a log of ${store.completions} answers: nobody has to annotate anything.`] }
  }
  return { situation: 'cold-start', data, reasons: [first] }
}

export function labelsOf(data: readonly DataFacts[]): { up: number; down: number } {
  return data.reduce(({ up, down }, { labels }) => ({ up: up + (labels?.up ?? 0), down: down + (labels?.down ?? 0) }), { up: 0, down: 0 })
}

function reasoningOf(facts: Facts): Finding | undefined {
  const data = verifiable(facts)
  if (data.length === 0) return undefined
  const fields = data[0]!.check!.fields.map((name) => `“${name}”`).join(', ')
  return {
    situation: 'reasoning', data,
    reasons: [`${countOf(data)} prompts have the right answer beside them (${fields}): a program can tell whether an answer is right.`],
  }
}

/** Prompts whose answers one program can check. */
function verifiable(facts: Facts): DataFacts[] {
  const prompts = rowsOf(facts, 'prompts').filter(({ check }) => check !== undefined)
  const wayOf = ({ check }: DataFacts): unknown => [check!.fields, check!.compare]
  return prompts.filter((file) => isDeepStrictEqual(wayOf(file), wayOf(prompts[0]!)))
}

function nothing(facts: Facts): string {
  const prompts = facts.data.filter(({ kind }) => kind === 'prompts')
  const answered = prompts.find(({ answers }) => answers !== undefined)
  if (answered !== undefined) {
    return `${answered.name} has whole answers in the field “${answered.answers}”, too long for a program to compare: name the field \`completion\`, and SFT learns from them.`
  }
  if (prompts.length > 0) {
    return `${countOf(prompts)} prompts are there, but nothing says what a good answer is: no answers, no thumbs, and no field with the right result.`
  }
  return `There is nothing to learn from yet. ${inventory(facts)}`
}

function inventory({ data, store }: Facts): string {
  if (data.length > 0) return `There are ${data.map(({ name, rows, kind }) => `${rows} rows (${kind}) in ${name}`).join(', ')}.`
  return store === undefined ? 'No data were named.' : `${store.completions} answers are stored, and too little was said of them.`
}

function names(data: readonly DataFacts[]): string {
  return data.map(({ name }) => name).join(', ')
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(0)}%`
}
