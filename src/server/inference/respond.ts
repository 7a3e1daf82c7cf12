import type { Context } from 'hono'
import type { Completion } from '../../generate/completion.ts'
import type { LiveRequest } from '../../generate/live-model.ts'
import type { RequestVariables } from '../context.ts'
import { ApiError, asApiError, isFault } from '../errors.ts'
import type { AnswerForm } from './answer-form.ts'
import { EventStream } from './event-stream.ts'
import type { Inference } from './inference.ts'

export interface Respond {
  readonly requests: readonly LiveRequest[]
  readonly form: AnswerForm
  readonly stream: boolean
  /** Records the completions when all are done; never rejects. */
  onDone(completions: readonly (readonly Completion[])[]): Promise<void>
  /** Hears of what went wrong after a stream had begun. */
  onFault(error: unknown): void
}

/** How long the end of an answer waits for its record, in milliseconds. */
const patience = 1000

/** Computes the answers and words them, whole or as a stream. A client that goes away frees its rows. */
export async function respond(c: Context<RequestVariables>, inference: Inference, options: Respond): Promise<Response> {
  return options.stream ? stream(c, inference, options) : whole(c, inference, options)
}

async function whole(c: Context<RequestVariables>, inference: Inference, { requests, form, onDone }: Respond): Promise<Response> {
  const completions = await whileThere(c, inference.run(requests, { signal: c.req.raw.signal }))
  await recorded(onDone(completions))
  return Response.json(form.whole(completions))
}

/** The stream begins with the first token: what is wrong before then still has a status of its own. */
async function stream(
  c: Context<RequestVariables>, inference: Inference, { requests, form, onDone, onFault }: Respond,
): Promise<Response> {
  const gone = new AbortController()
  const events = new EventStream({
    stallTime: inference.limits.stallTime,
    onGone: (reason) => {
      gone.abort(reason)
      c.env.outgoing.destroy()
    },
  })
  const signal = AbortSignal.any([c.req.raw.signal, gone.signal])
  const sendAll = (all: readonly unknown[]): void => { for (const event of all) events.send(event) }
  const began = Promise.withResolvers<undefined>()
  let open = false
  const begin = (): void => {
    if (open) return
    open = true
    sendAll(form.opening())
    began.resolve(undefined)
  }
  const done = inference.run(requests, {
    signal,
    onToken: (request, token) => {
      begin()
      const event = form.piece(request, token)
      if (event !== undefined) events.send(event)
    },
  }).then(async (completions) => {
    begin()
    sendAll(form.closing(completions))
    await recorded(onDone(completions))
    events.end()
  })
  done.catch((error: unknown) => {
    if (!open || signal.aborted) return
    if (isFault(error)) onFault(error)
    events.fail(asApiError(error).body)
  })
  await whileThere(c, Promise.race([began.promise, done]))
  return new Response(events.body, {
    headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache', 'x-accel-buffering': 'no' },
  })
}

/** That a client went away is no fault of ours; nobody reads what it is told. */
async function whileThere<Result>(c: Context<RequestVariables>, work: Promise<Result>): Promise<Result> {
  try {
    return await work
  } catch (error) {
    throw c.req.raw.signal.aborted ? new ApiError(408, 'The client went away', { cause: error }) : error
  }
}

/** An answer that was given is there to be judged, whatever happens next; but a store that hangs holds up no answer. */
async function recorded(record: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<undefined>()
  const timer = setTimeout(late.resolve, patience, undefined)
  await Promise.race([record, late.promise])
  clearTimeout(timer)
}
