/** The shapes of logs that can be imported, told apart by the fields of each record. */
import { z } from 'zod'
import { langfuseFormats } from './import-langfuse.ts'
import {
  checkedBy, ImportFault, lenient, named, timeOf, type Imported, type ImportFormat, type ImportOptions, type LogRecord,
} from './import-record.ts'
import { answeredElsewhere, chatResponse, logBody } from './log.ts'
import { canonicalMessage, sha256, type AnsweredRequest, type ChatMessage } from './record.ts'
import { feedbackBody, tagsSchema } from './values.ts'

export const importFormats: readonly ImportFormat[] = [
  ...langfuseFormats,
  {
    name: 'logged completion',
    fits: (record) => 'request' in record && 'response' in record,
    read: (record) => {
      const { custom_id, ...body } = record
      const response = unwrapped(body['response'])
      const key = typeof custom_id === 'string' ? custom_id : sha256(JSON.stringify([body['request'], response]))
      const logged = checkedBy(logBody, { ...body, response, idempotency_key: key })
      return { completions: [answeredElsewhere(logged, 'imported')], feedback: [] }
    },
  },
  {
    name: 'stored completion',
    fits: ({ object, choices }) => object === 'chat.completion' || Array.isArray(choices),
    read: readStoredCompletion,
  },
  {
    name: 'feedback',
    fits: (record) => 'completion_id' in record && 'name' in record,
    read: ({ created_at: time, ...record }, options) => ({
      completions: [],
      feedback: [{ body: checkedBy(feedbackBody, named(lenient(record), options)), createdAt: timeOf(time) }],
    }),
  },
  { name: 'pair', fits: (record) => 'chosen' in record && 'rejected' in record, read: readPair },
  { name: 'simple', fits: (record) => 'messages' in record || 'prompt' in record, read: readSimple },
]

/** OpenAI's batches wrap the response: {status_code, body}. */
function unwrapped(response: unknown): unknown {
  return typeof response === 'object' && response !== null && 'body' in response ? response.body : response
}

/** OpenAI's export of a stored completion, with the messages that its list leaves out. */
function readStoredCompletion(record: LogRecord): Imported {
  const messages = record['messages'] ?? record['input']
  if (messages === undefined) {
    throw new ImportFault('the completion has no "messages": put those of GET /v1/chat/completions/ID/messages beside its choices')
  }
  const { model, metadata, input_user: user, temperature, top_p } = record
  const request = { model, messages, metadata, user, ...(temperature !== undefined && { temperature }), ...(top_p !== undefined && { top_p }) }
  const body = checkedBy(logBody, { request, response: checkedBy(chatResponse, record), idempotency_key: sha256(JSON.stringify(record)) })
  return { completions: [answeredElsewhere(body, 'imported')], feedback: [] }
}

const text = z.string().min(1)
const messages = z.array(z.looseObject({ role: z.string().min(1).max(32) })).min(1)
const turns = z.union([text, messages], { error: 'must be a text or a list of messages' })
const optional = {
  id: z.string().min(1).max(200).optional(),
  created_at: z.union([z.number(), z.string()]).optional(),
  user: z.string().max(512).optional(),
  model: z.string().max(200).optional(),
  conversation_id: z.string().max(512).optional(),
  metadata: tagsSchema.optional(),
  choice_index: z.coerce.number().int().min(0).optional(),
}
const said = {
  thumbs: z.unknown().optional(), rating: z.unknown().optional(), comment: z.unknown().optional(), correction: z.unknown().optional(),
}

/** One line for an answer and all that was said of it. */
const simple = z.strictObject({
  ...optional, ...said,
  messages: messages.optional(), prompt: turns.optional(), system: text.optional(),
  completion: turns.optional(), answer: turns.optional(), response: turns.optional(), output: turns.optional(),
  finish_reason: z.string().optional(),
})

function readSimple(record: LogRecord, options: ImportOptions): Imported {
  const row = checkedBy(simple, record)
  const { prompt, answer } = split(row)
  const completion = answeredRow(row, prompt, [{ message: answer, finishReason: row.finish_reason ?? 'stop' }])
  const about = { completion_id: completion.id, ...(row.user !== undefined && { user: row.user }) }
  const feedback = (Object.keys(said) as (keyof typeof said)[]).filter((name) => row[name] !== undefined)
    .map((name) => named(lenient({ ...about, name, value: row[name] }), options))
    .map((body) => ({ body: checkedBy(feedbackBody, body), createdAt: completion.createdAt }))
  return { completions: [completion], feedback }
}

const pair = z.strictObject({ ...optional, prompt: turns, chosen: turns, rejected: turns })

function readPair(record: LogRecord): Imported {
  const row = checkedBy(pair, record)
  const answers = [row.chosen, row.rejected].map((turns) => ({ message: answerIn(turns), finishReason: 'stop' }))
  const completion = answeredRow(row, asMessages(row.prompt), answers)
  const about = { completion_id: completion.id, ...(row.user !== undefined && { user: row.user }) }
  const body = checkedBy(feedbackBody, { ...about, name: 'choice', value: { chosen: 0, rejected: 1 } })
  return { completions: [completion], feedback: [{ body, createdAt: completion.createdAt }] }
}

type SimpleRow = z.output<typeof simple>

interface Answered {
  readonly prompt: readonly ChatMessage[]
  readonly answer: ChatMessage
}

/** The prompt and the answer: apart, or the last turn of one conversation. */
function split({ messages, prompt = [], system, completion, answer, response, output }: SimpleRow): Answered {
  const said = completion ?? answer ?? response ?? output
  const asked = [...(system === undefined ? [] : [{ role: 'system', content: system }]), ...(messages ?? asMessages(prompt))]
  if (said !== undefined) return { prompt: asked, answer: answerIn(said) }
  const last = asked.at(-1)
  if (last?.role !== 'assistant') {
    throw new ImportFault('there is no answer: give "completion", or end the messages with a turn of the assistant')
  }
  return { prompt: asked.slice(0, -1), answer: last }
}

function asMessages(turns: string | readonly ChatMessage[]): readonly ChatMessage[] {
  return typeof turns === 'string' ? [{ role: 'user', content: turns }] : turns
}

function answerIn(turns: string | readonly ChatMessage[]): ChatMessage {
  if (typeof turns === 'string') return { role: 'assistant', content: turns }
  if (turns.length !== 1) throw new ImportFault(`an answer must be one message, not ${turns.length}`)
  return { ...turns[0]!, role: 'assistant' }
}

function answeredRow(
  { id, created_at: time, user, model, conversation_id: conversation, metadata }: Pick<SimpleRow, keyof typeof optional>,
  prompt: readonly ChatMessage[],
  choices: AnsweredRequest['choices'],
): AnsweredRequest {
  const createdAt = timeOf(time)
  const content = [prompt.map(canonicalMessage), choices.map(({ message }) => canonicalMessage(message)), user, time, conversation]
  return {
    id: id ?? `chatcmpl-import-${sha256(JSON.stringify(content)).slice(0, 32)}`,
    createdAt,
    source: 'imported', kind: 'chat', model: model ?? 'unknown', adapterId: null, alias: null,
    user, messages: prompt, choices, parameters: {},
    metadata: { ...metadata, ...(conversation !== undefined && { conversation_id: conversation }) },
    promptTokens: 0, completionTokens: 0,
  }
}
