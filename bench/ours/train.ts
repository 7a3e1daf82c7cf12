/**
 * A training run and its time: as a peer of peers/trl_*.py, for every method. Prints one JSON line.
 *
 *     node bench/ours/train.ts RECIPE.yaml
 *
 * Medians over the steps after two of warm-up, without the checkpoints between them; `reference_seconds` is what came
 * before the first step for the reference policy's sake; `peak_mb` is taken before the evaluation that ends the run.
 */
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { train } from '../../src/train/train.ts'
import type { TrainEvent } from '../../src/train/events.ts'
import type { RecipeInput } from '../../src/train/recipe.ts'
import { median } from '../table.ts'

const warmupSteps = 2

interface Moment {
  readonly event: TrainEvent
  /** Seconds by the clock, and of all processors together. */
  readonly at: number
  readonly cpu: number
}

const recipe = parse(readFileSync(process.argv[2]!, 'utf8')) as RecipeInput
const moments: Moment[] = []
await train(recipe, {
  overwrite: true,
  onEvent: (event) => {
    const { user, system } = process.cpuUsage()
    moments.push({ event, at: performance.now() / 1000, cpu: (user + system) / 1e6 })
  },
})

const steps = moments.flatMap((moment) => (moment.event.type === 'step' ? [{ ...moment, event: moment.event }] : []))
const durations = (of: (moment: Moment) => number): number[] =>
  steps.slice(1).map((moment, i) => of(moment) - of(steps[i]!)).slice(warmupSteps - 1)
const last = steps.at(-1)!.event
console.log(JSON.stringify({
  peer: 'posttrain', steps: steps.length,
  step_seconds: median(durations(({ at }) => at)),
  step_cpu_seconds: median(durations(({ cpu }) => cpu)),
  reference_seconds: between('reference', 'compiling the training graph', ({ at }) => at),
  reference_cpu_seconds: between('reference', 'compiling the training graph', ({ cpu }) => cpu),
  peak_mb: last.memory_mb, loss: last.loss, metrics: last.metrics,
}))

/** From the first status that begins with one text to the first that begins with the other; 0 where there is none. */
function between(start: string, end: string, of: (moment: Moment) => number): number {
  const first = (text: string) => moments.find(({ event }) => event.type === 'status' && event.text.startsWith(text))
  const [from, to] = [first(start), first(end)]
  return from === undefined || to === undefined ? 0 : of(to) - of(from)
}
