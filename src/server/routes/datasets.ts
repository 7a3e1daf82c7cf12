import { Hono, type Context } from 'hono'
import { stream } from 'hono/streaming'
import { z } from 'zod'
import { countSources } from '../../feedback/dataset-sources.ts'
import { datasetBody } from '../../feedback/dataset-spec.ts'
import {
  createDataset, exportSplit, findDataset, latestDatasets, listDatasets, referenceOf, splitSizes, versionsOf, type Dataset,
} from '../../feedback/datasets.ts'
import type { Store } from '../../store/index.ts'
import { readJson, readQuery } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import { findRowFile, uploadedRows } from '../data/uploaded-rows.ts'
import { ApiError } from '../errors.ts'
import type { WireDataset, WireDatasetVersion, WireVersion } from './dataset-rows-wire.ts'

const Split = z.enum(['train', 'eval'])
const ListQuery = z.strictObject({ latest: z.enum(['true', 'false']).default('false') })
const ExportQuery = z.strictObject({ split: Split.default('train') })

const mostVersions = 200

/** Finds the version that a path names, the latest where it names none. */
export function finder(store: Store): (c: Context) => Promise<Dataset> {
  return async (c) => {
    const { name, version } = c.req.param() as { readonly name: string; readonly version?: string }
    const number = version === undefined || !/^\d{1,9}$/.test(version) ? undefined : Number(version)
    const found = version !== undefined && number === undefined ? undefined : await findDataset(store, name, number)
    if (found !== undefined) return found
    const what = version === undefined ? name : `${name} of version ${version}`
    throw new ApiError(404, `There is no dataset ${what}`, { param: 'name', code: 'not_found' })
  }
}

/** Versions of datasets: made, listed, exported as JSONL. Without a version the latest is meant. Their rows: dataset-rows.ts. */
export function datasetRoutes({ store, jobs, rows: reader, capture: { redactor } }: ServerContext): Hono<RequestVariables> {
  const app = new Hono<RequestVariables>()
  const find = finder(store)

  app.post('/v1/datasets', async (c) => {
    const spec = await readJson(c, datasetBody)
    if (!spec.dry_run) {
      const uploaded = spec.file === undefined ? undefined : uploadedRows(reader, await findRowFile(jobs.files, spec.file, 'file'), spec)
      return c.json(datasetObject(await createDataset(store, spec, redactor, uploaded)), 201)
    }
    const counts = await countSources(store, spec, redactor)
    return c.json({ object: 'dataset.counts', name: spec.name, kind: spec.kind, ...counts })
  })

  app.get('/v1/datasets', async (c) => {
    const { latest } = readQuery(c, ListQuery)
    const datasets = latest === 'true' ? await latestDatasets(store) : await listDatasets(store)
    return c.json({ object: 'list', data: datasets.map(datasetObject) })
  })

  app.get('/v1/datasets/:name', async (c) => {
    const latest = await find(c)
    return c.json({ ...datasetObject(latest), sizes: await splitSizes(store, latest), versions: await versionsOf(store, latest.name) })
  })

  app.get('/v1/datasets/:name/versions', async (c) => {
    const { name } = await find(c)
    const data = (await listDatasets(store, { name, limit: mostVersions })).map(versionObject)
    return c.json({ object: 'list', data })
  })

  app.get('/v1/datasets/:name/versions/:version', async (c) => {
    const dataset = await find(c)
    return c.json({ ...datasetObject(dataset), sizes: await splitSizes(store, dataset) } satisfies WireDatasetVersion)
  })

  for (const path of ['/v1/datasets/:name', '/v1/datasets/:name/versions/:version']) {
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

export function datasetObject(dataset: Dataset): WireDataset {
  const { id, createdAt, name, version, kind, spec, report } = dataset
  return {
    id, object: 'dataset', created_at: Math.floor(createdAt / 1000), name, version, kind, reference: referenceOf(dataset), spec, report,
  }
}

function versionObject({ version, createdAt, spec: { edited }, report: { rows } }: Dataset): WireVersion {
  return {
    object: 'dataset.version', version, created_at: Math.floor(createdAt / 1000), rows,
    edited_from: edited?.from ?? null, note: edited?.note ?? null,
  }
}
