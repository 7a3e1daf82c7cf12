import { join } from 'node:path'
import { Hono } from 'hono'
import { z } from 'zod'
import type { MergeOptions, MergeResult } from '../../models/merge.ts'
import { resolveModel } from '../../models/sources/source.ts'
import { referenceTo, type Adapter } from '../../registry/adapters.ts'
import { NotFoundError } from '../../registry/errors.ts'
import { folderName } from '../../registry/names.ts'
import { siblingModule, WorkerClient } from '../../runtime/worker.ts'
import { readOptionalJson, readQuery } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'

const listQuery = z.strictObject({ after: z.string().optional(), limit: z.coerce.number().int().min(1).max(1000).default(100) })
const mergeBody = z.strictObject({ dtype: z.enum(['f32', 'bf16', 'f16']).optional() })

/** The types as they are written in files. */
const dtypes = { f32: 'F32', bf16: 'BF16', f16: 'F16' } as const

/** /v1/adapters: what is registered; pinned in memory; merged into a model of its own, where one variant is all that is served. */
export function adapterRoutes({ adapters, model, settings }: ServerContext): Hono<RequestVariables> {
  const app = new Hono<RequestVariables>()
  const find = (id: string): Adapter => {
    const adapter = adapters.get(id)
    if (adapter === undefined) throw new NotFoundError(`There is no adapter ${id}`)
    return adapter
  }

  app.get('/v1/adapters', (c) => {
    const { after, limit } = readQuery(c, listQuery)
    const page = adapters.list({ after, limit: limit + 1 })
    return c.json({ object: 'list', data: page.slice(0, limit).map(wireAdapter), has_more: page.length > limit })
  })
  app.get('/v1/adapters/:id', (c) => c.json(wireAdapter(find(c.req.param('id')))))
  app.post('/v1/adapters/:id/pin', async (c) => {
    const adapter = find(c.req.param('id'))
    await model.pin(referenceTo(adapter))
    return c.json(wireAdapter(await adapters.setPinned(adapter.id, true)))
  })
  app.post('/v1/adapters/:id/unpin', async (c) => {
    const adapter = find(c.req.param('id'))
    await model.unpin(referenceTo(adapter).id)
    return c.json(wireAdapter(await adapters.setPinned(adapter.id, false)))
  })
  app.post('/v1/adapters/:id/merge', async (c) => {
    const { id, directory } = find(c.req.param('id'))
    const { dtype } = await readOptionalJson(c, mergeBody)
    const output = join(settings.directory, 'merged', folderName(id))
    const { base } = await mergeAside({
      model: await resolveModel(settings.modelRef), adapter: directory, output, ...(dtype !== undefined && { dtype: dtypes[dtype] }),
    })
    return c.json({ object: 'adapter.merge', adapter: id, directory: output, base })
  })
  return app
}

async function mergeAside(options: MergeOptions): Promise<MergeResult> {
  const worker = new WorkerClient(siblingModule(import.meta, '../merge-service'))
  try {
    return await worker.call('merge', options)
  } finally {
    await worker.close()
  }
}

function wireAdapter({ id, createdAt, directory, facts, source, jobId, parentId, pinned, metrics }: Adapter): object {
  return {
    id, object: 'adapter', created_at: Math.floor(createdAt / 1000), directory, ...facts, source, job: jobId, trained_from: parentId,
    pinned, metrics,
  }
}
