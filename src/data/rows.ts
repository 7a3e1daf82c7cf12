import { z } from 'zod'
import { nearest } from '../errors.ts'

/** The roles that chat templates know. */
export const roles = ['system', 'developer', 'user', 'assistant', 'tool'] as const

/** What other tools call the roles. */
const foreignRoles: Readonly<Record<string, (typeof roles)[number]>> = {
  human: 'user',
  gpt: 'assistant',
  bot: 'assistant',
  model: 'assistant',
  ai: 'assistant',
  function: 'tool',
}

const roleSchema = z.enum(roles, {
  error: ({ input }) => {
    if (typeof input !== 'string') return 'must be a string'
    const meant = foreignRoles[input.toLowerCase()] ?? nearest(input, roles)
    return `unknown role "${input}"` + (meant === undefined ? `; known are ${roles.join(', ')}` : `; did you mean "${meant}"?`)
  },
})

/** OpenAI's list of parts, of which only text can be read. */
const partsSchema = z
  .array(z.strictObject({ type: z.literal('text', { error: 'only text can be read' }), text: z.string() }))
  .transform(parts => parts.map(part => part.text).join(''))

/** A turn of a training row. `weight: 0` (OpenAI's) takes the loss from an assistant turn. */
export const messageSchema = z.strictObject({
  role: roleSchema,
  content: z.union([z.string(), partsSchema], { error: 'must be a string' }),
  name: z.string().optional(),
  weight: z.union([z.literal(0), z.literal(1)], { error: 'must be 0 or 1' }).optional(),
})

const conversationSchema = z.array(messageSchema, { error: 'must be a list of messages' }).min(1, 'is empty')

/** A list of messages, or a plain string: one turn where the model has a chat template, else raw text. */
const turnsSchema = z.union([z.string(), conversationSchema], { error: 'must be a string or a list of messages' })

/** A field that changes what a template renders; without it the row would be learned in another form than it is used. */
const unsupported = z.undefined({ error: 'is not supported; remove it from the row' }).optional()

/** One shape that a row of a data file may have. Further methods bring further kinds. */
export interface RowKind<Row> {
  readonly name: string
  /** The fields by which a row is known to be of this kind. */
  readonly fields: readonly string[]
  readonly schema: z.ZodType<Row>
  /** A short row, for messages. */
  readonly example: string
}

/** A conversation; every assistant turn carries loss. */
export const messagesRow = defineKind({
  name: 'messages',
  fields: ['messages'],
  schema: z.object({ messages: conversationSchema.check(requireLoss), tools: unsupported, functions: unsupported }),
  example: '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}',
})

/** A prompt and its completion; everything after the prompt carries loss. */
export const promptCompletionRow = defineKind({
  name: 'prompt/completion',
  fields: ['prompt', 'completion'],
  schema: z.object({
    prompt: turnsSchema,
    completion: turnsSchema.check(requireAssistant),
    tools: unsupported,
    functions: unsupported,
  }),
  example: '{"prompt": "…", "completion": "…"}',
})

export type RowMessage = z.infer<typeof messageSchema>
export type MessagesRow = z.infer<typeof messagesRow.schema>
export type PromptCompletionRow = z.infer<typeof promptCompletionRow.schema>
export type SftRow = MessagesRow | PromptCompletionRow

/** What supervised fine-tuning learns from. */
export const sftRowKinds: readonly RowKind<SftRow>[] = [messagesRow, promptCompletionRow]

/** The kind with the most of its fields in `value`: kinds may share fields. */
export function detectKind<Row>(value: object, kinds: readonly RowKind<Row>[]): RowKind<Row> | undefined {
  return kinds
    .filter(kind => kind.fields.every(field => field in value))
    .toSorted((a, b) => b.fields.length - a.fields.length)[0]
}

/** What is wrong with a row, by the place in it: `messages[1].role: unknown role "assistnat"; …`. */
export function describeIssues(error: z.ZodError): string {
  return error.issues.flatMap(issue => faults(issue, [])).join('; ')
}

/** Of a value that may have several forms, the form is meant that got furthest into the value. */
function faults(issue: z.core.$ZodIssue, before: readonly PropertyKey[]): string[] {
  const path = [...before, ...issue.path]
  const inner = issue.code === 'invalid_union'
    ? issue.errors.find(branch => branch.some(({ path: deeper }) => deeper.length > 0))
    : undefined
  if (inner !== undefined) return inner.flatMap(deeper => faults(deeper, path))
  const place = path.reduce<string>(
    (text, key) => text + (typeof key === 'number' ? `[${key}]` : text === '' ? String(key) : `.${String(key)}`),
    '',
  )
  return [`${place}: ${issue.message}`]
}

function defineKind<Row>(kind: RowKind<Row>): RowKind<Row> {
  return kind
}

function requireAssistant(context: z.core.ParsePayload<string | readonly RowMessage[]>): void {
  const turns = context.value
  if (typeof turns === 'string' || turns.some(turn => turn.role === 'assistant')) return
  context.issues.push({ code: 'custom', message: 'has no assistant turn, so nothing to learn', input: turns })
}

function requireLoss(context: z.core.ParsePayload<readonly RowMessage[]>): void {
  requireAssistant(context)
  const assistant = context.value.filter(turn => turn.role === 'assistant')
  if (assistant.length === 0 || assistant.some(turn => turn.weight !== 0)) return
  context.issues.push({ code: 'custom', message: 'has no assistant turn with weight 1, so nothing to learn', input: context.value })
}
