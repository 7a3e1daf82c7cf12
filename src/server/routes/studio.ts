/** The Studio's files, as `npm run build:studio` made them. They hold no data: what the Studio shows, it asks the API for. */
import { createHash } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, gzip } from 'node:zlib'
import { Hono, type Context } from 'hono'
import type { RequestVariables } from '../context.ts'
import { ApiError } from '../errors.ts'

/** The same place seen from src/server/routes and, in the package, from dist/server/routes. */
const built = join(import.meta.dirname, '../../../studio/dist')

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** Nothing from elsewhere is loaded, run, framed or called; `data:` pictures are those of style sheets. */
const policy = [
  "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data: blob:", "connect-src 'self'", "base-uri 'none'",
  "form-action 'none'", "frame-ancestors 'none'",
].join('; ')

interface Asset {
  readonly type: string
  readonly etag: string
  /** A name with a digest of the content never means other content. */
  readonly lasting: boolean
  readonly content: Buffer
}

/** `GET /` and what its page asks for. @param directory the Studio as it was built */
export function studioRoutes(_context: unknown, directory = built): Hono<RequestVariables> {
  const app = new Hono<RequestVariables>()
  const assets = readAssets(directory)
  const compressed = new Map<string, Promise<Buffer>>()

  const answer = async (c: Context, path: string): Promise<Response> => {
    const asset = assets.get(path)
    if (asset === undefined) throw missing(c.req.path, assets.size > 0)
    const { type, etag, lasting, content } = asset
    const headers = {
      'content-type': type,
      etag,
      vary: 'accept-encoding',
      'cache-control': lasting ? 'public, max-age=31536000, immutable' : 'no-cache',
      'content-security-policy': policy,
      'referrer-policy': 'no-referrer',
    }
    if (c.req.header('if-none-match') === etag) return c.body(null, 304, headers)
    const encoding = encodingFor(c.req.header('accept-encoding') ?? '')
    if (encoding === undefined) return c.body(new Uint8Array(content), 200, headers)
    const key = `${encoding} ${path}`
    if (!compressed.has(key)) compressed.set(key, compress[encoding](content))
    return c.body(new Uint8Array(await compressed.get(key)!), 200, { ...headers, 'content-encoding': encoding })
  }

  app.get('/', (c) => answer(c, 'index.html'))
  app.get('/icon.svg', (c) => answer(c, 'icon.svg'))
  app.get('/assets/:name', (c) => answer(c, `assets/${c.req.param('name')}`))
  return app
}

const compress = { br: promisify(brotliCompress) as (content: Buffer) => Promise<Buffer>, gzip: promisify(gzip) as (content: Buffer) => Promise<Buffer> }

function encodingFor(accepted: string): keyof typeof compress | undefined {
  const names = accepted.split(',').map((each) => each.trim().split(';')[0])
  return (['br', 'gzip'] as const).find((name) => names.includes(name))
}

/** All files, read once: a request names one of them, never a path. */
function readAssets(directory: string): ReadonlyMap<string, Asset> {
  return new Map(globSync('{*,assets/*}.{html,js,css,svg}', { cwd: directory }).map((path) => {
    const content = readFileSync(join(directory, path))
    const name = path.replaceAll('\\', '/')
    const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`
    return [name, { type: types[extname(path)]!, etag, lasting: name.startsWith('assets/'), content }]
  }))
}

function missing(path: string, isBuilt: boolean): ApiError {
  const message = isBuilt ? `There is no ${path}` : 'The Studio is not built in this checkout: run npm run build:studio, and start the server again'
  return new ApiError(404, message, { code: 'not_found' })
}
