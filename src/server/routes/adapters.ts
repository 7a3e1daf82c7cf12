import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Hono } from 'hono'
import { z } from 'zod'
import { UserError } from '../../errors.ts'
import { codeOf } from '../../files.ts'
import { millisecondsPerHour, trafficBetween } from '../../feedback/traffic.ts'
import { referenceTo, type Adapter } from '../../registry/adapters.ts'
import { NotFoundError } from '../../registry/errors.ts'
import { lineageOf } from '../../registry/lineage.ts'
import { folderName } from '../../registry/names.ts'
import { resolveAdapterPath } from '../adapter-paths.ts'
import { zipOf, type Archive } from '../archive.ts'
import { readQuery } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import { wireLineage } from './adapters-lineage.ts'
import { wireTraffic } from './adapters-traffic.ts'
import type { WireAdapter, WireAdapterPage } from './adapters-wire.ts'
import { attachment } from './attachment.ts'

const listQuery = z.strictObject({
  after: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  /** The oldest first, or the newest. */
  order: z.enum(['asc', 'desc']).default('asc'),
  /** A part of the id, whatever its case. */
  search: z.string().max(200).optional(),
  /** Whether those of jobs' checkpoints are listed too. */
  checkpoints: z.stringbool().default(true),
})
const trafficQuery = z.strictObject({ period: z.enum(['24h', '7d']).default('24h') })

/** /v1/adapters: what is registered, where it comes from, how much it answers; pinned in memory; downloaded. */
export function adapterRoutes(context: ServerContext): Hono<RequestVariables> {
  const { adapters, model, store } = context
  const app = new Hono<RequestVariables>()
  const find = (id: string): Adapter => {
    const adapter = adapters.get(id)
    if (adapter === undefined) throw new NotFoundError(`There is no adapter ${id}`)
    return adapter
  }
  const wire = async (adapter: Adapter): Promise<WireAdapter> => wireAdapter(adapter, context, new Set((await model.stats()).adapters))

  app.get('/v1/adapters', async (c) => c.json(await listAdapters(context, readQuery(c, listQuery))))
  // Before the route of a single one: `traffic` is no adapter's id here.
  app.get('/v1/adapters/traffic', async (c) => {
    const { period } = readQuery(c, trafficQuery)
    const hours = period === '24h' ? 24 : 7 * 24
    const from = (Math.floor(Date.now() / millisecondsPerHour) - hours + 1) * millisecondsPerHour
    return c.json(wireTraffic(await trafficBetween(store, from, hours), period, from))
  })
  app.get('/v1/adapters/:id', async (c) => c.json(await wire(find(c.req.param('id')))))
  app.get('/v1/adapters/:id/lineage', async (c) => {
    const { id } = find(c.req.param('id'))
    return c.json(wireLineage(id, adapters.base, await lineageOf(store, adapters, id)))
  })
  app.get('/v1/adapters/:id/download', async (c) => {
    const adapter = find(c.req.param('id'))
    return attachment(c, `${folderName(adapter.id)}.zip`, await peftArchive(adapter, context))
  })
  app.post('/v1/adapters/:id/pin', async (c) => {
    const adapter = find(c.req.param('id'))
    await model.pin(referenceTo(adapter))
    return c.json(await wire(await adapters.setPinned(adapter.id, true)))
  })
  app.post('/v1/adapters/:id/unpin', async (c) => {
    const adapter = find(c.req.param('id'))
    await model.unpin(referenceTo(adapter).id)
    return c.json(await wire(await adapters.setPinned(adapter.id, false)))
  })
  return app
}

async function listAdapters(context: ServerContext, query: z.output<typeof listQuery>): Promise<WireAdapterPage> {
  const { adapters, model } = context
  const { after, limit, order, search, checkpoints } = query
  if (after !== undefined && adapters.get(after) === undefined) throw new NotFoundError(`There is no adapter ${after} to list after`)
  const part = search?.toLowerCase() ?? ''
  const fits = ({ id, source }: Adapter): boolean => (checkpoints || source !== 'checkpoint') && id.toLowerCase().includes(part)
  const all = order === 'asc' ? adapters.list() : adapters.list().reverse()
  const fitting = all.filter((adapter) => adapter.id === after || fits(adapter))
  const page = fitting.slice(fitting.findIndex(({ id }) => id === after) + 1)
  const { adapters: loaded, adapterBytes } = await model.stats()
  const inMemory = new Set(loaded)
  return {
    object: 'list',
    data: page.slice(0, limit).map((adapter) => wireAdapter(adapter, context, inMemory)),
    has_more: page.length > limit,
    total: all.filter(fits).length,
    memory: { adapters: loaded.length, bytes: adapterBytes },
  }
}

/** @param inMemory ids as the engine has them */
function wireAdapter(adapter: Adapter, { adapters }: ServerContext, inMemory: ReadonlySet<string>): WireAdapter {
  const { id, createdAt, directory, facts, source, jobId, parentId, pinned, metrics } = adapter
  return {
    id, object: 'adapter', created_at: Math.floor(createdAt / 1000), directory, ...facts, source, job: jobId, trained_from: parentId,
    pinned, metrics, in_memory: inMemory.has(referenceTo(adapter).id), aliases: adapters.aliases.pointingTo(id).map(({ name }) => name),
  }
}

/** The files as PEFT has them, and ours that says over which base the adapter was trained. */
async function peftArchive({ id, directory, source }: Adapter, { settings }: ServerContext): Promise<Archive> {
  try {
    // What a request named is looked at again: its folder may be another by now.
    const folder = source === 'request' ? await resolveAdapterPath(directory, settings.adapterRoots) : directory
    const names = ['adapter_config.json', 'adapter_model.safetensors', 'posttrain.json'].filter((name, i) => i < 2 || existsSync(join(folder, name)))
    return await zipOf(names.map((name) => ({ name, path: join(folder, name) })))
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    throw new UserError(`The files of adapter ${id} are not in ${directory} any more: load it again from where they are`, { cause: error })
  }
}
