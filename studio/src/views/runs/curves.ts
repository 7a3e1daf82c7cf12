/** Which curves a run has, and how they are drawn: a chart for what belongs together. */
import type { WireCurves, WireRunMetrics } from '../../../../src/server/routes/runs-wire.ts'
import type { ChartSeries } from '../../parts/chart.ts'

/** A metric of the steps, or of the evaluations. */
export interface Curve {
  readonly key: string
  readonly label: string
  readonly of: 'steps' | 'evaluations'
  /** The metric that says how far values spread around this one. */
  readonly spread?: string
}

export interface ChartPlan {
  readonly title: string
  readonly curves: readonly Curve[]
  /** What concerns the machine and the optimizer, asked for seldom. */
  readonly aside: boolean
}

const step = (key: string, label: string, spread?: string): Curve => ({ key, label, of: 'steps', ...(spread !== undefined && { spread }) })
const measured = (key: string, label: string): Curve => ({ key, label, of: 'evaluations' })

const known: readonly (readonly [title: string, curves: readonly Curve[], aside?: boolean])[] = [
  ['Reward', [step('reward', 'reward (± standard deviation in the group)', 'reward_std'), measured('reward', 'held-out reward')]],
  ['Loss', [step('loss', 'training loss'), measured('loss', 'held-out loss')]],
  ['Rewards of chosen and rejected answers', [step('rewards/chosen', 'chosen'), step('rewards/rejected', 'rejected'), step('rewards/margins', 'margin')]],
  ['Chosen answer preferred', [step('rewards/accuracies', 'training rows'), measured('rewards/accuracies', 'held-out rows')]],
  ['Log-probability of the answers', [step('logps/chosen', 'chosen'), step('logps/rejected', 'rejected')]],
  ['Distance from the model at the start (KL)', [step('kl', 'KL')]],
  ['Entropy', [step('entropy', 'entropy')]],
  ['Length of the answers', [step('completion_length', 'tokens'), measured('completion_length', 'held-out rows, tokens')]],
  ['Share of answers', [step('completions/clipped_ratio', 'cut at the limit'), step('frac_reward_null', 'that could not be graded'), step('frac_reward_zero_std', 'in groups of equal rewards'), step('clip_ratio', 'tokens whose ratio was clipped')]],
  ['Parts of the loss', [step('loss/policy', 'policy'), step('loss/value', 'value')]],
  ['Forgetting: loss on the general set', [measured('general_loss', 'general loss')]],
  ['Speed, tokens per second', [step('tokens_per_second', 'tokens per second')], true],
  ['Memory, MiB', [step('memory_mb', 'highest so far')], true],
  ['Learning rate', [step('lr', 'learning rate')], true],
  ['Gradient norm before clipping', [step('grad_norm', 'gradient norm')], true],
]

/** What is drawn in no chart of its own: counters, and what is another's spread. */
const passedOver = new Set(['epoch', 'tokens', 'reward_std'])

/** The charts for metrics that are there; a metric that no chart knows has one of its own. */
export function chartsFor(steps: readonly string[], evaluations: readonly string[]): ChartPlan[] {
  const there = { steps: new Set(steps), evaluations: new Set(evaluations) }
  const charts = known.flatMap(([title, all, aside = false]): ChartPlan[] => {
    const curves = all.filter(({ key, of }) => there[of].has(key))
    return curves.length === 0 ? [] : [{ title, curves, aside }]
  })
  const drawn = new Set(known.flatMap(([, curves]) => curves.map(({ key }) => key)))
  const others = steps.filter((key) => !drawn.has(key) && !passedOver.has(key))
  return [...charts, ...others.map((key): ChartPlan => ({ title: key, curves: [step(key, key)], aside: true }))]
}

/** With several runs a chart has one metric, and its held-out counterpart: colours are the runs'. */
export function overlaid(charts: readonly ChartPlan[]): ChartPlan[] {
  return charts.flatMap((chart) => {
    const steps = chart.curves.filter(({ of }) => of === 'steps')
    if (steps.length < 2) return [chart]
    return steps.map((curve) => ({ ...chart, title: `${chart.title}: ${curve.label}`, curves: [curve, ...chart.curves.filter(({ key, of }) => of === 'evaluations' && key === curve.key)] }))
  })
}

/** @param name how the run is called where there are several */
export function seriesOf(curves: readonly Curve[], metrics: WireRunMetrics, name?: { readonly label: string; readonly colour: number }): ChartSeries[] {
  return curves.flatMap((curve) => {
    const from: WireCurves = curve.of === 'steps' ? metrics : metrics.evaluations
    const values = from.series[curve.key]
    if (values === undefined || from.steps.length === 0) return []
    const spread = curve.spread === undefined ? undefined : from.series[curve.spread]
    return [{
      label: name === undefined ? curve.label : `${name.label}${curve.of === 'evaluations' ? `, ${curve.label}` : ''}`,
      x: from.steps,
      y: values.mean,
      ...bandOf(values, spread),
      ...(curve.of === 'evaluations' && { dots: true }),
      ...(name !== undefined && { colour: name.colour, dashed: curve.of === 'evaluations' }),
    }]
  })
}

type Series = WireCurves['series'][string]

function bandOf({ mean, min, max }: Series, spread: Series | undefined): Pick<ChartSeries, 'low' | 'high'> {
  if (spread === undefined) return { low: min, high: max }
  const moved = (sign: 1 | -1) => mean.map((value, i) => (value === null || spread.mean[i] == null ? null : value + sign * spread.mean[i]))
  return { low: moved(-1), high: moved(1) }
}
