import { Hono } from 'hono'
import type { Completion } from '../../generate/completion.ts'
import { newId } from '../../store/index.ts'
import { readJson } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import type { Target } from '../inference/inference.ts'
import { respond } from '../inference/respond.ts'
import { textForm } from '../inference/text-form.ts'
import { textRequests, textSchema, type TextBody } from '../inference/text-request.ts'

/** POST /v1/completions */
export function completionRoutes(context: ServerContext): Hono<RequestVariables> {
  const { inference, model, onFault } = context
  const app = new Hono<RequestVariables>()
  app.post('/v1/completions', async (c) => {
    const body = await readJson(c, textSchema)
    const target = inference.target(body.model)
    const { requests, prompts } = await textRequests(body, target, model, inference.encoder)
    const id = newId('cmpl-')
    return respond(c, inference, {
      requests,
      form: textForm(id, body, prompts, target, inference.texts),
      stream: body.stream === true,
      onDone: async (completions) => record(context, id, body, target, prompts, completions),
      onFault: (error) => { onFault(error, c.get('requestId')) },
    })
  })
  return app
}

/** Each prompt is stored by itself: the first under the call's id, the others under it with their number. */
async function record(
  { capture, inference }: ServerContext,
  id: string,
  body: TextBody,
  target: Target,
  prompts: readonly string[],
  completions: readonly (readonly Completion[])[],
): Promise<void> {
  if (!capture.wants(body.store)) return
  const { prompt: _prompt, model, metadata, user, store: _store, ...parameters } = body
  await Promise.all(completions.map(async (answers, index) => inference.track(capture.record({
    id: index === 0 ? id : `${id}-${index}`,
    source: 'server',
    kind: 'text',
    model,
    adapterId: target.adapterId,
    alias: target.alias,
    user: user ?? undefined,
    messages: [{ role: 'user', content: prompts[index]! }],
    choices: answers.map(({ text, finishReason }) => ({ message: { role: 'assistant', content: text }, finishReason })),
    parameters,
    metadata: metadata ?? {},
    promptTokens: answers[0]?.usage.promptTokens ?? 0,
    completionTokens: answers.reduce((sum, { usage }) => sum + usage.completionTokens, 0),
  }))))
}
