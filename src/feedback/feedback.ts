/** What users say of answers. */
import { sql, type Compilable } from 'kysely'
import { UserError } from '../errors.ts'
import { ConflictError } from '../registry/errors.ts'
import { isUniqueViolation } from '../store/errors.ts'
import { newId, type NewRow, type Row, type Store } from '../store/index.ts'
import { isAfter, pageOf, type Page, type PageOptions } from './pages.ts'
import type { Redactor } from './redact.ts'
import { saidIn, sameAnswer, swapped, type ChoiceValue, type FeedbackBody, type Said } from './values.ts'

/** Feedback speaks of something that cannot be: an answer that its completion does not have, two answers to different prompts. */
export class FeedbackError extends UserError {
  /** The body's key that is wrong. */
  readonly param: string

  constructor(param: string, message: string) {
    super(message, { exitCode: 2 })
    this.param = param
  }
}

export interface Recorded {
  readonly feedback: Row<'feedback'>
  /** false: it was there already, under its idempotency key. */
  readonly created: boolean
  /** Whether the completion is stored; feedback may arrive before it, and is joined to it later. */
  readonly completion: 'known' | 'unknown'
}

export interface FeedbackQuery extends PageOptions {
  readonly completionId?: string | undefined
  readonly name?: string | undefined
  readonly user?: string | undefined
}

/** The feedback in a store. */
export class FeedbackLog {
  readonly #store: Store
  readonly #redactor: Redactor

  constructor(store: Store, redactor: Redactor) {
    this.#store = store
    this.#redactor = redactor
  }

  /**
   * Stores feedback, redacted; it is durable when the promise resolves. Later feedback of the same name by the same user on
   * the same answer takes the earlier one's place (comments stand side by side).
   * @throws FeedbackError; ConflictError where the idempotency key was used for other feedback
   */
  async add(body: FeedbackBody): Promise<Recorded> {
    const [outcome] = await this.addAll([body])
    if (outcome!.status === 'rejected') throw outcome!.reason
    return outcome!.value
  }

