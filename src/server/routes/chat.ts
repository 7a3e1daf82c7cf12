import { Hono } from 'hono'
import type { Completion } from '../../generate/completion.ts'
import { newId } from '../../store/index.ts'
import { readJson } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import { chatForm } from '../inference/chat-form.ts'
import { chatRequest, chatSchema, type ChatBody } from '../inference/chat-request.ts'
import type { Target } from '../inference/inference.ts'
import { respond } from '../inference/respond.ts'

/** POST /v1/chat/completions */
export function chatRoutes(context: ServerContext): Hono<RequestVariables> {
  const { inference, model, onFault } = context
  const app = new Hono<RequestVariables>()
  app.post('/v1/chat/completions', async (c) => {
    const body = await readJson(c, chatSchema)
    const target = inference.target(body.model)
    const request = await chatRequest(body, target, model, inference.encoder)
    const id = newId('chatcmpl-')
    return respond(c, inference, {
      requests: [request],
      form: chatForm(id, body, target, inference.texts),
      stream: body.stream === true,
      onDone: ([completions = []]) => { record(context, id, body, target, completions) },
      onFault: (error) => { onFault(error, c.get('requestId')) },
    })
  })
  return app
}

function record({ capture, inference }: ServerContext, id: string, body: ChatBody, target: Target, completions: readonly Completion[]): void {
  if (!capture.wants(body.store)) return
  const { messages, model, metadata, user, safety_identifier: identifier, store: _store, ...parameters } = body
  inference.track(capture.record({
    id,
    source: 'server',
    kind: 'chat',
    model,
    adapterId: target.adapterId,
    alias: target.alias,
    user: identifier ?? user ?? undefined,
    messages,
    choices: completions.map(({ text, finishReason }) => ({ message: { role: 'assistant', content: text }, finishReason })),
    parameters,
    metadata: metadata ?? {},
    promptTokens: completions[0]?.usage.promptTokens ?? 0,
    completionTokens: completions.reduce((sum, { usage }) => sum + usage.completionTokens, 0),
  }))
}
