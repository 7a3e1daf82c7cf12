import { Hono } from 'hono'
import { z } from 'zod'
import { NotFoundError } from '../../registry/errors.ts'
import { fileOf, tarOf } from '../archive.ts'
import { readOptionalJson } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import type { Merge } from '../merges.ts'
import type { WireMerge } from './adapters-wire.ts'
import { attachment } from './attachment.ts'

const mergeBody = z.strictObject({
  format: z.enum(['safetensors', 'gguf']).default('safetensors'),
  dtype: z.enum(['f32', 'bf16', 'f16']).optional(),
  /** false: answered at once, with the task; GET /v1/merged/NAME tells how far it is. */
  wait: z.boolean().default(true),
})

/** Adapters written into the weights of their base, where one variant is all that is served, and their download. */
export function mergedRoutes({ adapters, merges }: ServerContext): Hono<RequestVariables> {
  const app = new Hono<RequestVariables>()
  const wire = (merge: Merge): WireMerge => wireMerge(merge, adapters.get(merge.adapter)?.facts.sha256)

  app.post('/v1/adapters/:id/merge', async (c) => {
    const id = c.req.param('id')
    const adapter = adapters.get(id)
    if (adapter === undefined) throw new NotFoundError(`There is no adapter ${id}`)
    const { format, dtype, wait } = await readOptionalJson(c, mergeBody)
    const { merge, done } = merges.start(adapter, { format, dtype })
    if (wait) return c.json(wire(await done))
    // Whoever does not wait is told by GET /v1/merged.
    done.catch(() => undefined)
    return c.json(wire(merge), 202)
  })
  app.get('/v1/merged', async (c) => c.json({ object: 'list', data: (await merges.list()).map(wire) }))
  app.get('/v1/merged/:name', async (c) => c.json(wire(await merges.get(c.req.param('name')))))
  app.delete('/v1/merged/:name', async (c) => {
    const name = c.req.param('name')
    await merges.remove(name)
    return c.json({ name, object: 'adapter.merge', deleted: true })
  })
  app.get('/v1/merged/:name/download', async (c) => {
    const name = c.req.param('name')
    const files = await merges.files(name)
    const isFile = name.endsWith('.gguf')
    return attachment(c, isFile ? name : `${name}.tar`, await (isFile ? fileOf(files[0]!) : tarOf(files)))
  })
  return app
}

/** @param sha256 of the adapter's weights as they are now; undefined: it was removed */
function wireMerge(merge: Merge, sha256: string | undefined): WireMerge {
  const { name, path, adapter, format, dtype, status, progress, createdAt, bytes, error } = merge
  return {
    object: 'adapter.merge', name, adapter, format, dtype: dtype ?? null, status, progress, created_at: Math.floor(createdAt / 1000),
    directory: path, bytes: bytes ?? null, base: 'original', error: error ?? null,
    outdated: sha256 !== undefined && sha256 !== merge.sha256,
  }
}
