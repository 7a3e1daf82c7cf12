/** A store as a team's would be after ninety days: completions in conversations of three, feedback on some. */
import { createHash } from 'node:crypto'
import type { Compilable, CompiledQuery } from 'kysely'
import { newId, type NewRow, type Store, type Tables } from '../../src/store/index.ts'
import { Random } from '../../src/random.ts'

const day = 24 * 60 * 60 * 1000
const days = 90
const aliases = ['support-bot', 'sales-bot', 'summaries']
const features = ['chat', 'search', 'email', 'summary', 'translate', 'draft', 'review', 'reply', 'classify', 'extract']
const topics = ['billing', 'login', 'shipping', 'returns', 'price', 'bug', 'privacy', 'other']
/** Rows of one statement. */
const rowsAtOnce = 100
/** Statements of one transaction. */
const statementsAtOnce = 50

type Rows = { [Table in keyof Tables]?: NewRow<Table>[] }

/** Fills an empty store; the same rows each time but for the ids. */
export async function fill(store: Store, { completions, feedback }: { readonly completions: number; readonly feedback: number }): Promise<void> {
  const inserter = new Inserter(store)
  const random = new Random(0)
  const start = Date.now() - days * day
  for (let i = 0; i < completions; i++) {
    const created = Math.floor(start + (i / completions) * days * day)
    const id = newId('chatcmpl-', created)
    await inserter.add(completionRows(id, created, i, random))
    // Feedback on every n-th answer.
    if (Math.floor((i + 1) * (feedback / completions)) > Math.floor(i * (feedback / completions))) {
      await inserter.add(feedbackRows(id, created + 60_000, i, random))
    }
  }
  await inserter.end()
}

function completionRows(id: string, created: number, i: number, random: Random): Rows {
  const prompt = JSON.stringify([
    { role: 'system', content: 'You answer the questions of our customers, briefly and kindly.' },
    { role: 'user', content: `Order ${i}: ${'where is it, when does it come, and what do I do if it does not? '.repeat(1 + random.below(12))}` },
  ])
  const message = JSON.stringify({ role: 'assistant', content: `It is on its way. ${'We will let you know when it comes. '.repeat(random.below(8))}${i}` })
  const feature = features[random.below(features.length)]!
  return {
    completions: [{
      id, created_at: created, source: 'server', kind: 'chat', model: aliases[i % 3]!, adapter_id: `adapter-${i % 12}`, alias: aliases[i % 3]!,
      user_id: `user-${random.below(20_000)}`, conversation_id: `conversation-${Math.floor(i / 3)}`, prompt_json: prompt, prompt_hash: sha256(prompt),
      parameters_json: '{"temperature":1}', metadata_json: JSON.stringify({ feature }), prompt_tokens: 200, completion_tokens: 60,
      expires_at: created + 365 * day,
    }],
    choices: [{ completion_id: id, position: 0, message_json: message, message_hash: sha256(message), finish_reason: 'stop' }],
    tags: i % 2 === 0 ? [{ completion_id: id, feedback_id: '', key: 'feature', value: feature, created_at: created }] : [],
  }
}

function feedbackRows(completion: string, created: number, i: number, random: Random): Rows {
  const id = newId('fb_', created)
  const [name, value, number] = ([
    ['thumbs', 'true', 1], ['thumbs', 'false', 0], ['thumbs', 'true', 1], ['rating', '4', 4], ['rating', '2', 2],
    ['comment', '"too long"', null], ['correction', '"It comes on Friday."', null],
  ] as const)[random.below(7)]!
  const topic = topics[random.below(topics.length)]!
  return {
    feedback: [{
      id, created_at: created, completion_id: completion, position: 0, name, value_json: value, number, tags_json: JSON.stringify({ topic }),
      user_id: `user-${i % 20_000}`, idempotency_key: id, superseded: 0,
    }],
    tags: [{ completion_id: completion, feedback_id: id, key: 'topic', value: topic, created_at: created }],
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Gathers rows into statements and statements into transactions; compiles a statement once. */
class Inserter {
  readonly #store: Store
  readonly #rows = new Map<keyof Tables, Readonly<Record<string, unknown>>[]>()
  readonly #compiled = new Map<keyof Tables, CompiledQuery>()
  #statements: Compilable[] = []

  constructor(store: Store) {
    this.#store = store
  }

  async add(rows: Rows): Promise<void> {
    for (const [name, more] of Object.entries(rows) as [keyof Tables, Readonly<Record<string, unknown>>[]][]) {
      const waiting = this.#rows.get(name) ?? []
      this.#rows.set(name, waiting)
      for (const row of more) waiting.push(row)
      if (waiting.length >= rowsAtOnce) this.#statements.push(this.#statement(name, waiting.splice(0, rowsAtOnce)))
    }
    if (this.#statements.length >= statementsAtOnce) await this.#flush()
  }

  async end(): Promise<void> {
    for (const [name, rows] of this.#rows) if (rows.length > 0) this.#statements.push(this.#statement(name, rows))
    await this.#flush()
  }

  async #flush(): Promise<void> {
    await this.#store.write(...this.#statements)
    this.#statements = []
  }

  #statement(name: keyof Tables, rows: readonly Readonly<Record<string, unknown>>[]): Compilable {
    const full = rows.length === rowsAtOnce
    const compiled = (full ? this.#compiled.get(name) : undefined) ?? this.#store.db.insertInto(name).values(rows as never).compile()
    if (full) this.#compiled.set(name, compiled)
    return { compile: () => ({ ...compiled, parameters: rows.flatMap((row) => Object.values(row)) }) }
  }
}
