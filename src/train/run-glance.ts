/** What the folder of a run says of it at a glance: from the ends of its logs, however long they are. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { openPlain } from './growing-lines.ts'
import { isLocked } from './lock.ts'
import { parseRecord } from './metric-columns.ts'
import type { Recipe } from './recipe.ts'
import { runPaths } from './run-folder.ts'

/** `interrupted`: its process has ended before it did; it can be resumed. */
export type RunStatus = 'running' | 'succeeded' | 'failed' | 'interrupted'

export interface RunGlance {
  readonly status: RunStatus
  /** Milliseconds since 1970. */
  readonly startedAt: number | null
  readonly finishedAt: number | null
  readonly step: number
  /** undefined: not known yet. */
  readonly steps: number | undefined
  readonly loss: number | undefined
  /** Mean reward of the answers that were sampled last. */
  readonly reward: number | undefined
  /** On the held-out rows, as it was measured last. */
  readonly evalLoss: number | undefined
  readonly evalReward: number | undefined
  /** While it runs. */
  readonly etaSeconds: number | undefined
  /** Why it failed. */
  readonly error: string | undefined
}

type LogRecord = NonNullable<ReturnType<typeof parseRecord>>

/** How many bytes of a log's end are read: some dozen lines. */
const tailBytes = { metrics: 1 << 14, events: 1 << 16 }
const headBytes = 1 << 12

/** @param plan how long the recipe makes the run, where it has begun before it noted so itself */
export async function glanceAt(folder: string, plan: Partial<Pick<Recipe, 'steps' | 'epochs'>> = {}): Promise<RunGlance> {
  const paths = runPaths(folder)
  const [[first], steps, events] = await Promise.all([
    recordsIn(paths.events, 0, headBytes), recordsIn(paths.metrics, -tailBytes.metrics, tailBytes.metrics),
    recordsIn(paths.events, -tailBytes.events, tailBytes.events),
  ])
  const last = steps.at(-1)
  const failure = events.at(-1)?.['type'] === 'failed' ? events.at(-1) : undefined
  const status: RunStatus = existsSync(paths.report) ? 'succeeded' : isLocked(join(folder, '.lock')) ? 'running' : failure !== undefined ? 'failed' : 'interrupted'
  const planned = status === 'succeeded' ? last?.step : numberOf(first, 'steps') ?? plan.steps ?? stepsFrom(last, plan.epochs)
  const finished = events.findLast(({ type }) => type === 'finished')
  return {
    status,
    startedAt: timeOf(first),
    finishedAt: status === 'succeeded' ? timeOf(finished) : null,
    step: last?.step ?? 0,
    steps: planned,
    loss: numberOf(last, 'loss'),
    reward: lastOf(steps, 'reward'),
    evalLoss: lastOf(evaluationsOf(events), 'loss'),
    evalReward: lastOf(evaluationsOf(events), 'reward'),
    etaSeconds: status === 'running' && planned !== undefined ? etaOf(steps, planned) : undefined,
    error: status === 'failed' ? String(failure?.['message'] ?? '') : undefined,
  }
}

function evaluationsOf(events: readonly LogRecord[]): LogRecord[] {
  return events.filter(({ type }) => type === 'evaluation')
}

/** The whole lines of a part of a log. @param from bytes; negative: from its end */
async function recordsIn(path: string, from: number, bytes: number): Promise<LogRecord[]> {
  const file = await openPlain(path)
  if (file === undefined) return []
  try {
    const stat = await file.stat()
    if (!stat.isFile()) return []
    const start = from >= 0 ? from : Math.max(0, stat.size + from)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(bytes, stat.size)), 0, Math.min(bytes, stat.size), start)
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n')
    // What is cut off at either end is no line.
    return lines.slice(start > 0 ? 1 : 0, -1).flatMap((line) => parseRecord(line) ?? [])
  } finally {
    await file.close()
  }
}

function numberOf(record: LogRecord | undefined, key: string): number | undefined {
  const value = record?.[key]
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

function lastOf(records: readonly LogRecord[], key: string): number | undefined {
  return numberOf(records.findLast((record) => numberOf(record, key) !== undefined), key)
}

function timeOf(record: LogRecord | undefined): number | null {
  const time = Date.parse(String(record?.['time']))
  return Number.isNaN(time) ? null : time
}

/** Runs of before did not note how many steps they had: as many as an epoch's share has taken so far. */
function stepsFrom(last: LogRecord | undefined, epochs: number | undefined): number | undefined {
  const epoch = numberOf(last, 'epoch')
  if (last === undefined || epoch === undefined || epoch <= 0 || epochs === undefined) return undefined
  return Math.max(last.step, Math.ceil(Math.ceil(last.step / epoch - 1e-6) * epochs - 1e-6))
}

/** At the recent steps' tokens and speed. */
function etaOf(recent: readonly LogRecord[], steps: number): number | undefined {
  const [first, last] = [recent[0], recent.at(-1)]
  const [speed, before, after] = [numberOf(last, 'tokens_per_second'), numberOf(first, 'tokens'), numberOf(last, 'tokens')]
  if (first === undefined || last === undefined || speed === undefined || speed <= 0 || before === undefined || after === undefined) return undefined
  const perStep = last.step > first.step ? (after - before) / (last.step - first.step) : after / last.step
  return ((steps - last.step) * perStep) / speed
}