  /** As `add`, for many at once, in their order: they share a commit, and one that is refused leaves the others as they are. */
  async addAll(bodies: readonly FeedbackBody[]): Promise<PromiseSettledResult<Recorded>[]> {
    const all = bodies.map(saidIn)
    const completions = await this.#completionsOf(all)
    const prepared = await Promise.allSettled(bodies.map((body, i) => this.#prepare(body, all[i]!, completions)))
    return await Promise.allSettled(prepared.map((each) => (each.status === 'fulfilled' ? this.#write(each.value) : Promise.reject(each.reason as Error))))
  }

  /** @throws FeedbackError */
  async #prepare(body: FeedbackBody, said: Said, completions: ReadonlyMap<string, SpokenOf>): Promise<Omit<Recorded, 'created'>> {
    checkAnswers(said, completions)
    const about = completions.get(said.completionId)
    const user = body.user === undefined ? about?.user_id ?? null : this.#redactor.identifier(body.user)
    return {
      feedback: await feedbackRow(said, user, body.idempotency_key, this.#redactor),
      completion: about === undefined ? 'unknown' : 'known',
    }
  }

  async #write({ feedback, completion }: Omit<Recorded, 'created'>): Promise<Recorded> {
    try {
      await this.#store.write(...insertFeedback(this.#store, feedback, 'arrival'))
    } catch (error) {
      if (!isUniqueViolation(error) || feedback.idempotency_key === null) throw error
      return { feedback: await this.#first(feedback), created: false, completion }
    }
    return { feedback, created: true, completion }
  }

  async get(id: string): Promise<Row<'feedback'> | undefined> {
    return await this.#store.db.selectFrom('feedback').selectAll().where('id', '=', id).executeTakeFirst()
  }

  /** @returns whether it was there */
  async remove(id: string): Promise<boolean> {
    const { db } = this.#store
    const [changed] = await this.#store.write(
      db.deleteFrom('feedback').where('id', '=', id),
      db.deleteFrom('tags').where('feedback_id', '=', id),
    )
    return changed !== 0
  }

  async list({ completionId, name, user, after, limit, order }: FeedbackQuery): Promise<Page<Row<'feedback'>>> {
    const cursor = after === undefined ? undefined : await this.get(after)
    if (after !== undefined && cursor === undefined) throw new FeedbackError('after', `There is no feedback ${after}`)
    const rows = await this.#store.db.selectFrom('feedback').selectAll()
      .$if(completionId !== undefined, (query) => query.where('completion_id', '=', completionId!))
      .$if(name !== undefined, (query) => query.where('name', '=', name!))
      .$if(user !== undefined, (query) => query.where('user_id', '=', this.#redactor.identifier(user!)))
      .$if(cursor !== undefined, (query) => query.where(isAfter('feedback', cursor!, order)))
      .orderBy('created_at', order).orderBy('id', order).limit(limit + 1).execute()
    return pageOf(rows, limit)
  }

  /** The stored completions that feedback speaks of, by their ids: of a choice both. */
  async #completionsOf(all: readonly Said[]): Promise<ReadonlyMap<string, SpokenOf>> {
    const ids = all.flatMap(({ completionId, name, value }) =>
      [completionId, ...(name === 'choice' ? answersOf(value as ChoiceValue).map(({ completion_id: id }) => id) : [])])
    if (ids.length === 0) return new Map()
    const rows = await this.#store.db.selectFrom('completions')
      .select(['id', 'user_id', 'prompt_hash'])
      .select(({ selectFrom, fn }) => selectFrom('choices').select(fn.countAll<number>().as('n'))
        .whereRef('completion_id', '=', 'completions.id').as('choices'))
      .where('id', 'in', [...new Set(ids)]).execute() as SpokenOf[]
    return new Map(rows.map((row) => [row.id, row]))
  }

  async #first(feedback: Row<'feedback'>): Promise<Row<'feedback'>> {
    const key = feedback.idempotency_key!
    const named = `idempotency key ${JSON.stringify(key)}`
    const first = await this.#store.db.selectFrom('feedback').selectAll().where('idempotency_key', '=', key).executeTakeFirst()
    if (first === undefined) throw new ConflictError(`The feedback with ${named} was removed meanwhile; send it with a new key`)
    const same = comparedFields.every((field) => first[field] === feedback[field])
    if (!same) throw new ConflictError(`The ${named} was used for other feedback, ${first.id}; use a new key for each`)
    return first
  }
}

interface SpokenOf {
  readonly id: string
  readonly user_id: string | null
  readonly prompt_hash: string
  readonly choices: number
}

const comparedFields = ['completion_id', 'position', 'name', 'value_json', 'tags_json', 'user_id'] as const

function answersOf({ chosen, rejected }: ChoiceValue) {
  return [chosen, rejected]
}

/** What can be known by now; of completions that are not stored yet, datasets find out later. */
function checkAnswers({ completionId, position, name, value }: Said, completions: ReadonlyMap<string, SpokenOf>): void {
  const checkIndex = (id: string, index: number, param: string): void => {
    const count = Number(completions.get(id)?.choices ?? Infinity)
    if (index < count) return
    throw new FeedbackError(param, `Completion ${id} has ${count} choice${count === 1 ? '' : 's'}, there is no choice ${index}`)
  }
  checkIndex(completionId, position, 'choice_index')
  if (name !== 'choice') return
  const { chosen, rejected } = value as ChoiceValue
  if (sameAnswer(chosen, rejected)) throw new FeedbackError('value', 'The chosen and the rejected answer are the same one')
  if (chosen.completion_id !== completionId && rejected.completion_id !== completionId) {
    throw new FeedbackError('value', 'One of the two answers must be of the completion that completion_id names')
  }
  checkIndex(chosen.completion_id, chosen.choice_index, 'value.chosen')
  checkIndex(rejected.completion_id, rejected.choice_index, 'value.rejected')
  const [a, b] = [completions.get(chosen.completion_id), completions.get(rejected.completion_id)]
  if (a === undefined || b === undefined) return
  if (a.prompt_hash !== b.prompt_hash) throw new FeedbackError('value', 'The two answers are to different prompts; compare answers to one')
  if (a.user_id !== b.user_id) throw new FeedbackError('value', 'The two answers were given to different users; compare those that one got')
}

/** What was said as a row of the store, redacted. */
export async function feedbackRow(
  { completionId, position, name, value, number, tags }: Said,
  user: string | null,
  key: string | undefined,
  redactor: Redactor,
  createdAt = Date.now(),
): Promise<Row<'feedback'>> {
  // Ids of completions are no texts of users.
  const said = name === 'choice' ? value : await redactor.value(value)
  return {
    id: newId('fb_', createdAt),
    created_at: createdAt,
    completion_id: completionId,
    position,
    name,
    value_json: JSON.stringify(said),
    number,
    tags_json: JSON.stringify(await redactor.value(tags)),
    user_id: user,
    idempotency_key: key ?? null,
    superseded: 0,
  }
}

/**
 * The queries that store feedback.
 * @param order what "later" means: as it arrives, or by its time, for a log that is imported and may be older than what is
 * there. What an import finds there already, by its id or idempotency key, stays as it is; otherwise that is an error
 */
export function insertFeedback({ db }: Store, feedback: NewRow<'feedback'>, order: 'arrival' | 'time'): Compilable[] {
  const { id, completion_id, created_at } = feedback
  const tags = Object.entries(JSON.parse(feedback.tags_json) as Record<string, string>)
    .map(([key, value]) => ({ completion_id, feedback_id: id, key, value, created_at }))
  const row = db.insertInto('feedback').values(feedback)
  return [
    order === 'arrival' ? row : row.onConflict((conflict) => conflict.doNothing()),
    ...(tags.length === 0 ? [] : [db.insertInto('tags').values(tags).onConflict((conflict) => conflict.doNothing())]),
    ...(feedback.name === 'comment' ? [] : [supersede(db, feedback, order)]),
  ]
}

/** Marks what later feedback takes the place of. */
function supersede(db: Store['db'], feedback: NewRow<'feedback'>, order: 'arrival' | 'time'): Compilable {
  const { id, name, user_id: user } = feedback
  const about = name === 'choice' ? sameChoice(feedback)
    : sql<boolean>`completion_id = ${feedback.completion_id} and position = ${feedback.position}`
  const group = sql<boolean>`name = ${name} and ${about} and ${user === null ? sql`user_id is null` : sql`user_id = ${user}`}`
  const latest = order === 'arrival' ? id : sql<string>`(select id from feedback where ${group} order by created_at desc, id desc limit 1)`
  return db.updateTable('feedback').set({ superseded: 1 }).where(group).where('id', '<>', latest).where('superseded', '=', 0)
}

/** The same two answers, whichever of them was chosen. */
function sameChoice({ value_json: value }: NewRow<'feedback'>) {
  const choice = JSON.parse(value!) as ChoiceValue
  const ids = answersOf(choice).map(({ completion_id: id }) => id)
  return sql<boolean>`completion_id in (${sql.join(ids)}) and value_json in (${sql.join([value!, JSON.stringify(swapped(choice))])})`
}
