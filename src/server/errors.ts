/** Errors as OpenAI's clients read them: {"error": {message, type, param, code}} and the status that chooses their class. */
import { HTTPException } from 'hono/http-exception'
import { UserError } from '../errors.ts'
import { ConflictError, NotFoundError } from '../registry/errors.ts'
import { StoreError } from '../store/index.ts'

export interface ErrorBody {
  readonly error: {
    readonly message: string
    readonly type: string
    readonly param: string | null
    readonly code: string | null
  }
}

export interface ApiErrorOptions {
  /** The request's key that is wrong: `messages[0].content`. */
  readonly param?: string | undefined
  /** A word for programs: `model_not_found`. */
  readonly code?: string | undefined
  readonly cause?: unknown
  readonly headers?: Readonly<Record<string, string>> | undefined
}

export type ErrorStatus = 400 | 401 | 403 | 404 | 405 | 408 | 409 | 413 | 415 | 422 | 429 | 500 | 503

/** An error that the client is told. */
export class ApiError extends Error {
  readonly status: ErrorStatus
  readonly options: ApiErrorOptions

  constructor(status: ErrorStatus, message: string, options: ApiErrorOptions = {}) {
    super(message, { cause: options.cause })
    this.status = status
    this.options = options
  }

  get body(): ErrorBody {
    const { param = null, code = null } = this.options
    return { error: { message: this.message, type: errorType(this.status), param, code } }
  }
}

function errorType(status: ErrorStatus): string {
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 404) return 'not_found_error'
  if (status === 429) return 'rate_limit_error'
  return status >= 500 ? 'server_error' : 'invalid_request_error'
}

/** Anything that was thrown, as the client may see it. What is a fault of ours keeps its text to the log. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  if (error instanceof NotFoundError) return new ApiError(404, error.message, { code: 'not_found', cause: error })
  if (error instanceof ConflictError) return new ApiError(409, error.message, { code: 'conflict', cause: error })
  // What is wrong with it, and where it lies, is for the operator to know.
  if (error instanceof StoreError) return new ApiError(503, 'The server cannot read or write its store; its log says why.', { code: 'store_unavailable', cause: error })
  if (error instanceof UserError) return new ApiError(error.exitCode === 2 ? 400 : 422, error.message, { cause: error })
  if (error instanceof HTTPException) return new ApiError(error.status as ErrorStatus, error.message, { cause: error })
  return new ApiError(500, 'The server failed at this request; its log says why.', { cause: error })
}

/** Whether it is a fault of ours, for the log: nothing that a client did, and nothing that we say on purpose. */
export function isFault(error: unknown): boolean {
  return !(error instanceof ApiError) && asApiError(error).status >= 500
}
