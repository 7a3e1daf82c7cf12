import { Hono } from 'hono'
import { z } from 'zod'
import { datasetDrops, type DropExample } from '../../feedback/dataset-drops.ts'
import { checkedRow, editDataset, editsBody } from '../../feedback/dataset-edits.ts'
import { pageOfRows, rowsAt, sampleRows, searchRows, type DatasetRow, type PageStart } from '../../feedback/dataset-pages.ts'
import type { Dataset } from '../../feedback/datasets.ts'
import { UserError } from '../../errors.ts'
import { readJson, readQuery } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import type { Viewed } from '../data/row-service.ts'
import { ApiError } from '../errors.ts'
import type { WireDropExample, WireDrops, WireLengths, WirePreview, WireRow, WireRowPage } from './dataset-rows-wire.ts'
import { datasetObject, finder } from './datasets.ts'

const wholeNumber = z.coerce.number().int().min(0)

/** Tokens of a row that training keeps: the recipe's default unless said. */
export const maxLengthQuery = z.coerce.number().int().min(2).max(1_000_000).default(1024)

/** Where a page begins: at a position, after one, or before one. */
const paging = {
  from: wholeNumber.optional(),
  after: wholeNumber.optional(),
  before: wholeNumber.optional(),
}

const RowsQuery = z.strictObject({
  ...paging,
  split: z.enum(['train', 'eval']).optional(),
  search: z.string().min(1).max(200).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  view: z.enum(['true', 'false']).default('false'),
  max_length: maxLengthQuery,
})

const LengthsQuery = z.strictObject({ max_length: maxLengthQuery })

const previewBody = z.strictObject({
  rows: z.array(z.strictObject({ position: z.int().min(0), row: z.record(z.string(), z.unknown()) })).min(1).max(100),
  max_length: z.int().min(2).max(1_000_000).default(1024),
})

/** Rows whose tokens are made at once: a page for somebody to look at. */
const mostViewed = 100
/** Rows that are measured of a version; where it has more, these are spread evenly. */
const mostMeasured = 2000

/** Rows of a version as training sees them, what they come to, what was left out, and edits. Without a version the latest is meant. */
export function datasetRowRoutes(context: ServerContext): Hono<RequestVariables> {
  const { store, rows: reader, capture: { redactor } } = context
  const app = new Hono<RequestVariables>()
  const find = finder(store)
  const lengths = new Lengths(context)

  for (const path of ['/v1/datasets/:name', '/v1/datasets/:name/versions/:version']) {
    app.get(`${path}/rows`, async (c) => {
      const { limit, split, search, view, max_length: maxLength, ...place } = readQuery(c, RowsQuery)
      if (view === 'true' && limit > mostViewed) throw new ApiError(400, `limit: with view=true at most ${mostViewed} rows, got ${limit}`, { param: 'limit' })
      const dataset = await find(c)
      const query = { split, start: startOf(place), limit }
      const page = search === undefined
        ? { ...await pageOfRows(store, dataset.id, query), searchedTo: undefined }
        : await searchRows(store, dataset.id, search, query)
      const viewed = view === 'true' ? await viewsOf(dataset, page.rows, maxLength) : new Map<number, Viewed>()
      const data = page.rows.map((row): WireRow => ({ ...wireRow(row), ...viewed.get(row.position) }))
      return c.json({
        object: 'list', data, last_position: data.at(-1)?.position ?? null,
        has_before: page.hasBefore, has_more: page.hasMore, searched_to: page.searchedTo ?? null,
      } satisfies WireRowPage)
    })

    app.get(`${path}/lengths`, async (c) => {
      const { max_length: maxLength } = readQuery(c, LengthsQuery)
      return c.json(await lengths.of(await find(c), maxLength))
    })

    app.get(`${path}/dropped`, async (c) => {
      const { reasons, conflicts } = await datasetDrops(store, await find(c), redactor)
      return c.json({
        object: 'dataset.dropped',
        reasons: reasons.map(({ examples, ...reason }) => ({ ...reason, examples: examples.map(wireExample) })),
        conflicts: conflicts.map((conflict) => conflict.map(wireExample)),
      } satisfies WireDrops)
    })

    app.post(`${path}/preview`, async (c) => {
      const { rows, max_length: maxLength } = await readJson(c, previewBody)
      const dataset = await find(c)
      const data = await previews(dataset, rows, maxLength)
      return c.json({ object: 'list', data })
    })

    app.post(`${path}/edits`, async (c) => {
      const edits = await readJson(c, editsBody)
      return c.json(datasetObject(await editDataset(store, await find(c), edits, redactor)), 201)
    })
  }

  async function viewsOf({ kind }: Dataset, rows: readonly DatasetRow[], maxLength: number): Promise<ReadonlyMap<number, Viewed>> {
    const there = rows.filter(({ row }) => row !== undefined)
    const views = await reader.view({ kind, rows: there.map(({ row }) => row), maxLength })
    return new Map(there.map(({ position }, i) => [position, views[i]!]))
  }

  /** Rows as they would be after an edit; nothing is changed. */
  async function previews({ id, kind }: Dataset, edited: z.output<typeof previewBody>['rows'], maxLength: number): Promise<WirePreview[]> {
    const before = new Map((await rowsAt(store, id, edited.map(({ position }) => position))).map((row) => [row.position, row]))
    const checked = edited.map(({ position, row }): { readonly row: object } | { readonly problem: string } => {
      const was = before.get(position)?.row
      if (was === undefined) return { problem: 'there is no such row, or it was deleted' }
      try {
        return { row: checkedRow(row, was as object, kind) }
      } catch (error) {
        if (!(error instanceof UserError)) throw error
        return { problem: error.message }
      }
    })
    const views = await reader.view({ kind, rows: checked.flatMap((each) => ('row' in each ? [each.row] : [])), maxLength })
    let next = 0
    return checked.map((each, i) => ({ position: edited[i]!.position, ...('row' in each ? views[next++]! : { view: null, problem: each.problem }) }))
  }

  return app
}

