/** What a dataset's filter counts. */
import { sql, type Kysely } from 'kysely'
import type { Tables } from '../../src/store/index.ts'

const day = 24 * 60 * 60 * 1000

interface Query {
  execute(): Promise<readonly unknown[]>
}

/** Counts over ninety days, or over the last thirty of them. */
export function counts(db: Kysely<Tables>): Readonly<Record<string, Query>> {
  const since = Date.now() - 30 * day
  const count = sql<number>`count(*)`.as('count')
  const judged = db.selectFrom('feedback').innerJoin('completions', 'completions.id', 'feedback.completion_id').where('superseded', '=', 0)
  const tagged = (key: string, value: string) => db.selectFrom('tags').select('completion_id')
    .where('key', '=', key).where('value', '=', value).where('feedback_id', '=', '')
  const thumbedUp = db.selectFrom('feedback').select('completion_id').where('name', '=', 'thumbs').where('number', '=', 1).where('superseded', '=', 0)
  return {
    'completions of 30 days': db.selectFrom('completions').select(count).where('created_at', '>=', since),
    'all completions': db.selectFrom('completions').select(count),
    'of an alias, 30 days': db.selectFrom('completions').select(count).where('alias', '=', 'support-bot').where('created_at', '>=', since),
    'of a user': db.selectFrom('completions').select(count).where('user_id', '=', 'user-7'),
    'from one source': db.selectFrom('completions').select(count).where('source', '=', 'server'),
    'with a tag': db.selectFrom('completions').select(count).where('id', 'in', tagged('feature', 'chat')),
    'with a tag, of an alias, 30 days': db.selectFrom('completions').select(count).where('id', 'in', tagged('feature', 'chat'))
      .where('alias', '=', 'support-bot').where('created_at', '>=', since),
    'with a thumb up': db.selectFrom('completions').select(count).where('id', 'in', thumbedUp),
    'feedback by name': db.selectFrom('feedback').select(['name', count]).groupBy('name'),
    'thumbs of an alias': judged.select(['number', count]).where('name', '=', 'thumbs').where('alias', '=', 'support-bot').groupBy('number'),
    'conversations with thumbs': judged.select(sql<number>`count(distinct conversation_id)`.as('count')).where('name', '=', 'thumbs'),
    'ratings of 4 and more with a tag, of an alias': judged.select(count).where('name', '=', 'rating').where('number', '>=', 4)
      .where('feedback.id', 'in', db.selectFrom('tags').select('feedback_id').where('key', '=', 'topic').where('value', '=', 'billing'))
      .where('alias', '=', 'support-bot'),
    'corrections of an adapter, 30 days': judged.select(count).where('name', '=', 'correction').where('adapter_id', '=', 'adapter-3')
      .where('completions.created_at', '>=', since),
    'answers with both thumbs': db.selectFrom(
      judged.innerJoin('choices', (join) => join.onRef('choices.completion_id', '=', 'feedback.completion_id').onRef('choices.position', '=', 'feedback.position'))
        .select(['prompt_hash', 'message_hash']).where('name', '=', 'thumbs').groupBy(['prompt_hash', 'message_hash'])
        .having(sql`min(number)`, '<', sql`max(number)`).as('conflicts'),
    ).select(count),
  }
}
