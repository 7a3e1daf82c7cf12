import { Hono } from 'hono'
import type { Completion } from '../../generate/completion.ts'
import { newId } from '../../store/index.ts'
import { readJson } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import { chatForm, type ChatForm } from '../inference/chat-form.ts'
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
    const { request, tools } = await chatRequest(body, target, model, inference.encoder)
    const id = newId('chatcmpl-')
    const form = chatForm(id, body, target, tools, inference.texts)
    return respond(c, inference, {
      requests: [request],
      form,
      stream: body.stream === true,
      onDone: async ([completions = []]) => record(context, { id, body, target, form, completions }),
      onFault: (error) => { onFault(error, c.get('requestId')) },
    })
  })
  return app
}

interface Answered {
  readonly id: string
  readonly body: ChatBody
  readonly target: Target
  readonly form: ChatForm
  readonly completions: readonly Completion[]
}

async function record({ capture, inference }: ServerContext, { id, body, target, form, completions }: Answered): Promise<void> {
  if (!capture.wants(body.store)) return
  const { messages, model, metadata, user, safety_identifier: identifier, store: _store, ...parameters } = body
  await inference.track(capture.record({
    id,
    source: 'server',
    kind: 'chat',
    model,
    adapterId: target.adapterId,
    alias: target.alias,
    user: identifier ?? user ?? undefined,
    messages,
    choices: completions.map((completion) => ({ message: { ...form.message(completion) }, finishReason: completion.finishReason })),
    parameters,
    metadata: metadata ?? {},
    promptTokens: completions[0]?.usage.promptTokens ?? 0,
    completionTokens: completions.reduce((sum, { usage }) => sum + usage.completionTokens, 0),
  }))
}
