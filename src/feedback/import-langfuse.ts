/** Langfuse's exports: traces, observations (generations) and scores. */
import { z } from 'zod'
import { checkedBy, ImportFault, lenient, named, timeOf, type Imported, type ImportedFeedback, type ImportFormat, type ImportOptions } from './import-record.ts'
import type { AnsweredRequest, ChatMessage } from './record.ts'
import { feedbackBody } from './values.ts'

const nullable = <Schema extends z.ZodType>(schema: Schema) => schema.nullish()
const metadata = nullable(z.unknown())

/** https://api.reference.langfuse.com: Score */
const score = z.looseObject({
  id: z.string().min(1).max(200),
  traceId: z.string().min(1).max(200),
  observationId: nullable(z.string().max(200)),
  name: z.string(),
  value: z.unknown().optional(),
  stringValue: nullable(z.string()),
  dataType: nullable(z.enum(['NUMERIC', 'CATEGORICAL', 'BOOLEAN', 'TEXT'])),
  comment: nullable(z.string()),
  timestamp: nullable(z.string()),
  createdAt: nullable(z.string()),
})

/** Trace, and Observation where it is of type GENERATION. */
const work = z.looseObject({
  id: z.string().min(1).max(200),
  traceId: nullable(z.string().max(200)),
  type: nullable(z.string()),
  input: z.unknown().optional(),
  output: z.unknown().optional(),
  model: nullable(z.string().max(200)),
  userId: nullable(z.string().max(512)),
  sessionId: nullable(z.string().max(512)),
  tags: nullable(z.array(z.string().max(64))),
  metadata,
  timestamp: nullable(z.string()),
  startTime: nullable(z.string()),
  usage: nullable(z.looseObject({ input: nullable(z.number()), output: nullable(z.number()) })),
  observations: nullable(z.array(z.unknown())),
  scores: nullable(z.array(z.unknown())),
})

type Work = z.output<typeof work>
const hasAnswer = ({ input, output }: Work): boolean => input !== undefined && input !== null && output !== undefined && output !== null

export const langfuseFormats: readonly ImportFormat[] = [
  {
    name: 'Langfuse score',
    fits: (record) => 'traceId' in record && 'name' in record && ('value' in record || 'stringValue' in record) && !('startTime' in record),
    read: (record, options) => ({ completions: [], feedback: readScore(record, options) }),
  },
  { name: 'Langfuse observation', fits: (record) => 'traceId' in record && 'type' in record, read: (record) => ({ completions: readGeneration(record, undefined), feedback: [] }) },
  { name: 'Langfuse trace', fits: (record) => 'id' in record && ('observations' in record || 'sessionId' in record || 'userId' in record), read: readTrace },
]

/** A score of 0 or 1 by a name that says so is a thumb. */
const thumbNames = /^(?:user[-_ ]?)?(?:thumbs?(?:[-_ ]?up)?|feedback|like)$/i

function readScore(record: unknown, options: ImportOptions): ImportedFeedback[] {
  const { id, traceId, observationId, name, value, stringValue, dataType, comment, ...times } = checkedBy(score, record)
  const createdAt = timeOf(times.timestamp ?? times.createdAt)
  const ofTrace = observationId === null || observationId === undefined || observationId === ''
  const about = { completion_id: ofTrace ? traceId : observationId }
  const said = scoreValue(value, stringValue, dataType)
  const isThumb = thumbNames.test(name) && (said === 0 || said === 1 || typeof said === 'boolean')
  const body = named(lenient({ ...about, name: isThumb ? 'thumbs' : name, value: said, idempotency_key: `langfuse:${id}` }), options)
  const spoken = { ...about, name: 'comment', value: comment, idempotency_key: `langfuse:${id}:comment` }
  return [body, ...(comment ? [spoken] : [])].map((body) => ({ body: checkedBy(feedbackBody, body), createdAt, ofTrace }))
}

