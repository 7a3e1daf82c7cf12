import { Hono } from 'hono'
import { messageOf } from '../../errors.ts'
import { probe } from '../../registry/counts.ts'
import type { RequestVariables, ServerContext } from '../context.ts'

/** How long the model may take to say that it lives, in milliseconds. */
const patience = 10_000

/** GET /health, and GET /metrics for Prometheus. */
export function healthRoutes({ inference, model, store, metrics }: ServerContext): Hono<RequestVariables> {
  const app = new Hono<RequestVariables>()
  app.get('/health', async (c) => {
    if (inference.draining) return c.json({ status: 'stopping' }, 503)
    const checks = { model: model.stats(), store: probe(store) }
    const faults = await Promise.all(Object.entries(checks).map(async ([name, check]) => faultOf(name, check)))
    const found = faults.filter((fault) => fault !== undefined)
    return found.length === 0 ? c.json({ status: 'ok' }) : c.json({ status: 'failing', faults: found }, 503)
  })
  app.get('/metrics', async (c) => c.text(await metrics.registry.metrics(), 200, { 'content-type': metrics.registry.contentType }))
  return app
}

async function faultOf(name: string, check: Promise<unknown>): Promise<string | undefined> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => { late.reject(new Error('it does not answer')) }, patience)
  try {
    await Promise.race([check, late.promise])
    return undefined
  } catch (error) {
    return `${name}: ${messageOf(error)}`
  } finally {
    clearTimeout(timer)
  }
}
