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

/** One shape that a row of a data file may have. */
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
    label: z.unknown().refine(label => label !== false, 'is false: a rejected answer is not to be learned; remove the row, or learn from the thumbs').optional(),
    tools: unsupported,
    functions: unsupported,
  }).transform(({ prompt, completion }) => ({ prompt, completion })),
  example: '{"prompt": "…", "completion": "…"}',
})

export type RowMessage = z.infer<typeof messageSchema>
export type Turns = z.infer<typeof turnsSchema>
export type MessagesRow = z.infer<typeof messagesRow.schema>
export type PromptCompletionRow = z.infer<typeof promptCompletionRow.schema>
export type SftRow = MessagesRow | PromptCompletionRow

/** What supervised fine-tuning learns from. */
export const sftRowKinds: readonly RowKind<SftRow>[] = [messagesRow, promptCompletionRow]

/** Two answers to a prompt, of which one is better. */
export interface PairRow {
  readonly prompt: Turns
  readonly chosen: Turns
  readonly rejected: Turns
  /** By how much the chosen one is better, where it was rated (reward models: Llama 2, section 3.2.2). */
  readonly margin?: number | undefined
}

const answerSchema = turnsSchema.check(requireAssistant)

/** A preference pair. */
export const pairRow = defineKind<PairRow>({
  name: 'prompt/chosen/rejected',
  fields: ['prompt', 'chosen', 'rejected'],
  schema: z
    .object({ prompt: turnsSchema, chosen: answerSchema, rejected: answerSchema, margin: z.number().optional(), tools: unsupported })
    .check(requireDifference),
  example: '{"prompt": "…", "chosen": "…", "rejected": "…"}',
})

/** A preference pair as OpenAI's fine-tuning API takes it. */
export const openAiPairRow = defineKind<PairRow>({
  name: 'input/preferred_output/non_preferred_output',
  fields: ['input', 'preferred_output', 'non_preferred_output'],
  schema: z
    .object({
      input: z.object({ messages: conversationSchema, tools: unsupported }),
      preferred_output: answerSchema,
      non_preferred_output: answerSchema,
    })
    .transform(({ input, preferred_output: chosen, non_preferred_output: rejected }) => ({ prompt: input.messages, chosen, rejected }))
    .check(requireDifference),
  example: '{"input": {"messages": […]}, "preferred_output": […], "non_preferred_output": […]}',
})

/** What DPO and reward models learn from. */
export const pairRowKinds: readonly RowKind<PairRow>[] = [pairRow, openAiPairRow]

/** An answer and a thumb: true is up. */
export const labelRow = defineKind({
  name: 'prompt/completion/label',
  fields: ['prompt', 'completion', 'label'],
  schema: z.object({
    prompt: turnsSchema,
    completion: answerSchema,
    label: z.boolean({ error: ({ input }) => `must be true (thumb up) or false (thumb down), not ${JSON.stringify(input) ?? 'missing'}` }),
    tools: unsupported,
  }),
  example: '{"prompt": "…", "completion": "…", "label": true}',
})

export type LabelRow = z.infer<typeof labelRow.schema>

/** What KTO learns from. */
export const labelRowKinds: readonly RowKind<LabelRow>[] = [labelRow]

/** A prompt to be answered, with whatever fields the graders read. */
export interface PromptRow {
  readonly prompt: Turns
  readonly [field: string]: unknown
}

/** A prompt for reinforcement learning and evaluation. */
export const promptRow = defineKind<PromptRow>({
  name: 'prompt',
  fields: ['prompt'],
  schema: z.looseObject({ prompt: turnsSchema, tools: unsupported }),
  example: '{"prompt": "…", …fields that the grader reads}',
})

/** A prompt as OpenAI's reinforcement fine-tuning takes it: messages that end in the user's turn. */
export const promptMessagesRow = defineKind<PromptRow>({
  name: 'messages to answer',
  fields: ['messages'],
  schema: z
    .looseObject({ messages: conversationSchema.check(requireUserLast), tools: unsupported })
    .transform(({ messages, ...fields }) => ({ ...fields, prompt: messages })),
  example: '{"messages": [{"role": "user", "content": "…"}], …fields that the grader reads}',
})

/** What GRPO and PPO answer. */
export const promptRowKinds: readonly RowKind<PromptRow>[] = [promptRow, promptMessagesRow]

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

function requireUserLast(context: z.core.ParsePayload<readonly RowMessage[]>): void {
  if (context.value.at(-1)?.role !== 'assistant') return
  context.issues.push({ code: 'custom', message: 'must end with a user turn: the model is to answer it', input: context.value })
}

function requireDifference(context: z.core.ParsePayload<PairRow>): void {
  const { chosen, rejected } = context.value
  if (JSON.stringify(chosen) !== JSON.stringify(rejected)) return
  const message = 'chosen and rejected are the same, so there is nothing to prefer; remove the row'
  context.issues.push({ code: 'custom', path: ['rejected'], message, input: rejected })
}

function requireLoss(context: z.core.ParsePayload<readonly RowMessage[]>): void {
  requireAssistant(context)
  const assistant = context.value.filter(turn => turn.role === 'assistant')
  if (assistant.length === 0 || assistant.some(turn => turn.weight !== 0)) return
  context.issues.push({ code: 'custom', message: 'has no assistant turn with weight 1, so nothing to learn', input: context.value })
}
