import { Hono, type Context } from 'hono'
import { stream } from 'hono/streaming'
import { z } from 'zod'
import { countSources } from '../../feedback/dataset-sources.ts'
import { datasetBody } from '../../feedback/dataset-spec.ts'
import {
  createDataset, datasetRows, exportSplit, findDataset, listDatasets, referenceOf, splitSizes, type Dataset,
} from '../../feedback/datasets.ts'
import { readJson, readQuery } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import { ApiError } from '../errors.ts'

const Split = z.enum(['train', 'eval'])
const RowsQuery = z.strictObject({
  split: Split.optional(),
  after: z.coerce.number().int().min(0).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
})
const ExportQuery = z.strictObject({ split: Split.default('train') })

/** Versions of datasets: made, listed, read row by row and as JSONL. Without a version the latest is meant. */
export function datasetRoutes({ store, capture: { redactor } }: ServerContext): Hono<RequestVariables> {
  const app = new Hono<RequestVariables>()
  const find = async (c: Context): Promise<Dataset> => {
    const { name, version } = c.req.param() as { readonly name: string; readonly version?: string }
    const number = version === undefined || !/^\d{1,9}$/.test(version) ? undefined : Number(version)
    const found = version !== undefined && number === undefined ? undefined : await findDataset(store, name, number)
    if (found !== undefined) return found
    const what = version === undefined ? name : `${name} of version ${version}`
    throw new ApiError(404, `There is no dataset ${what}`, { param: 'name', code: 'not_found' })
  }

  app.post('/v1/datasets', async (c) => {
    const spec = await readJson(c, datasetBody)
    if (!spec.dry_run) return c.json(datasetObject(await createDataset(store, spec, redactor)), 201)
    const counts = await countSources(store, spec, redactor)
    return c.json({ object: 'dataset.counts', name: spec.name, kind: spec.kind, ...counts })
  })

  app.get('/v1/datasets', async (c) => c.json({ object: 'list', data: (await listDatasets(store)).map(datasetObject) }))

  app.get('/v1/datasets/:name', async (c) => {
    const latest = await find(c)
    const versions = (await listDatasets(store, latest.name)).map(({ version }) => version)
    return c.json({ ...datasetObject(latest), sizes: await splitSizes(store, latest.id), versions })
  })

  app.get('/v1/datasets/:name/versions/:version', async (c) => {
    const dataset = await find(c)
    return c.json({ ...datasetObject(dataset), sizes: await splitSizes(store, dataset.id) })
  })

  for (const path of ['/v1/datasets/:name', '/v1/datasets/:name/versions/:version']) {
    app.get(`${path}/rows`, async (c) => {
      const { limit, ...query } = readQuery(c, RowsQuery)
      const rows = await datasetRows(store, (await find(c)).id, { ...query, limit: limit + 1 })
      const data = rows.slice(0, limit).map(({ position, split, row, completionId, feedbackId }) => ({
        object: 'dataset.row', position, split, row: row ?? null, deleted: row === undefined,
        completion_id: completionId, feedback_id: feedbackId,
      }))
      return c.json({ object: 'list', data, last_position: data.at(-1)?.position ?? null, has_more: rows.length > limit })
    })

    app.get(`${path}/export`, async (c) => {
      const { split } = readQuery(c, ExportQuery)
      const dataset = await find(c)
      c.header('content-type', 'application/jsonl; charset=utf-8')
      c.header('content-disposition', `attachment; filename="${dataset.name}-${dataset.version}-${split}.jsonl"`)
      c.header('x-content-type-options', 'nosniff')
      return stream(c, async (body) => {
        for await (const line of exportSplit(store, dataset.id, split)) {
          if (body.aborted) return
          await body.write(line)
        }
      })
    })
  }

  return app
}

function datasetObject(dataset: Dataset) {
  const { id, createdAt, name, version, kind, spec, report } = dataset
  return {
    id, object: 'dataset', created_at: Math.floor(createdAt / 1000), name, version, kind, reference: referenceOf(dataset), spec, report,
  }
}
