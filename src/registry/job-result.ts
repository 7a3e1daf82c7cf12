import { join } from 'node:path'
import type { AdapterFacts } from '../generate/live-model.ts'
import { readLines } from '../train/lines.ts'
import type { StepMetrics, StoredEvent } from '../train/records.ts'
import { runPaths } from '../train/run-folder.ts'
import type { AdapterRegistry, NewAdapter } from './adapters.ts'
import type { Files } from './files.ts'
import { folderName } from './names.ts'
import type { Job } from './job-states.ts'

/** The id of a job's adapter, as OpenAI builds them: `ft:BASE:SUFFIX:` and the end of the job's id. */
export function adapterIdOf(base: string, suffix: string | undefined, jobId: string): string {
  const plain = (text: string): string => text.replaceAll(/[^A-Za-z0-9_./-]+/g, '-').replaceAll(/\.{2,}|\/{2,}/g, '-')
  return `ft:${plain(base)}:${plain(suffix ?? '').replaceAll('/', '-')}:${jobId.slice(-8)}`
}

/** The id of the adapter of one of a job's checkpoints. */
export function checkpointIdOf(adapterId: string, step: number): string {
  return `${adapterId}:ckpt-step-${step}`
}

/** Where a job's adapter is put. */
export function adapterDirectoryOf(root: string, adapterId: string): string {
  return join(root, folderName(adapterId))
}

/** Registers an adapter whose files are whole, unless it was before the server was killed. */
export async function register(
  adapters: AdapterRegistry, inspect: (directory: string) => Promise<AdapterFacts>, entry: Omit<NewAdapter, 'facts'> & { readonly id: string },
): Promise<void> {
  if (adapters.get(entry.id) !== undefined) return
  await adapters.add({ ...entry, facts: await inspect(entry.directory) })
}

/** The id of the file with a job's metrics: known without asking. */
export function resultFileId({ id }: Pick<Job, 'id'>): string {
  return `file-${id.slice(id.indexOf('-') + 1)}`
}

/** Writes a run's metrics as the CSV that OpenAI's jobs leave: a line for each step, held-out figures where they were measured. */
export async function addResultFile(files: Files, job: Job, run: string): Promise<void> {
  const id = resultFileId(job)
  if (await files.get(id) !== undefined) return
  const content = Buffer.from(metricsCsv(run))
  await files.add((async function* () { yield content })(), () => ({ id, filename: 'step_metrics.csv', purpose: 'fine-tune-results' }))
}

function metricsCsv(run: string): string {
  const paths = runPaths(run)
  const steps = readLines<StepMetrics>(paths.metrics)
  // At the last step the general set is measured too, by itself.
  const heldOut = new Map(readLines<StoredEvent>(paths.events).flatMap((event) =>
    (event.type === 'evaluation' && event.loss !== undefined ? [[event.step, event.loss] as const] : [])))
  const own = [...new Set(steps.flatMap((line) => Object.keys(line)))].filter((key) => key !== 'step' && key !== 'loss')
  const header = ['step', 'train_loss', 'valid_loss', ...own]
  const lines = steps.map((line) => [line.step, line.loss, heldOut.get(line.step), ...own.map((key) => line[key])])
  return [header, ...lines].map((cells) => `${cells.map((cell) => String(cell ?? '')).join(',')}\n`).join('')
}

/** The last figures that were measured of a finished run. */
export function finalMetrics(run: string): Record<string, number> {
  const paths = runPaths(run)
  const last = readLines<StepMetrics>(paths.metrics).at(-1)
  const measured = readLines<StoredEvent>(paths.events).filter((event) => event.type === 'evaluation')
  const figures = measured.flatMap(({ step: _step, time: _time, type: _type, ...metrics }) => Object.entries(metrics))
    .flatMap(([name, value]) => (typeof value === 'number' ? [[`eval/${name}`, value] as const] : []))
  return { ...(last !== undefined && { 'train/loss': last.loss }), ...Object.fromEntries(figures) }
}
