import { rm } from 'node:fs/promises'
import { relative, isAbsolute } from 'node:path'
import { Hono } from 'hono'
import { z } from 'zod'
import { referenceTo, type Adapter } from '../../registry/adapters.ts'
import { ConflictError } from '../../registry/errors.ts'
import { readQuery } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'

const deleteQuery = z.strictObject({ force: z.stringbool().optional() })

/** GET /v1/models, GET and DELETE /v1/models/ID: the base, its adapters and aliases, with `root` and `parent` as vLLM has them. */
export function modelRoutes(context: ServerContext): Hono<RequestVariables> {
  const { adapters } = context
  const app = new Hono<RequestVariables>()
  app.get('/v1/models', (c) => {
    const data = [baseModel(context), ...adapters.list().map((adapter) => adapterModel(adapter, context)),
      ...adapters.aliases.list().map(({ name }) => aliasModel(name, context))]
    return c.json({ object: 'list', data })
  })
  app.get('/v1/models/:id{.+}', (c) => c.json(modelOf(c.req.param('id'), context)))
  app.delete('/v1/models/:id{.+}', async (c) => {
    const id = adapterIdOf(c.req.param('id'), context)
    await removeAdapter(id, readQuery(c, deleteQuery).force === true, context)
    return c.json({ id, object: 'model', deleted: true })
  })
  return app
}

/** Takes an adapter out of the register and of memory; files that a job of ours wrote are deleted. */
export async function removeAdapter(id: string, force: boolean, { adapters, model, settings }: ServerContext): Promise<void> {
  const adapter = await adapters.remove(id, { force })
  await model.drop(referenceTo(adapter).id)
  const isOurs = adapter.source === 'job' || adapter.source === 'checkpoint'
  if (isOurs && isWithin(settings.directory, adapter.directory)) await rm(adapter.directory, { recursive: true, force: true })
}

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path)
  return way !== '' && !way.startsWith('..') && !isAbsolute(way)
}

function modelOf(name: string, context: ServerContext): unknown {
  const resolved = context.inference.target(name)
  if (resolved.alias !== null) return aliasModel(resolved.alias, context)
  if (resolved.adapterId === null) return baseModel(context)
  return adapterModel(context.adapters.get(resolved.adapterId)!, context)
}

function adapterIdOf(name: string, { inference, settings }: ServerContext): string {
  const { adapterId, alias } = inference.target(name)
  if (alias !== null) throw new ConflictError(`${alias} is an alias: DELETE /v1/aliases/${alias} removes it`)
  if (adapterId === null) throw new ConflictError(`${settings.modelName} is the base model, without which nothing is served`)
  return adapterId
}

function wireModel(id: string, createdAt: number, rest: Readonly<Record<string, unknown>>): unknown {
  return { id, object: 'model', created: Math.floor(createdAt / 1000), owned_by: 'posttrain', ...rest }
}

function baseModel({ settings, model, startedAt }: ServerContext): unknown {
  return wireModel(settings.modelName, startedAt, { root: settings.modelRef, parent: null, max_model_len: model.config.maxPositions })
}

function adapterModel({ id, createdAt, directory, facts, ...rest }: Adapter, { settings, model }: ServerContext): unknown {
  return wireModel(id, createdAt, {
    root: directory,
    parent: settings.modelName,
    max_model_len: model.config.maxPositions,
    posttrain: {
      kind: 'adapter', ...facts, source: rest.source, job: rest.jobId, trained_from: rest.parentId, pinned: rest.pinned,
      metrics: rest.metrics,
    },
  })
}

function aliasModel(name: string, { adapters, settings, model }: ServerContext): unknown {
  const { adapterId, updatedAt } = adapters.aliases.get(name)!
  return wireModel(name, updatedAt, {
    root: adapterId ?? settings.modelName,
    parent: settings.modelName,
    max_model_len: model.config.maxPositions,
    posttrain: { kind: 'alias', adapter: adapterId },
  })
}
