import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { newId } from '../store/index.ts'
import type { RequestVariables, ServerContext } from './context.ts'
import { ApiError, asApiError } from './errors.ts'
import { guard, isUpload, type GuardOptions } from './guard.ts'

/** A part of the API: its routes have their full paths. */
export type Routes = (context: ServerContext) => Hono<RequestVariables>

export interface AppOptions {
  readonly guard: GuardOptions
  /** Most bytes of a JSON body; 10 MB unless given. */
  readonly maxBody?: number | undefined
}

/** All routes behind the guard; whatever they throw becomes OpenAI's error envelope. */
export function createApp(context: ServerContext, routes: readonly Routes[], options: AppOptions): Hono<RequestVariables> {
  const app = new Hono<RequestVariables>()
  app.use(async (c, next) => {
    const start = performance.now()
    c.set('requestId', newId('req_'))
    await next()
    c.header('x-request-id', c.get('requestId'))
    c.header('openai-processing-ms', String(Math.round(performance.now() - start)))
  })
  app.use(guard(options.guard))
  app.use(limitBodies(options.maxBody ?? 10_000_000))
  for (const each of routes) app.route('/', each(context))
  app.notFound((c) => {
    throw new ApiError(404, `There is no ${c.req.method} ${c.req.path}`, { code: 'unknown_url' })
  })
  app.onError((error, c) => {
    const apiError = asApiError(error)
    if (apiError.status >= 500) context.onFault(error, c.get('requestId'))
    return c.json(apiError.body, apiError.status, apiError.options.headers)
  })
  return app
}

function limitBodies(maxSize: number): ReturnType<typeof bodyLimit> {
  const limit = bodyLimit({
    maxSize,
    onError: () => { throw new ApiError(413, `The body has more than ${maxSize} bytes`, { code: 'body_too_large' }) },
  })
  return (c, next) => (isUpload(c.req.path) ? next() : limit(c, next))
}
