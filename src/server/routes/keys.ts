/** Keys and the audit log, for administrators. */
import { Hono } from 'hono'
import { z } from 'zod'
import { scopes, type KeyRecord } from '../../registry/keys.ts'
import { readJson, readQuery } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'

const NewKeyBody = z.strictObject({
  name: z.string().trim().min(1).max(200),
  scopes: z.array(z.enum(scopes)).min(1),
  /** Seconds since 1970, as all times of OpenAI's API. */
  expires_at: z.int().positive().optional(),
})

const AuditQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  /** A sequence number: only entries before it. */
  before: z.coerce.number().int().positive().optional(),
})

export function keyRoutes({ keys, audit }: ServerContext): Hono<RequestVariables> {
  const app = new Hono<RequestVariables>()

  app.post('/v1/keys', async (c) => {
    const { name, scopes, expires_at } = await readJson(c, NewKeyBody)
    const { key, record } = await keys.create({ name, scopes, expiresAt: expires_at === undefined ? undefined : expires_at * 1000 })
    await audit.append({ keyId: c.get('keyId') ?? null, action: 'POST /v1/keys', target: record.id, detail: { name, scopes } })
    return c.json({ ...keyObject(record), key }, 201)
  })

  app.get('/v1/keys', async (c) => c.json({ object: 'list', data: (await keys.list()).map(keyObject) }))

  app.delete('/v1/keys/:id', async (c) => {
    const record = await keys.revoke(c.req.param('id'))
    await audit.append({ keyId: c.get('keyId') ?? null, action: 'DELETE /v1/keys/:id', target: record.id })
    return c.json(keyObject(record))
  })

  app.get('/v1/audit', async (c) => {
    const { entries, hasMore } = await audit.page(readQuery(c, AuditQuery))
    const data = entries.map(({ sequence, createdAt, keyId, action, target, detail }) => ({
      object: 'audit.entry', sequence, created_at: seconds(createdAt), key_id: keyId, action, target, detail,
    }))
    return c.json({ object: 'list', data, has_more: hasMore })
  })

  return app
}

function keyObject({ id, name, scopes, hint, createdAt, expiresAt, revokedAt }: KeyRecord) {
  return {
    id, object: 'key', name, scopes, hint,
    created_at: seconds(createdAt), expires_at: seconds(expiresAt), revoked_at: seconds(revokedAt),
  }
}

function seconds<Time extends number | null>(milliseconds: Time): Time {
  return (milliseconds === null ? null : Math.floor(milliseconds / 1000)) as Time
}
