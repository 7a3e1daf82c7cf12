/** The figures of a run, from the files in its folder. */
import { UserError } from '../errors.ts'
import { loadTrainState } from './checkpoint.ts'
import { openCheckpointFolder } from './checkpoint-folder.ts'
import { readLines } from './lines.ts'
import type { Sample, StepMetrics, StoredEvent } from './records.ts'
import { runPaths } from './run-folder.ts'

/** A value at the start of a run and at its end. */
export interface Change {
  readonly before: number
  readonly after: number
}

export interface Evaluation {
  readonly step: number
  /** The method's loss on the held-out rows; undefined: there are none, or their answers are graded. */
  readonly loss: number | undefined
  /** Mean loss per token on the general set. */
  readonly generalLoss: number | undefined
  /** What else the method measures on the held-out rows, `reward` of methods that sample answers among it. */
  readonly metrics: Readonly<Record<string, number>>
}

/** An evaluation of held-out rows. */
export interface BestEvaluation extends Evaluation {
  /** What is to become small: the loss, or the negative reward. */
  readonly objective: number
}

export interface RunSummary {
  readonly steps: number
  readonly epochs: number
  /** Trained on, over the whole run. */
  readonly tokens: number
  /** Median over the steps. */
  readonly tokensPerSecond: number
  /** The highest of all sessions, MiB. */
  readonly peakMemoryMb: number
  /** Spent training, over all sessions; undefined where no checkpoint tells. */
  readonly elapsedSeconds: number | undefined
  readonly resumptions: number
  /** Training losses in order of the steps. */
  readonly losses: readonly number[]
  /** Mean rewards of the sampled answers in order of the steps that sampled; empty for other methods. */
  readonly rewards: readonly number[]
  /** The method's own metrics (`rewards/margins`): means over the first and the last tenth of the steps that have it. */
  readonly metrics: ReadonlyMap<string, Change>
  readonly evaluations: readonly Evaluation[]
  /** The evaluation with the lowest held-out loss, or the highest held-out reward. */
  readonly best: BestEvaluation | undefined
  /** Answers that were logged, in order. */
  readonly samples: readonly Sample[]
  /** General loss at the first and the last evaluation that measured it. */
  readonly general: Change | undefined
  /** Why it stopped early, and what it warned of. */
  readonly messages: readonly string[]
}

/** What every method logs; the rest are metrics of its own. */
const common = new Set(['step', 'epoch', 'loss', 'grad_norm', 'lr', 'tokens', 'tokens_per_second', 'memory_mb'])

/** Throws a UserError where a log is damaged. A run that has not begun has zeros. */
export function summarizeRun(folder: string): RunSummary {
  const paths = runPaths(folder)
  const steps = readLines<StepMetrics>(paths.metrics)
  const events = readLines<StoredEvent>(paths.events)
  const evaluations = evaluationsOf(events)
  const general = evaluations.map(({ generalLoss }) => generalLoss).filter((loss) => loss !== undefined)
  const last = steps.at(-1)
  return {
    steps: last?.step ?? 0,
    epochs: last?.epoch ?? 0,
    tokens: last?.tokens ?? 0,
    tokensPerSecond: median(steps.map((step) => step.tokens_per_second)),
    peakMemoryMb: steps.reduce((peak, step) => Math.max(peak, step.memory_mb), 0),
    elapsedSeconds: elapsedSeconds(paths.checkpoints),
    resumptions: events.filter(({ type }) => type === 'resumed').length,
    losses: steps.map(({ loss }) => loss),
    rewards: steps.flatMap(({ reward }) => (reward === undefined ? [] : [reward])),
    metrics: ownMetrics(steps),
    evaluations,
    best: bestOf(evaluations),
    samples: readLines<Sample>(paths.samples),
    general: general.length < 2 ? undefined : { before: general[0]!, after: general.at(-1)! },
    messages: events.flatMap((event) => (event.type !== 'evaluation' && 'message' in event ? [event.message] : [])),
  }
}

/** Fields of an evaluation's line that are no metrics of the method. */
const notMetrics = new Set(['step', 'type', 'time', 'loss', 'general_loss'])

/** One for each step, with what was measured at it last: a run that was killed at its end measures once more. */
function evaluationsOf(events: readonly StoredEvent[]): Evaluation[] {
  const found = new Map<number, Evaluation>()
  for (const event of events) {
    if (event.type !== 'evaluation') continue
    const before = found.get(event.step)
    const { step, loss = before?.loss, general_loss: generalLoss = before?.generalLoss } = event
    const own = Object.entries(event).filter((entry): entry is [string, number] => !notMetrics.has(entry[0]) && typeof entry[1] === 'number')
    found.set(step, { step, loss, generalLoss, metrics: { ...before?.metrics, ...Object.fromEntries(own) } })
  }
  return [...found.values()]
}

/** What an evaluation was to make small; undefined where no held-out rows were measured. */
export function objectiveOf({ loss, metrics: { reward } }: Evaluation): number | undefined {
  return loss ?? (reward === undefined ? undefined : -reward)
}

function bestOf(evaluations: readonly Evaluation[]): RunSummary['best'] {
  const measured = evaluations.flatMap((evaluation): BestEvaluation[] => {
    const objective = objectiveOf(evaluation)
    return objective !== undefined && Number.isFinite(objective) ? [{ ...evaluation, objective }] : []
  })
  return measured.reduce<RunSummary['best']>((best, it) => (best === undefined || it.objective < best.objective ? it : best), undefined)
}

/** A metric on the held-out rows before the first step and at the end; undefined where it was not measured twice. */
export function heldOutChange({ evaluations }: Pick<RunSummary, 'evaluations'>, name: string): Change | undefined {
  const values = evaluations.flatMap(({ metrics }) => (metrics[name] === undefined ? [] : [metrics[name]]))
  return values.length < 2 ? undefined : { before: values[0]!, after: values.at(-1)! }
}

function ownMetrics(steps: readonly StepMetrics[]): Map<string, Change> {
  const names = new Set(steps.flatMap((step) => Object.keys(step).filter((name) => !common.has(name))))
  return new Map([...names].map((name) => {
    const values = steps.map((step) => step[name]).filter((value) => value !== undefined)
    const tenth = Math.ceil(values.length / 10)
    return [name, { before: mean(values.slice(0, tenth)), after: mean(values.slice(-tenth)) }]
  }))
}

/** As the newest checkpoint has it whose state can be read: for a figure nobody waits until all of it is checked. */
function elapsedSeconds(checkpoints: string): number | undefined {
  for (const { path } of openCheckpointFolder(checkpoints).all()) {
    try {
      return loadTrainState(path).elapsedSeconds
    } catch (error) {
      if (!(error instanceof UserError)) throw error
    }
  }
  return undefined
}

/** Mean of the finite values; NaN where there are none. */
export function mean(values: readonly number[]): number {
  const finite = values.filter(Number.isFinite)
  return finite.reduce((sum, value) => sum + value, 0) / finite.length
}

function median(values: readonly number[]): number {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
