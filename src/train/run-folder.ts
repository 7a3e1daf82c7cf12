/**
 * A run is a folder of plain files:
 *
 *     recipe.yaml          what was asked, with every default filled in
 *     metrics.jsonl        one line per optimizer step
 *     samples.jsonl        what the model said along the way
 *     events.jsonl         started, resumed, evaluations, stopped, finished
 *     checkpoints/step-N/  from which the run can go on
 *     adapter/             the result (model/ after full fine-tuning)
 *     report.md            written last: a run with a report is finished
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { UserError, messageOf } from '../errors.ts'
import { explainWrite, writeFileDurably } from '../files.ts'
import { openCheckpointFolder, removePartials } from './checkpoint-folder.ts'
import type { CheckpointFolder, CheckpointPlace } from './checkpoint-folder.ts'
import { cutLines, openLineLog } from './lines.ts'
import { acquireLock } from './lock.ts'
import type { RunEvent, Sample, StepMetrics, StoredEvent } from './records.ts'

export interface RunPaths {
  readonly recipe: string
  readonly metrics: string
  readonly samples: string
  readonly events: string
  readonly checkpoints: string
  readonly adapter: string
  readonly model: string
  readonly report: string
}

/** Where the parts of the run in `folder` are. */
export function runPaths(folder: string): RunPaths {
  return {
    recipe: join(folder, 'recipe.yaml'),
    metrics: join(folder, 'metrics.jsonl'),
    samples: join(folder, 'samples.jsonl'),
    events: join(folder, 'events.jsonl'),
    checkpoints: join(folder, 'checkpoints'),
    adapter: join(folder, 'adapter'),
    model: join(folder, 'model'),
    report: join(folder, 'report.md'),
  }
}

/** A run folder that this process alone writes to, until `close`. */
export interface RunFolder {
  readonly path: string
  readonly paths: RunPaths
  /** Content of recipe.yaml. */
  readonly recipe: string
  /** Its report is there: nothing is left to do. */
  readonly finished: boolean
  /** The checkpoint that the run goes on from; undefined: it begins at step 0. The logs end at its step. */
  readonly resumedFrom: CheckpointPlace | undefined
  readonly checkpoints: Omit<CheckpointFolder, 'discardAfter'>
  logStep(metrics: StepMetrics): void
  logSample(sample: Sample): void
  logEvent(event: RunEvent): void
  /** Writes report.md, which makes the run a finished one. */
  finish(report: string): Promise<void>
  close(): void
}

export interface OpenRunOptions {
  /** YAML. A resumed run keeps the recipe it began with. */
  readonly recipe: string
  /** Go on from the last whole checkpoint. Begins anew where there is none. */
  readonly resume?: boolean
  /** Replace a run that is there, finished or not. */
  readonly overwrite?: boolean
}

/**
 * Opens the folder of a run, new or to be resumed, and locks it.
 *
 * Throws a UserError, with the folder as it was, if another process is training into it, if it holds a run
 * (and neither `resume` nor `overwrite` is set), or if it holds files under a run's names that are none.
 * A run that ended before its first checkpoint has nothing to lose and is replaced unasked.
 */
export async function openRun(path: string, options: OpenRunOptions): Promise<RunFolder> {
  await makeFolder(path)
  const lock = acquireLock(join(path, '.lock'))
  try {
    return await openLocked(path, options, lock.release)
  } catch (error) {
    lock.release()
    throw error
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true })
  } catch (error) {
    const explained = explainWrite(path, error)
    if (explained instanceof UserError) throw explained
    throw new UserError(`Cannot make the run's folder ${path}: ${messageOf(error)}`, { cause: error })
  }
}

async function openLocked(path: string, options: OpenRunOptions, release: () => void): Promise<RunFolder> {
  const paths = runPaths(path)
  const checkpoints = openCheckpointFolder(paths.checkpoints)
  const resume = options.resume === true && isRun(paths)
  const { checkpoint: resumedFrom, damaged } = resume ? await checkpoints.latest() : { checkpoint: undefined, damaged: [] }
  const finished = resume && existsSync(paths.report)
  await removePartials(path)
  if (!resume) await begin(path, paths, options)
  else if (!finished) await cutBack(paths, checkpoints, resumedFrom?.step ?? beforeAll)

  const logs = { metrics: openLineLog(paths.metrics), samples: openLineLog(paths.samples), events: openLineLog(paths.events) }
  const flush = (): void => Object.values(logs).forEach((log) => log.flush())
  const run: RunFolder = {
    path, paths, finished, resumedFrom,
    recipe: readFileSync(paths.recipe, 'utf8'),
    checkpoints: {
      ...checkpoints,
      async save(step, write, evalLoss) {
        flush()
        return checkpoints.save(step, write, evalLoss)
      },
    },
    logStep: (metrics) => logs.metrics.append(metrics),
    logSample: (sample) => logs.samples.append(sample),
    logEvent(event) {
      const stored: StoredEvent = { ...event, time: new Date().toISOString() }
      logs.events.append(stored)
    },
    async finish(report) {
      flush()
      await writeFileDurably(paths.report, report)
    },
    close() {
      Object.values(logs).forEach((log) => log.close())
      release()
    },
  }
  if (resumedFrom !== undefined || damaged.length > 0) {
    if (!finished) run.logEvent({ step: resumedFrom?.step ?? 0, type: 'resumed', damaged })
  }
  return run
}

function isRun(paths: RunPaths): boolean {
  return existsSync(paths.recipe) && existsSync(paths.events)
}

/** Makes an empty run: the events first and removed last, so that an interrupted beginning is told from others' files. */
async function begin(folder: string, paths: RunPaths, { recipe, overwrite }: OpenRunOptions): Promise<void> {
  const present = Object.values(paths).filter((path) => existsSync(path))
  const interrupted = present.length === 1 && present[0] === paths.events
  if (present.length > 0 && !isRun(paths) && !interrupted) {
    const found = present.map((path) => basename(path)).join(', ')
    throw new UserError(`${folder} is not a run's folder, but has ${found}. Choose another output.`, { exitCode: 2 })
  }
  if (overwrite !== true) refuseToReplace(folder, paths)
  for (const path of present.filter((path) => path !== paths.events)) await rm(path, { recursive: true })
  await writeFileDurably(paths.events, '')
  await writeFileDurably(paths.recipe, recipe)
}

function refuseToReplace(folder: string, paths: RunPaths): void {
  if (existsSync(paths.report)) {
    throw new UserError(`${folder} holds a finished run. Choose another output, or pass --overwrite to replace it.`, { exitCode: 2 })
  }
  if (hasCheckpoint(paths)) {
    const choice = 'Pass --resume to go on with it, --overwrite to begin anew, or choose another output.'
    throw new UserError(`${folder} holds an unfinished run. ${choice}`, { exitCode: 2 })
  }
}

/** The folder alone is none: it is there, too, where the first checkpoint could not be written. */
function hasCheckpoint({ checkpoints }: RunPaths): boolean {
  return existsSync(checkpoints) && readdirSync(checkpoints).some((name) => name.startsWith('step-'))
}

/** Step 0 has lines too: its evaluation. */
const beforeAll = -1

async function cutBack(paths: RunPaths, checkpoints: CheckpointFolder, step: number): Promise<void> {
  await checkpoints.discardAfter(step)
  for (const log of [paths.metrics, paths.samples, paths.events]) await cutLines(log, step)
}
