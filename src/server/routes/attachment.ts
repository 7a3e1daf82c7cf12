import type { Context } from 'hono'
import type { Archive } from '../archive.ts'

/** An answer that a browser saves. @param name plain: letters, digits, `_`, `-` and dots */
export function attachment(c: Context, name: string, { body, bytes }: Archive): Response {
  return c.body(body, 200, {
    'content-type': 'application/octet-stream',
    ...(bytes !== undefined && { 'content-length': String(bytes) }),
    'content-disposition': `attachment; filename="${name}"`,
    'cache-control': 'no-store',
  })
}
