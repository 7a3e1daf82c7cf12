/** All that a screen shows of one run, but for its curves and samples. */
import { lstat, readdir } from 'node:fs/promises'
import { openPlain } from '../train/growing-lines.ts'
import { thinned } from '../train/markdown.ts'
import { runPaths } from '../train/run-folder.ts'
import type { PlainEvent, RunLogs } from '../train/run-logs.ts'
import { jobFolder } from './job-folder.ts'
import type { Job } from './job-states.ts'
import type { Promotion } from './promotion.ts'
import type { RunCheckpoint, RunDetail, RunEvaluation, RunLogEvent } from './run-facts.ts'
import { readRunRecipe, type RunRecipe } from './run-recipes.ts'
import type { RootedRun } from './run-roots.ts'
import { summaryOfFolder, summaryOfJob, type SummaryParts } from './run-summaries.ts'

/** The most events, evaluations and checkpoints that are told. */
const most = { events: 300, evaluations: 200, checkpoints: 50 }
const mostReportBytes = 1 << 20

export async function detailsOfJob(parts: SummaryParts, job: Job, files: ReadonlyMap<string, string>, logs: RunLogs): Promise<RunDetail> {
  const { store, directory } = parts
  const { path, run } = jobFolder(directory, job.id)
  const asked = askedRecipe(job)
  const [summary, carriedOut, report, sampled, events, checkpoints] = await Promise.all([
    summaryOfJob(parts, job, files),
    readRunRecipe(run),
    reportOf(run),
    hasSamples(run),
    store.db.selectFrom('job_events').selectAll().where('job_id', '=', job.id).where('type', '=', 'message').orderBy('sequence', 'desc').limit(most.events).execute(),
    store.db.selectFrom('job_checkpoints').select(['step', 'adapter_id as adapter']).where('job_id', '=', job.id).orderBy('step', 'desc').limit(most.checkpoints).execute(),
  ])
  return {
    ...summary,
    // `auto` is the precision that it came to.
    recipe: { ...asked, ...(carriedOut !== undefined && { base: carriedOut.recipe['base'] }) },
    events: events.map(({ created_at, level, message }) => ({ at: created_at, level, message, step: null })),
    // Where things lie on this machine is no client's business; how the adapter is used, the Studio says.
    report: report === null ? null : withoutSection(report, 'Use it').replaceAll(`${path}/`, '').replaceAll(String(carriedOut?.recipe['model']), String(asked['model'])),
    promotion: job.promotion_json === null ? null : JSON.parse(job.promotion_json) as Promotion,
    checkpoints,
    sampled,
    ...figuresOf(logs),
  }
}

export async function detailsOfFolder(rooted: RootedRun, logs: RunLogs): Promise<RunDetail> {
  const { path } = rooted
  const [summary, report, sampled, checkpoints] = await Promise.all([summaryOfFolder(rooted), reportOf(path), hasSamples(path), checkpointsOf(path)])
  return {
    ...summary,
    recipe: rooted.recipe,
    events: logs.events.slice(-most.events).toReversed().map(logEvent),
    report,
    promotion: null,
    checkpoints,
    sampled,
    ...figuresOf(logs),
  }
}

/** The recipe with names for paths. */
function askedRecipe({ recipe_json }: Job): RunRecipe {
  const { output: _output, ...recipe } = JSON.parse(recipe_json) as RunRecipe & { readonly output?: string }
  return recipe
}

async function reportOf(folder: string): Promise<string | null> {
  const file = await openPlain(runPaths(folder).report)
  if (file === undefined) return null
  try {
    const stat = await file.stat()
    return stat.isFile() && stat.size <= mostReportBytes ? await file.readFile('utf8') : null
  } finally {
    await file.close()
  }
}

/** A report without one of its sections. */
function withoutSection(report: string, title: string): string {
  return report.split(/^(?=## )/m).filter((section) => !section.startsWith(`## ${title}\n`)).join('')
}

async function checkpointsOf(folder: string): Promise<RunCheckpoint[]> {
  const names = await readdir(runPaths(folder).checkpoints).catch(() => [])
  const steps = names.flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? []).map(Number)
  return steps.sort((a, b) => b - a).slice(0, most.checkpoints).map((step) => ({ step, adapter: null }))
}

async function hasSamples(folder: string): Promise<boolean> {
  const { size } = await lstat(runPaths(folder).samples).catch(() => ({ size: 0 }))
  return size > 0
}

function figuresOf({ metrics, evaluations }: RunLogs) {
  return {
    evaluations: evaluationsOf(evaluations),
    tokens: metrics.last('tokens') ?? null,
    tokensPerSecond: metrics.last('tokens_per_second') ?? null,
    memoryMb: metrics.greatest('memory_mb') ?? null,
    keys: metrics.keys,
  }
}

function evaluationsOf(columns: RunLogs['evaluations']): readonly RunEvaluation[] {
  const rows = thinned(Array.from({ length: columns.length }, (_, row) => row), most.evaluations)
  return rows.map((row) => ({ step: columns.step(row), metrics: columns.row(row) }))
}

function logEvent(event: PlainEvent): RunLogEvent {
  const level = event.type === 'failed' ? 'error' : event.type === 'warning' ? 'warn' : 'info'
  return { at: Date.parse(event.time), level, message: messageOfEvent(event), step: event.step }
}

function messageOfEvent(event: PlainEvent): string {
  switch (event.type) {
    case 'started': return event.steps === undefined ? 'Started' : `Started: ${event.steps} steps`
    case 'finished': return 'Finished'
    case 'resumed': return ['Resumed', ...event.damaged.map((text) => `passed over: ${text}`)].join('; ')
    case 'stopped': return `Stopped: ${event.message}`
    case 'warning': case 'failed': return event.message
  }
}
