/** What is said of runs, in words. */
import type { WireRun, WireRunStatus } from '../../../../src/server/routes/runs-wire.ts'
import { count, duration } from '../../format.ts'

const methods: Readonly<Record<string, string>> = { sft: 'SFT', dpo: 'DPO', kto: 'KTO', ppo: 'PPO', grpo: 'GRPO', reward: 'reward model' }

export function methodWords(method: string): string {
  return methods[method] ?? method
}

/** What runs are called beside each other: with the end of the id, which is that of the adapter too, where two have the same name. */
export function namesOf(runs: readonly Pick<WireRun, 'id' | 'name'>[]): ReadonlyMap<string, string> {
  const uses = Map.groupBy(runs, ({ name }) => name)
  return new Map(runs.map(({ id, name }) => [id, uses.get(name)!.length === 1 ? name : `${name} ${id.slice(-8)}`]))
}

const moving: ReadonlySet<WireRunStatus> = new Set(['validating_files', 'queued', 'running', 'pausing'])

/** Whether its figures may change by themselves. */
export function isMoving({ status }: Pick<WireRun, 'status'>): boolean {
  return moving.has(status)
}

/** How soon a screen asks again, milliseconds; undefined: nothing will change. */
export function pauseFor(run: Pick<WireRun, 'status'> | undefined): number | undefined {
  if (run === undefined || run.status === 'running' || run.status === 'pausing') return 1000
  return isMoving(run) ? 2000 : run.status === 'paused' ? 5000 : undefined
}

/** "step 120 of 300" */
export function stepWords({ step, steps }: Pick<WireRun, 'step' | 'steps'>): string {
  return steps === null || steps === step ? `${count(step)} ${step === 1 ? 'step' : 'steps'}` : `step ${count(step)} of ${count(steps)}`
}

/** How long it has taken, or has left. @param now seconds since 1970 */
export function timeWords({ status, eta_seconds, started_at, finished_at }: Pick<WireRun, 'status' | 'eta_seconds' | 'started_at' | 'finished_at'>, now = Date.now() / 1000): string {
  if (status === 'running' && eta_seconds !== null) return `${duration(eta_seconds)} left`
  if (started_at === null) return '–'
  if (finished_at !== null) return duration(Math.max(0, finished_at - started_at))
  return status === 'running' ? `${duration(Math.max(0, now - started_at))} so far` : '–'
}

const states: Partial<Record<WireRunStatus, string>> = {
  validating_files: 'The rows are being checked.',
  queued: 'It waits for its turn: one run trains at a time.',
  pausing: 'It will pause at its next checkpoint.',
  paused: 'It stands at a checkpoint and goes on from there, exactly as if it had never stopped.',
  interrupted: 'Its process ended before the run did. posttrain train --resume goes on from the last checkpoint.',
  cancelled: 'It was cancelled. What its checkpoints had learnt is still served.',
}

export function stateWords({ status, finishing }: Pick<WireRun, 'status' | 'finishing'>): string | undefined {
  return finishing ? 'It is about to finish: it is measured, and keeps what it has learnt.' : states[status]
}

/** A value of a recipe, short. */
export function valueWords(value: unknown): string {
  if (value === null || value === undefined) return '–'
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