/** @throws ApiError where two places are named */
export function startOf({ from, after, before }: { readonly [Place in keyof typeof paging]?: number | undefined }): PageStart {
  if ([from, after, before].filter((place) => place !== undefined).length > 1) {
    throw new ApiError(400, 'Give one of from, after and before', { param: 'from', code: 'invalid_value' })
  }
  return before === undefined ? { from: from ?? (after === undefined ? 0 : after + 1) } : { before }
}

function wireRow({ position, split, row, completionId, feedbackId }: DatasetRow): WireRow {
  return {
    object: 'dataset.row', position, split, row: row ?? null, deleted: row === undefined,
    completion_id: completionId, feedback_id: feedbackId,
  }
}

function wireExample({ completionId, feedbackId, ...texts }: DropExample): WireDropExample {
  return { completion_id: completionId, feedback_id: feedbackId, ...texts }
}

const mostKept = 100

/** Measured lengths of versions, which do not change: kept for the next who asks. */
class Lengths {
  readonly #context: ServerContext
  readonly #kept = new Map<string, Promise<WireLengths>>()

  constructor(context: ServerContext) {
    this.#context = context
  }

  async of(dataset: Dataset, maxLength: number): Promise<WireLengths> {
    const key = `${dataset.id} ${maxLength}`
    const kept = this.#kept.get(key)
    if (kept !== undefined) return kept
    const measured = this.#measure(dataset, maxLength)
    this.#kept.set(key, measured)
    if (this.#kept.size > mostKept) this.#kept.delete(this.#kept.keys().next().value!)
    measured.catch(() => { this.#kept.delete(key) })
    return measured
  }

  async #measure({ id, kind, report }: Dataset, maxLength: number): Promise<WireLengths> {
    const rows = await sampleRows(this.#context.store, id, mostMeasured)
    const { tokens, ...counts } = await this.#context.rows.measure({ kind, rows, maxLength })
    return { object: 'dataset.lengths', max_length: maxLength, rows: report.rows, measured: rows.length, ...counts, tokens: tokens ?? null }
  }
}
