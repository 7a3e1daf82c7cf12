import { Hono } from 'hono'
import { z } from 'zod'
import type { Alias, AliasMove } from '../../registry/aliases.ts'
import { NotFoundError } from '../../registry/errors.ts'
import { readJson, readOptionalJson, readQuery } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import type { WireAlias, WireAliasMove } from './adapters-wire.ts'

const reason = z.string().max(1000)
const moveBody = z.strictObject({
  /** An adapter's id; null: the base. */
  adapter: z.string().nullable(),
  reason: reason.default('moved by hand'),
})
const rollbackBody = z.strictObject({ reason: reason.default('rolled back by hand') })
const historyQuery = z.strictObject({ limit: z.coerce.number().int().min(1).max(1000).default(100) })

/** /v1/aliases: names that point to an adapter, can be moved and rolled back, and remember where they pointed. */
export function aliasRoutes({ adapters }: ServerContext): Hono<RequestVariables> {
  const { aliases } = adapters
  const app = new Hono<RequestVariables>()
  app.get('/v1/aliases', (c) => c.json({ object: 'list', data: aliases.list().map(wireAlias) }))
  app.get('/v1/aliases/:name', (c) => {
    const alias = aliases.get(c.req.param('name'))
    if (alias === undefined) throw new NotFoundError(`There is no alias ${c.req.param('name')}`)
    return c.json(wireAlias(alias))
  })
  app.put('/v1/aliases/:name', async (c) => {
    const { adapter, reason } = await readJson(c, moveBody)
    return c.json(wireMove(await aliases.move(c.req.param('name'), adapter, reason)))
  })
  app.post('/v1/aliases/:name/rollback', async (c) => {
    const { reason } = await readOptionalJson(c, rollbackBody)
    return c.json(wireMove(await aliases.rollback(c.req.param('name'), reason)))
  })
  app.get('/v1/aliases/:name/history', async (c) => {
    const { limit } = readQuery(c, historyQuery)
    return c.json({ object: 'list', data: (await aliases.history(c.req.param('name'), limit)).map(wireMove) })
  })
  app.delete('/v1/aliases/:name', async (c) => {
    await aliases.remove(c.req.param('name'))
    return c.json({ name: c.req.param('name'), object: 'alias', deleted: true })
  })
  return app
}

function wireAlias({ name, adapterId, updatedAt }: Alias): WireAlias {
  return { object: 'alias', name, adapter: adapterId, updated_at: seconds(updatedAt) }
}

function wireMove({ alias, adapterId, previousId, createdAt, reason }: AliasMove): WireAliasMove {
  return { object: 'alias.move', alias, adapter: adapterId, previous: previousId, created_at: seconds(createdAt), reason }
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000)
}
