/**
 * For an app whose completions another provider makes: it logs them, and sends what its users say of them. Needs nothing
 * of the server's code and nothing of Node.
 */
import { UserError } from '../errors.ts'

/** Where the posttrain server is. */
export interface ServerAddress {
  /** As OpenAI's client takes it: `http://127.0.0.1:8000/v1`. */
  readonly baseURL: string
  /** A key with the scope `feedback`; on the server's own machine none is needed. */
  readonly apiKey?: string | undefined
  /** How often a call is tried again that did not get through; 4 unless given. */
  readonly maxRetries?: number | undefined
  /** Milliseconds of one attempt; 10,000 unless given. */
  readonly timeout?: number | undefined
  readonly fetch?: typeof globalThis.fetch | undefined
}

/** What a user says of an answer: `POST /v1/feedback`. */
export interface NewFeedback {
  readonly completion_id: string
  /** Which of the completion's answers; the first unless given. */
  readonly choice_index?: number | undefined
  /** thumbs, rating, comment, correction, choice, or a name of your own. */
  readonly name: string
  readonly value: unknown
  readonly tags?: Readonly<Record<string, string>> | readonly string[] | undefined
  readonly user?: string | undefined
  /** One is made unless given, so that trying again never counts twice. */
  readonly idempotency_key?: string | undefined
}

/**
 * Logs a chat completion that was made elsewhere. Does not resolve before it is stored; where an answer should not wait
 * for that, do not await it, but catch its errors.
 * @param request what was sent to `/v1/chat/completions`
 * @param response the `chat.completion` that came back
 * @returns the id to give feedback on: the response's own, where it has one
 * @throws UserError where the server refuses it or cannot be reached
 */
export async function logCompletion(
  server: ServerAddress,
  request: object,
  response: object,
  { idempotencyKey = crypto.randomUUID() }: { readonly idempotencyKey?: string } = {},
): Promise<string> {
  const { id } = await post<{ id: string }>(server, '/completions/log', { request, response, idempotency_key: idempotencyKey })
  return id
}

/** Sends feedback; it is durable when the promise resolves. @returns its id @throws UserError as `logCompletion` does */
export async function sendFeedback(server: ServerAddress, feedback: NewFeedback): Promise<string> {
  const { id } = await post<{ id: string }>(server, '/feedback', { idempotency_key: crypto.randomUUID(), ...feedback })
  return id
}

async function post<Answer>(server: ServerAddress, path: string, body: object): Promise<Answer> {
  const url = server.baseURL.replace(/\/+$/, '') + path
  const { maxRetries = 4 } = server
  for (let attempt = 0; ; attempt++) {
    const outcome = await tryPost(server, url, body)
    if (outcome instanceof Response && outcome.ok) return await outcome.json() as Answer
    if (attempt >= maxRetries || (outcome instanceof Response && !mayPass(outcome.status))) throw await refusal(url, outcome)
    await outcome.body?.cancel()
    await pause(attempt, outcome)
  }
}

/** An error that came in place of a response has no body. */
type Failure = Error & { readonly body?: undefined }

async function tryPost(server: ServerAddress, url: string, body: object): Promise<Response | Failure> {
  const { apiKey, timeout = 10_000, fetch = globalThis.fetch } = server
  try {
    return await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...(apiKey !== undefined && { Authorization: `Bearer ${apiKey}` }) },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeout),
    })
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** Whether a call that was refused may get through later. */
function mayPass(status: number): boolean {
  return status === 408 || status === 429 || status >= 500
}

const firstPause = 200
const longestPause = 10_000

/** Waits as long as the server asks for, else twice as long each time, apart from others who failed at the same moment. */
async function pause(attempt: number, outcome: Response | Failure): Promise<void> {
  const asked = outcome instanceof Response ? Number(outcome.headers.get('retry-after') ?? NaN) * 1000 : NaN
  const own = firstPause * 2 ** attempt * (0.5 + Math.random())
  await new Promise((resolve) => { setTimeout(resolve, Math.min(longestPause, Number.isNaN(asked) ? own : asked)) })
}

async function refusal(url: string, outcome: Response | Failure): Promise<UserError> {
  if (!(outcome instanceof Response)) return new UserError(`${url} cannot be reached: ${outcome.message}`, { cause: outcome })
  const text = await outcome.text()
  return new UserError(`${url} answered ${outcome.status}: ${messageIn(text)}`)
}

function messageIn(text: string): string {
  try {
    return (JSON.parse(text) as { readonly error: { readonly message: string } }).error.message
  } catch {
    return text.slice(0, 500)
  }
}
