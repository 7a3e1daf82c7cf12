import { createParser } from 'eventsource-parser'
import { CallError, send, type CallOptions } from './client.ts'

/** The events of a stream, parsed; ends with `[DONE]`. @throws CallError also for an `error` event; Error where it broke off; AbortError */
export async function* streamCall<Event>(path: string, options: CallOptions): AsyncGenerator<Event> {
  const response = await send(path, options)
  const waiting: Event[] = []
  let whole = false
  let failure: CallError | undefined
  const parser = createParser({
    onEvent({ event, data }) {
      if (data === '[DONE]') {
        whole = true
        return
      }
      const parsed = JSON.parse(data) as Event & { readonly error?: { readonly message: string; readonly code: string | null } }
      if (event === 'error' || parsed.error !== undefined) failure = new CallError(200, parsed.error?.message ?? data, { code: parsed.error?.code ?? null })
      else waiting.push(parsed)
    },
  })
  for await (const text of textsOf(response)) {
    parser.feed(text)
    yield* waiting.splice(0)
    if (failure !== undefined) throw failure
  }
  if (!whole) throw new Error('the stream ended before its [DONE]')
}

async function* textsOf({ body }: Response): AsyncGenerator<string> {
  const reader = body!.pipeThrough(new TextDecoderStream()).getReader()
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value
  } finally {
    // Whoever stops listening frees the server's place.
    await reader.cancel()
  }
}
