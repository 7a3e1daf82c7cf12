/** Langfuse's exports: traces, observations (generations) and scores. */
import { z } from 'zod'
import {
  checkedBy, ImportFault, lenient, named, timeOf, type Imported, type ImportedFeedback, type ImportFormat, type ImportOptions,
} from './import-record.ts'
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
    fits: (record) => hasAll(record, 'traceId', 'name') && hasAny(record, 'value', 'stringValue') && !hasAny(record, 'startTime'),
    read: (record, options) => ({ completions: [], feedback: readScore(record, options) }),
  },
  {
    name: 'Langfuse observation',
    fits: (record) => hasAll(record, 'traceId', 'type'),
    read: (record) => ({ completions: readGeneration(record, undefined), feedback: [] }),
  },
  {
    name: 'Langfuse trace',
    fits: (record) => hasAll(record, 'id') && hasAny(record, 'observations', 'sessionId', 'userId'),
    read: readTrace,
  },
]

function hasAll(record: object, ...fields: readonly string[]): boolean {
  return fields.every((field) => field in record)
}

function hasAny(record: object, ...fields: readonly string[]): boolean {
  return fields.some((field) => field in record)
}

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
  const completions = hasAnswer(trace)
    ? [completionOf(trace, undefined)]
    : (trace.observations ?? []).filter(isObject).flatMap((observation) => readGeneration(observation, trace))
  // Where they are no objects, they are the ids of records elsewhere.
  const feedback = (trace.scores ?? []).filter(isObject).flatMap((each) => readScore({ traceId: trace.id, ...each }, options))
  return { completions, feedback }
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
  return Object.fromEntries(Object.entries(metadata).filter((entry): entry is [string, string] => isTag(...entry)))
}

function isTag(name: string, value: unknown): boolean {
  return name !== '' && name.length <= 64 && typeof value === 'string' && value.length <= 512
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
  if (isObject(message) && hasAny(message, 'content', 'tool_calls')) return { ...message, role: 'assistant' }
  const [choice] = isObject(message) && Array.isArray(message['choices']) ? message['choices'] as unknown[] : []
  if (isObject(choice)) return answerOf(choice['message'])
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
