/** A client that measures: greedy chat completions, whole or as streams. */
import type { LoadRequest } from './prompts.ts'

export interface Answer {
  readonly text: string
  readonly tokens: number
  /** Milliseconds: of all of it, until the first token, between each two. The last two are of streams. */
  readonly latency: number
  readonly firstToken: number | undefined
  readonly gaps: readonly number[]
}

interface Chunk {
  readonly choices: readonly { readonly delta: { readonly content?: string } }[]
  readonly usage?: { readonly completion_tokens: number } | null
  readonly error?: { readonly message: string }
}

export interface AskOptions {
  readonly stream: boolean
  readonly signal?: AbortSignal
  /** Whether the server is to keep it; it is unless given. */
  readonly store?: boolean
  /** Hears of each token of a stream that has a text. */
  readonly onToken?: () => void
}

/** @throws where the answer is an error, or the signal aborts */
export async function ask(url: string, request: LoadRequest, { stream, signal, store = true, onToken }: AskOptions): Promise<Answer> {
  const start = performance.now()
  const { model, messages, maxTokens } = request
  const body = { model, messages, max_tokens: maxTokens, temperature: 0, store, ...(stream && { stream, stream_options: { include_usage: true } }) }
  const response = await post(url, '/v1/chat/completions', body, signal)
  if (stream) return readStream(response.body as AsyncIterable<Uint8Array>, start, onToken)
  const { choices, usage } = await response.json() as { choices: { message: { content: string } }[]; usage: { completion_tokens: number } }
  return { text: choices[0]!.message.content, tokens: usage.completion_tokens, latency: performance.now() - start, firstToken: undefined, gaps: [] }
}

/** @throws where the status is not 2xx */
export async function post(url: string, path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const response = await fetch(url + path, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), ...(signal !== undefined && { signal }),
  })
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return response
}

async function readStream(body: AsyncIterable<Uint8Array>, start: number, onToken?: () => void): Promise<Answer> {
  const decoder = new TextDecoder()
  const gaps: number[] = []
  let [text, rest, tokens, first, last, done] = ['', '', 0, undefined as number | undefined, 0, false]
  for await (const piece of body) {
    rest += decoder.decode(piece, { stream: true })
    const now = performance.now()
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const data = rest.slice('data: '.length, end)
      rest = rest.slice(end + 2)
      done ||= data === '[DONE]'
      if (data === '[DONE]') continue
      const { choices, usage, error } = JSON.parse(data) as Chunk
      if (error !== undefined) throw new Error(error.message)
      tokens = usage?.completion_tokens ?? tokens
      const content = choices[0]?.delta.content ?? ''
      if (content === '') continue
      onToken?.()
      text += content
      if (first === undefined) first = now - start
      else gaps.push(now - last)
      last = now
    }
  }
  if (!done) throw new Error('the stream ended before its end')
  return { text, tokens, latency: performance.now() - start, firstToken: first, gaps }
}
