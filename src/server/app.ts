import { Hono, type MiddlewareHandler } from 'hono'
import { routePath } from 'hono/route'
import { newId } from '../store/index.ts'
import type { RequestVariables, ServerContext } from './context.ts'
import { ApiError, asApiError, isFault } from './errors.ts'
import { guard, type GuardOptions } from './guard.ts'
import { isRead, needOf } from './scopes.ts'

/** A part of the API: its routes have their full paths. */
export type Routes = (context: ServerContext) => Hono<RequestVariables>

/** All routes behind the guard; whatever they throw becomes OpenAI's error envelope. */
export function createApp(context: ServerContext, routes: readonly Routes[], guardOptions: GuardOptions): Hono<RequestVariables> {
  const app = new Hono<RequestVariables>()
  app.use(measured(context))
  app.use(guard(guardOptions))
  app.use(audited(context))
  for (const each of routes) app.route('/', each(context))
  app.notFound((c) => {
    throw new ApiError(404, `There is no ${c.req.method} ${c.req.path}`, { code: 'unknown_url' })
  })
  app.onError((error, c) => {
    const apiError = asApiError(error)
    if (isFault(error)) context.onFault(error, c.get('requestId'))
    return c.json(apiError.body, apiError.status, apiError.options.headers)
  })
  return app
}

/** Gives each call an id, and tells client and metrics how long it took until its answer began. */
function measured({ metrics }: ServerContext): MiddlewareHandler<RequestVariables> {
  return async (c, next) => {
    const start = performance.now()
    c.set('requestId', newId('req_'))
    await next()
    const milliseconds = performance.now() - start
    c.header('x-request-id', c.get('requestId'))
    // A browser must not take a text of someone's for a page of ours.
    c.header('x-content-type-options', 'nosniff')
    c.header('openai-processing-ms', String(Math.round(milliseconds)))
    metrics.request(c.req.method, routeOf(c), c.res.status, milliseconds / 1000)
  }
}

/** The route's pattern; paths themselves are as many as clients care to make up. */
function routeOf(c: Parameters<typeof routePath>[0]): string {
  const pattern = routePath(c, -1)
  return pattern.startsWith('/') && pattern !== '/*' ? pattern : 'none'
}

/**
 * Notes who changed what. Two note it by themselves: keys say more (a new one's id and scopes), the deletion of a user's data
 * less (not who it was).
 */
function audited({ audit, onFault }: ServerContext): MiddlewareHandler<RequestVariables> {
  return async (c, next) => {
    await next()
    const { method, path } = c.req
    const need = needOf(method, path)
    if (isRead(method) || (need !== 'train' && need !== 'admin') || path.startsWith('/v1/keys') || path.startsWith('/v1/users')) return
    const requestId = c.get('requestId')
    const entry = { keyId: c.get('keyId') ?? null, action: `${method} ${routeOf(c)}`, target: path }
    // The change is made; that it could not be noted is for the operator to know.
    await audit.append({ ...entry, detail: { status: c.res.status, request: requestId } }).catch((error: unknown) => { onFault(error, requestId) })
  }
}
