import type { WireRunDetail } from '../../../../src/server/routes/runs-wire.ts'
import { count, figure, percent } from '../../format.ts'

export interface Headline {
  readonly name: string
  readonly value: string
  readonly note?: string
}

type Evaluations = Pick<WireRunDetail, 'evaluations'>

/** What was measured, at the start and now, in the order of its weight. */
export function headlines(run: Evaluations & Pick<WireRunDetail, 'loss' | 'reward'>): Headline[] {
  return [
    ...changeOf('Held-out reward', run, 'reward', 'highest'),
    ...(run.reward === null ? [] : [{ name: 'Reward', value: figure(run.reward), note: 'of the answers sampled last' }]),
    ...changeOf('Held-out loss', run, 'loss', 'lowest'),
    ...(run.loss === null ? [] : [{ name: 'Training loss', value: figure(run.loss), note: 'of the last step' }]),
    ...accuracyOf(run),
    ...generalOf(run),
  ]
}

function valuesOf({ evaluations }: Evaluations, key: string): { readonly step: number; readonly value: number }[] {
  return evaluations.flatMap(({ step, metrics }) => (metrics[key] === undefined ? [] : [{ step, value: metrics[key] }]))
}

function changeOf(name: string, run: Evaluations, key: string, best: 'highest' | 'lowest'): Headline[] {
  const values = valuesOf(run, key)
  const [first, last] = [values[0], values.at(-1)]
  if (first === undefined || last === undefined) return []
  if (values.length === 1) return [{ name, value: figure(first.value), note: `at step ${count(first.step)}` }]
  const extreme = values.reduce((a, b) => ((best === 'lowest' ? b.value < a.value : b.value > a.value) ? b : a))
  const note = extreme === last ? `from ${figure(first.value)}` : `from ${figure(first.value)}; ${best} ${figure(extreme.value)} at step ${count(extreme.step)}`
  return [{ name, value: figure(last.value), note }]
}

function accuracyOf(run: Evaluations): Headline[] {
  const values = valuesOf(run, 'rewards/accuracies')
  const [first, last] = [values[0], values.at(-1)]
  if (first === undefined || last === undefined) return []
  // Where rewards are relative to the reference, every pair is a tie until the first step: no share of them says anything yet.
  const tiedAtFirst = Math.abs(valuesOf(run, 'rewards/margins')[0]?.value ?? Infinity) < 1e-3
  const note = tiedAtFirst ? 'moved towards the chosen answer' : `from ${percent(first.value)}`
  return [{ name: 'Held-out pairs right', value: percent(last.value), ...(values.length > 1 && { note }) }]
}

/** Beyond this the report speaks of forgetting, too. */
const noticeable = 0.02

function generalOf(run: Evaluations): Headline[] {
  const values = valuesOf(run, 'general_loss')
  const [first, last] = [values[0], values.at(-1)]
  if (first === undefined || last === undefined) return []
  if (values.length === 1) return [{ name: 'General loss', value: figure(first.value), note: 'before the first step' }]
  const change = last.value / first.value - 1
  const verdict = change > noticeable ? 'it forgets' : 'general skills are kept'
  return [{ name: 'General loss', value: figure(last.value), note: `${change >= 0 ? '+' : '−'}${percent(Math.abs(change), 1)}: ${verdict}` }]
}