function scoreValue(value: unknown, stringValue: string | null | undefined, dataType: string | null | undefined): unknown {
  if (dataType === 'BOOLEAN') return value === true || value === 1 || /^(?:true|1)$/i.test(String(stringValue ?? value))
  if (dataType === 'CATEGORICAL' || dataType === 'TEXT') return stringValue ?? value
  return typeof value === 'string' && value.trim() !== '' && !Number.isNaN(Number(value)) ? Number(value) : value ?? stringValue
}

/** A trace is a completion of its own where it has an input and an output; else its generations are. */
function readTrace(record: unknown, options: ImportOptions): Imported {
  const trace = checkedBy(work, record)
  const own = hasAnswer(trace) ? [completionOf(trace, undefined)] : []
  const generations = own.length > 0 ? [] : (trace.observations ?? []).flatMap((observation) => (typeof observation === 'object' ? readGeneration(observation, trace) : []))
  // Without details, a trace's scores are ids of records elsewhere.
  const feedback = (trace.scores ?? []).flatMap((each) => (typeof each === 'object' ? readScore({ traceId: trace.id, ...each }, options) : []))
  return { completions: [...own, ...generations], feedback }
}

function readGeneration(record: unknown, trace: Work | undefined): AnsweredRequest[] {
  const observation = checkedBy(work, record)
  return observation.type === 'GENERATION' && hasAnswer(observation) ? [completionOf(observation, trace)] : []
}

function completionOf(of: Work, trace: Work | undefined): AnsweredRequest {
  const session = of.sessionId ?? trace?.sessionId ?? of.traceId ?? undefined
  const tags = [...(of.tags ?? []), ...(trace?.tags ?? [])]
  return {
    id: of.id,
    createdAt: timeOf(of.timestamp ?? of.startTime),
    source: 'imported', kind: 'chat', model: of.model ?? 'unknown', adapterId: null, alias: null,
    user: of.userId ?? trace?.userId ?? undefined,
    messages: messagesOf(of.input),
    choices: [{ message: answerOf(of.output), finishReason: 'stop' }],
    parameters: {},
    metadata: {
      ...Object.fromEntries(tags.map((tag) => [tag, ''])), ...textsOf(of.metadata),
      ...(session !== undefined && { conversation_id: session }), ...(of.traceId && { trace_id: of.traceId }),
    },
    promptTokens: of.usage?.input ?? 0,
    completionTokens: of.usage?.output ?? 0,
  }
}

/** Values that are texts; what is nested in a trace's metadata is no tag. */
function textsOf(metadata: unknown): Record<string, string> {
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) return {}
  return Object.fromEntries(Object.entries(metadata).filter((entry): entry is [string, string] => typeof entry[1] === 'string' && entry[1].length <= 512 && entry[0].length <= 64))
}

const messageList = z.array(z.looseObject({ role: z.string().min(1) })).min(1)

function messagesOf(input: unknown): ChatMessage[] {
  const value = parsed(input)
  if (typeof value === 'string') return [{ role: 'user', content: value }]
  const list = messageList.safeParse(isObject(value) && 'messages' in value ? value['messages'] : value)
  if (list.success) return list.data
  throw new ImportFault('the input is neither a text nor a list of messages')
}

function answerOf(output: unknown): ChatMessage {
  const value = parsed(output)
  if (typeof value === 'string') return { role: 'assistant', content: value }
  const list = Array.isArray(value) ? value as unknown[] : undefined
  const message = list?.length === 1 ? list[0] : value
  if (isObject(message) && ('content' in message || 'tool_calls' in message)) return { ...message, role: 'assistant' }
  if (isObject(message) && Array.isArray(message['choices']) && isObject(message['choices'][0])) return answerOf(message['choices'][0]['message'])
  throw new ImportFault('the output is neither a text nor an assistant message')
}

/** Tables hold structured values as JSON. */
function parsed(value: unknown): unknown {
  if (typeof value !== 'string' || !/^\s*[[{"]/.test(value)) return value
  try {
    return JSON.parse(value) as unknown
  } catch {
    return value
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
