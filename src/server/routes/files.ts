import { Readable } from 'node:stream'
import { Busboy, type BusboyFileStream } from '@fastify/busboy'
import { Hono } from 'hono'
import { z } from 'zod'
import { uploadPurposes, type FilePurpose, type StoredFile } from '../../registry/files.ts'
import { readQuery } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import { ApiError } from '../errors.ts'

/** The largest file that can be uploaded, bytes: OpenAI's limit. */
const largestUpload = 512 * 2 ** 20

const listQuery = z.object({
  purpose: z.string().optional(),
  order: z.enum(['asc', 'desc']).default('desc'),
  after: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(10_000).default(10_000),
})

/** `/v1/files` as OpenAI has it. Uploads go to the disk as they come. */
export function fileRoutes({ jobs: { files }, store }: Pick<ServerContext, 'jobs' | 'store'>, maxUpload = largestUpload): Hono<RequestVariables> {
  const routes = new Hono<RequestVariables>()
  const find = async (id: string): Promise<StoredFile> => {
    const file = await files.get(id)
    if (file === undefined) throw new ApiError(404, `No such File object: ${id}`, { param: 'id' })
    return file
  }

  routes.post('/v1/files', async (c) => {
    const { stream, about } = await openUpload(c.req.raw, maxUpload)
    return c.json(wireFile(await files.add(stream, about)))
  })
  routes.get('/v1/files', async (c) => {
    const page = await files.list(readQuery(c, listQuery))
    const data = page.files.map(wireFile)
    return c.json({ object: 'list', data, has_more: page.hasMore, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null })
  })
  routes.get('/v1/files/:id', async (c) => c.json(wireFile(await find(c.req.param('id')))))
  routes.get('/v1/files/:id/content', async (c) => {
    const file = await find(c.req.param('id'))
    return c.body(Readable.toWeb(store.blobs.read(file.sha256)) as ReadableStream, 200, {
      'Content-Type': 'application/octet-stream',
      'Content-Length': String(file.bytes),
      // Whatever was uploaded, a browser must not take it for a page of ours.
      'Content-Disposition': 'attachment',
      'X-Content-Type-Options': 'nosniff',
    })
  })
  routes.delete('/v1/files/:id', async (c) => {
    const { id } = await find(c.req.param('id'))
    await files.remove(id)
    return c.json({ id, object: 'file', deleted: true })
  })
  return routes
}

function wireFile({ id, bytes, created_at, filename, purpose }: StoredFile) {
  return { object: 'file', id, bytes, created_at: Math.floor(created_at / 1000), filename, purpose, status: 'processed' }
}

interface Upload {
  /** The file's content; ends with an ApiError where it is too large or the form is broken. */
  readonly stream: AsyncIterable<Uint8Array>
  /** What the form says of it, once the stream has ended. @throws ApiError */
  about(): { readonly filename: string; readonly purpose: FilePurpose }
}

/** Reads a form up to its file. @throws ApiError where it is no form, or has no file */
async function openUpload(request: Request, maxUpload: number): Promise<Upload> {
  const type = request.headers.get('content-type') ?? ''
  if (!/^multipart\/form-data\b.*\bboundary=/i.test(type) || request.body === null) {
    throw new ApiError(415, 'a file is uploaded as multipart/form-data, with the fields `file` and `purpose`')
  }
  const fields = new Map<string, string>()
  const form = new Busboy({
    headers: { 'content-type': type },
    limits: { files: 1, fileSize: maxUpload, fields: 20, fieldSize: 1000, headerPairs: 20, headerSize: 8192 },
  })
  form.on('field', (name, value) => { fields.set(name, value) })
  const finished = new Promise<void>((resolve, reject) => {
    form.on('finish', resolve)
    form.on('error', (error) => { reject(brokenForm(error)) })
  })
  finished.catch(() => {})
  const file = await new Promise<{ name: string; stream: BusboyFileStream }>((resolve, reject) => {
    form.on('file', (field, stream, name) => {
      if (field === 'file') resolve({ name: name ?? 'file', stream })
      else stream.resume()
    })
    finished.then(() => { reject(missing('file')) }, reject)
    const body = Readable.fromWeb(request.body as Parameters<typeof Readable.fromWeb>[0])
    body.on('error', (error) => { form.destroy(error) })
    body.pipe(form)
  })
  return {
    stream: pieces(file.stream, finished, maxUpload),
    about() {
      const purpose = fields.get('purpose')
      if (purpose === undefined) throw missing('purpose')
      if (!isUploadPurpose(purpose)) throw new ApiError(400, `'${purpose}' is not one of ${uploadPurposes.join(', ')}`, { param: 'purpose' })
      const expiry = [...fields.keys()].find((name) => name.startsWith('expires_after'))
      if (expiry !== undefined) throw new ApiError(400, 'files here do not expire: leave expires_after out and delete the file', { param: 'expires_after' })
      return { filename: file.name.slice(0, 255), purpose }
    },
  }
}

/** The file's content, then the rest of the form. */
async function* pieces(stream: BusboyFileStream, finished: Promise<void>, maxUpload: number): AsyncGenerator<Uint8Array> {
  finished.catch((error: Error) => { stream.destroy(error) })
  for await (const piece of stream) yield piece as Uint8Array
  if (stream.truncated) throw new ApiError(413, `the file has more than ${maxUpload} bytes`, { param: 'file' })
  await finished
}

function isUploadPurpose(purpose: string): purpose is (typeof uploadPurposes)[number] {
  return (uploadPurposes as readonly string[]).includes(purpose)
}

function missing(field: string): ApiError {
  return new ApiError(400, `Missing required parameter: '${field}'.`, { param: field, code: 'missing_required_parameter' })
}

function brokenForm(error: unknown): ApiError {
  return new ApiError(400, 'the form is broken off or malformed: upload the file again', { cause: error })
}
