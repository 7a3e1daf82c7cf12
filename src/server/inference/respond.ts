import type { Context } from 'hono'
import type { Completion } from '../../generate/completion.ts'
import type { LiveRequest } from '../../generate/live-model.ts'
import type { RequestVariables } from '../context.ts'
import { ApiError, asApiError } from '../errors.ts'
import type { AnswerForm } from './answer-form.ts'
import { EventStream } from './event-stream.ts'
import type { Inference } from './inference.ts'

export interface Respond {
  readonly requests: readonly LiveRequest[]
  readonly form: AnswerForm
  readonly stream: boolean
  /** Hears of the completions when all are done. */
  onDone(completions: readonly (readonly Completion[])[]): void
  /** Hears of what went wrong after a stream had begun. */
  onFault(error: unknown): void
}

/** Computes the answers and words them, whole or as a stream. A client that goes away frees its rows. */
export async function respond(c: Context<RequestVariables>, inference: Inference, options: Respond): Promise<Response> {
  return options.stream ? stream(c, inference, options) : whole(c, inference, options)
}

async function whole(c: Context<RequestVariables>, inference: Inference, { requests, form, onDone }: Respond): Promise<Response> {
  const { signal } = c.req.raw
  try {
    const completions = await inference.run(requests, { signal })
    onDone(completions)
    return Response.json(form.whole(completions))
  } catch (error) {
    // Nobody reads it; but it is no fault of ours.
    if (signal.aborted) throw new ApiError(408, 'The client went away', { cause: error })
    throw error
  }
}

/** The stream begins with the first token: what is wrong before then still has a status of its own. */
async function stream(c: Context<RequestVariables>, inference: Inference, { requests, form, onDone, onFault }: Respond): Promise<Response> {
  const gone = new AbortController()
  const events = new EventStream({
    stallTime: inference.limits.stallTime,
    onGone: (reason) => {
      gone.abort(reason)
      c.env.outgoing.destroy()
    },
  })
  const began = Promise.withResolvers<undefined>()
  let open = false
  const begin = (): void => {
    if (open) return
    open = true
    for (const event of form.opening()) events.send(event)
    began.resolve(undefined)
  }
  const done = inference.run(requests, {
    signal: AbortSignal.any([c.req.raw.signal, gone.signal]),
    onToken: (request, token) => {
      begin()
      const event = form.piece(request, token)
      if (event !== undefined) events.send(event)
    },
  }).then((completions) => {
    begin()
    for (const event of form.closing(completions)) events.send(event)
    events.end()
    onDone(completions)
  })
  done.catch((error: unknown) => {
    if (!open) return
    if (!gone.signal.aborted && !c.req.raw.signal.aborted) onFault(error)
    events.fail(asApiError(error).body)
  })
  await Promise.race([began.promise, done])
  return new Response(events.body, {
    headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache', 'x-accel-buffering': 'no' },
  })
}
