/** What a dataset's filter counts. */
import { sql, type Kysely } from 'kysely'
import type { Tables } from '../../src/store/index.ts'
import { days } from './store-fill.ts'

const day = 24 * 60 * 60 * 1000

interface Query {
  execute(): Promise<readonly unknown[]>
}

/** Counts over the last thirty of ninety days. */
export function counts(db: Kysely<Tables>): Readonly<Record<string, Query>> {
  const since = Date.now() - 30 * day
  const all = Date.now() - (days + 1) * day
  const count = sql<number>`count(*)`.as('count')
  const judged = db.selectFrom('feedback').innerJoin('completions', 'completions.id', 'feedback.completion_id').where('superseded', '=', 0)
  return {
    'completions of 30 days': db.selectFrom('completions').select(count).where('created_at', '>=', since),
    'completions of 90 days': db.selectFrom('completions').select(count).where('created_at', '>=', all),
    'of an alias, 30 days': db.selectFrom('completions').select(count).where('alias', '=', 'support-bot').where('created_at', '>=', since),
    'of a user': db.selectFrom('completions').select(count).where('user_id', '=', 'user-7'),
    'with a tag, 90 days': db.selectFrom('tags').select(count).where('key', '=', 'feature').where('value', '=', 'chat').where('created_at', '>=', all),
    'with a tag, of an alias, 90 days': db.selectFrom('tags').innerJoin('completions', 'completions.id', 'tags.completion_id').select(count)
      .where('key', '=', 'feature').where('value', '=', 'chat').where('tags.created_at', '>=', all).where('alias', '=', 'support-bot'),
    'feedback by name': db.selectFrom('feedback').select(['name', count]).groupBy('name'),
    'thumbs of an alias, 90 days': judged.select(['number', count]).where('name', '=', 'thumbs').where('alias', '=', 'support-bot')
      .where('completions.created_at', '>=', all).groupBy('number'),
    'thumbs, any alias, conversations': judged.select(sql<number>`count(distinct conversation_id)`.as('count')).where('name', '=', 'thumbs')
      .where('completions.created_at', '>=', all),
    'ratings of 4 and more with a tag, of an alias': judged.innerJoin('tags', 'tags.feedback_id', 'feedback.id').select(count)
      .where('name', '=', 'rating').where('number', '>=', 4).where('key', '=', 'topic').where('value', '=', 'billing').where('alias', '=', 'support-bot'),
    'corrections of an adapter, 30 days': judged.select(count).where('name', '=', 'correction').where('adapter_id', '=', 'adapter-3')
      .where('completions.created_at', '>=', since),
    'answers with both thumbs': db.selectFrom(
      judged.innerJoin('choices', (join) => join.onRef('choices.completion_id', '=', 'feedback.completion_id').onRef('choices.position', '=', 'feedback.position'))
        .select(['prompt_hash', 'message_hash']).where('name', '=', 'thumbs').groupBy(['prompt_hash', 'message_hash'])
        .having(sql`min(number)`, '<', sql`max(number)`).as('conflicts'),
    ).select(count),
  }
}
