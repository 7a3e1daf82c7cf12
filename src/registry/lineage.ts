/** Where an adapter comes from: data -> run -> adapter, and the adapter that the run began with, back to the base. */
import type { DatasetTable, Row, Store } from '../store/index.ts'
import type { RecipeInput } from '../train/recipe.ts'
import type { Adapter, AdapterRegistry } from './adapters.ts'
import { NotFoundError } from './errors.ts'
import type { Job } from './job-states.ts'

/** One adapter of the line, and the run that made it. */
export interface LineageStep {
  readonly id: string
  /** undefined: it was removed since; its run is still known. */
  readonly adapter: Adapter | undefined
  /** undefined: it was trained elsewhere. */
  readonly job: Job | undefined
  readonly data: LineageData | undefined
}

export interface LineageData {
  /** `dataset:NAME@VERSION`, or a file's id. */
  readonly reference: string
  readonly dataset: Pick<DatasetTable, 'name' | 'version' | 'kind'> & { readonly rows: number } | undefined
  readonly file: Row<'files'> | undefined
}

export interface Lineage {
  /** The oldest ancestor first; the last is the adapter that was asked for. */
  readonly steps: readonly LineageStep[]
  readonly aliases: readonly { readonly name: string; readonly since: number; readonly reason: string | undefined }[]
  readonly children: readonly Adapter[]
  /** The other adapters of its run. */
  readonly siblings: readonly Adapter[]
}

/** @throws NotFoundError */
export async function lineageOf(store: Store, adapters: AdapterRegistry, id: string): Promise<Lineage> {
  const adapter = adapters.get(id)
  if (adapter === undefined) throw new NotFoundError(`There is no adapter ${id}`)
  const all = adapters.list()
  return {
    steps: await stepsTo(store, adapters, id),
    aliases: await Promise.all(adapters.aliases.pointingTo(id).map(async ({ name, updatedAt }) => {
      const [last] = await adapters.aliases.history(name, 1)
      return { name, since: updatedAt, reason: last?.reason }
    })),
    children: all.filter(({ parentId, source }) => parentId === id && source !== 'checkpoint'),
    siblings: adapter.jobId === null ? [] : all.filter((other) => other.jobId === adapter.jobId && other.id !== id),
  }
}

async function stepsTo(store: Store, adapters: AdapterRegistry, last: string): Promise<LineageStep[]> {
  const steps: LineageStep[] = []
  const seen = new Set<string>()
  // An id may be given again to an adapter that came of its former bearer.
  for (let id: string | null = last; id !== null && !seen.has(id); id = parentOf(steps[0]!)) {
    seen.add(id)
    steps.unshift(await stepOf(store, id, adapters.get(id)))
  }
  return steps
}

async function stepOf(store: Store, id: string, adapter: Adapter | undefined): Promise<LineageStep> {
  const jobs = store.db.selectFrom('jobs').selectAll()
  const job = adapter === undefined
    ? await jobs.where('fine_tuned_model', '=', id).executeTakeFirst()
    : adapter.jobId === null ? undefined : await jobs.where('id', '=', adapter.jobId).executeTakeFirst()
  return { id, adapter, job, data: job && await dataOf(store, job.training_file) }
}

function parentOf({ adapter, job }: LineageStep): string | null {
  if (adapter !== undefined) return adapter.parentId
  return job === undefined ? null : (JSON.parse(job.recipe_json) as RecipeInput).adapter?.init ?? null
}

async function dataOf({ db }: Store, reference: string): Promise<LineageData> {
  const [, name, version] = /^dataset:(.+)@(\d+)$/.exec(reference) ?? []
  if (name === undefined) {
    const file = await db.selectFrom('files').selectAll().where('id', '=', reference).executeTakeFirst()
    return { reference, dataset: undefined, file }
  }
  const row = await db.selectFrom('datasets').selectAll().where('name', '=', name).where('version', '=', Number(version)).executeTakeFirst()
  const dataset = row && { name, version: row.version, kind: row.kind, rows: (JSON.parse(row.report_json) as { rows: number }).rows }
  return { reference, dataset, file: undefined }
}
