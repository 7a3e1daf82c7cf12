import { Hono, type Context } from 'hono'
import { z } from 'zod'
import { completionFilter } from '../../feedback/completion-filter.ts'
import { previewContents } from '../../feedback/dataset-contents.ts'
import { datasetKeys } from '../../feedback/dataset-spec.ts'
import { FeedbackLog } from '../../feedback/feedback.ts'
import { readConversation } from '../../feedback/inbox-conversation.ts'
import { countInbox, inboxFacets } from '../../feedback/inbox-counts.ts'
import { labelAll, mostLabelled } from '../../feedback/inbox-label.ts'
import { listInbox, mostSearched, readItems } from '../../feedback/inbox.ts'
import { feedbackBody } from '../../feedback/values.ts'
import { checked, readJson, readQuery } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import { ApiError } from '../errors.ts'
import { excerpt, wireItem } from './inbox-form.ts'
import type { WireConversation, WireInboxCounts, WireInboxFacets, WireInboxPage, WireLabelled, WirePreview } from './inbox-wire.ts'

const filter = completionFilter.default({})
const limit = z.int().min(1).max(200).default(50)
const after = z.string().max(300).optional()

const PageBody = z.strictObject({ filter, after, limit })
const CountsBody = z.strictObject({ filter })
/** In an address the filter is its JSON. */
const jsonText = z.string().max(10_000).optional()
const PageQuery = z.strictObject({ filter: jsonText, after, limit: z.coerce.number().optional() })
const CountsQuery = z.strictObject({ filter: jsonText })
const ConversationQuery = z.strictObject({ around: z.string().optional() })
const PreviewBody = datasetKeys.omit({ name: true, file: true, dry_run: true })

const LabelBody = z.strictObject({
  filter,
  name: z.string(),
  value: z.unknown(),
  tags: z.unknown().optional(),
  user: z.unknown().optional(),
  /** How many completions the caller has seen that there are. */
  expected: z.int().min(0).max(mostLabelled),
  idempotency_key: z.string().min(1).max(255),
})

/** The inbox: completions by a filter with all that was said of them, counted, labelled, and seen as conversations. */
export function inboxRoutes({ store, capture: { redactor } }: ServerContext): Hono<RequestVariables> {
  const log = new FeedbackLog(store, redactor)
  const app = new Hono<RequestVariables>()

  const page = async (c: Context, query: z.output<typeof PageBody>) => {
    const { items, next } = await listInbox(store, redactor, query)
    const data = items.map((item) => excerpt(wireItem(item)))
    return c.json({ object: 'list', data, next, has_more: next !== null } satisfies WireInboxPage)
  }
  const counts = async (c: Context, query: z.output<typeof CountsBody>) => {
    const searched = query.filter.text === undefined ? null : mostSearched
    return c.json({ object: 'inbox.counts', ...await countInbox(store, redactor, query.filter), searched } satisfies WireInboxCounts)
  }

  app.post('/v1/inbox', async (c) => page(c, await readJson(c, PageBody)))
  app.get('/v1/inbox', async (c) => page(c, checked(withFilter(readQuery(c, PageQuery)), PageBody)))
  app.post('/v1/inbox/counts', async (c) => counts(c, await readJson(c, CountsBody)))
  app.get('/v1/inbox/counts', async (c) => counts(c, checked(withFilter(readQuery(c, CountsQuery)), CountsBody)))

  app.get('/v1/inbox/facets', async (c) => c.json({ object: 'inbox.facets', ...await inboxFacets(store) } satisfies WireInboxFacets))

  app.get('/v1/inbox/completions/:id', async (c) => {
    const [item] = await readItems(store, [c.req.param('id')])
    if (item === undefined) throw missing(`stored completion ${c.req.param('id')}`)
    return c.json(wireItem(item))
  })

  app.get('/v1/inbox/conversations/:id', async (c) => {
    const { around } = readQuery(c, ConversationQuery)
    const id = c.req.param('id')
    const found = await readConversation(store, id, around)
    if (found === undefined) throw missing(`conversation ${id}${around === undefined ? '' : ` with a completion ${around}`}`)
    const turns = found.turns.map(({ item, parentId, known }) => ({ ...wireItem(item, known), parent: parentId }))
    return c.json({
      object: 'inbox.conversation', id, turns, has_earlier: found.hasEarlier, has_later: found.hasLater,
    } satisfies WireConversation)
  })

  app.post('/v1/inbox/label', async (c) => {
    const { filter, expected, idempotency_key: key, ...said } = await readJson(c, LabelBody)
    if (said.name === 'correction' || said.name === 'choice') {
      throw new ApiError(400, `name: a ${said.name} speaks of one answer; thumbs, ratings, comments and names of your own can be said of many`, { param: 'name', code: 'invalid_value' })
    }
    const { completion_id: _, ...say } = checked({ ...said, completion_id: 'each' }, feedbackBody)
    return c.json({ object: 'inbox.labelled', ...await labelAll(store, redactor, log, { filter, say, expected, key }) } satisfies WireLabelled)
  })

  app.post('/v1/inbox/preview', async (c) => {
    const spec = await readJson(c, PreviewBody)
    const { report, complete } = await previewContents(store, { ...spec, name: 'preview', dry_run: true }, redactor)
    const { rows, splits, origins, dropped, conflicts, duplicates, warnings } = report
    return c.json({
      object: 'dataset.preview', kind: spec.kind, rows, splits, origins, dropped, contradictions: conflicts.rows, duplicates, warnings, complete,
    } satisfies WirePreview)
  })

  return app
}

/** A query whose filter is read as JSON. @throws ApiError */
function withFilter<Query extends { readonly filter?: string | undefined }>({ filter, ...query }: Query) {
  if (filter === undefined) return query
  try {
    return { ...query, filter: JSON.parse(filter) as unknown }
  } catch (error) {
    throw new ApiError(400, `filter: must be a JSON object: ${(error as SyntaxError).message}`, { param: 'filter', code: 'invalid_value', cause: error })
  }
}

function missing(what: string): ApiError {
  return new ApiError(404, `There is no ${what}`, { code: 'not_found' })
}
