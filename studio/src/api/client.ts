/** Calls to the server that served this page. */
import { key } from './key.svelte.ts'

/** An answer that is none: the server's reason, for whoever reads the screen. */
export class CallError extends Error {
  override readonly name = 'CallError'
  /** HTTP status; 0: the server was not reached. */
  readonly status: number
  /** The path of the key that is wrong. */
  readonly param: string | null
  readonly code: string | null

  constructor(status: number, message: string, { param = null, code = null }: { param?: string | null; code?: string | null } = {}) {
    super(message)
    this.status = status
    this.param = param
    this.code = code
  }
}

type QueryValue = string | number | boolean | null | undefined

export interface CallOptions {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Sent as JSON; a form as it is, with its files. */
  readonly body?: unknown
  /** Null and undefined are left out. */
  readonly query?: Readonly<Record<string, QueryValue>>
  readonly signal?: AbortSignal | undefined
}

/** Calls and reads the JSON of the answer, whose type is the caller's claim. @throws CallError; AbortError */
export async function call<Result>(path: string, options: CallOptions = {}): Promise<Result> {
  const response = await send(path, options)
  return await response.json() as Result
}

/** Calls; the answer's status is 2xx. @throws CallError; AbortError */
export async function send(path: string, { method, body, query = {}, signal }: CallOptions = {}): Promise<Response> {
  const isJson = body !== undefined && !(body instanceof FormData)
  const headers: Record<string, string> = { ...(isJson && { 'content-type': 'application/json' }), ...key.header() }
  const response = await fetch(path + search(query), {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers,
    ...(body !== undefined && { body: isJson ? JSON.stringify(body) : body as FormData }),
    ...(signal !== undefined && { signal }),
  }).catch((error: unknown) => {
    if (signal?.aborted === true) throw error
    throw new CallError(0, 'The server does not answer. Is posttrain still running?', { code: 'unreachable' })
  })
  if (!response.ok) throw await errorOf(response)
  key.accepted()
  return response
}

function search(query: Readonly<Record<string, QueryValue>>): string {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== null && value !== undefined) params.set(name, String(value))
  return params.size === 0 ? '' : `?${params.toString()}`
}

async function errorOf(response: Response): Promise<CallError> {
  const { status } = response
  if (status === 401) key.ask()
  const text = await response.text()
  try {
    const { error } = JSON.parse(text) as { error: { message: string; param: string | null; code: string | null } }
    return new CallError(status, error.message, error)
  } catch {
    return new CallError(status, text.trim() === '' ? `The server answered with status ${status}` : text)
  }
}
