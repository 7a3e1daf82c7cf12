import { Hono } from 'hono'
import { z } from 'zod'
import { readQuery } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import { findRowFile } from '../data/uploaded-rows.ts'
import type { WireFileCheck, WireFileRow, WireFileRowPage } from './dataset-rows-wire.ts'
import { maxLengthQuery } from './dataset-rows.ts'

const RowsQuery = z.strictObject({
  from: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(100).default(25),
  search: z.string().min(1).max(200).optional(),
  max_length: maxLengthQuery,
})

const CheckQuery = z.strictObject({ max_length: maxLengthQuery })

/** Rows of uploaded files as training sees them, and what is wrong with them, line by line. */
export function fileRowRoutes({ jobs: { files }, rows: reader }: ServerContext): Hono<RequestVariables> {
  const app = new Hono<RequestVariables>()

  app.get('/v1/files/:id/rows', async (c) => {
    const { from, limit, search, max_length: maxLength } = readQuery(c, RowsQuery)
    const page = await reader.filePage({ file: await findRowFile(files, c.req.param('id'), 'id'), from, limit, search, maxLength })
    const further = page.rows.length > 0 && page.rows.at(-1)!.position + 1 < page.total
    return c.json({
      object: 'list', kind: page.kind, total: page.total,
      data: page.rows.map(({ viewed, ...row }): WireFileRow => ({ object: 'file.row', ...row, ...viewed })),
      has_before: from > 0,
      has_more: search === undefined ? further : page.searchedTo !== null,
      searched_to: page.searchedTo,
    } satisfies WireFileRowPage)
  })

  app.get('/v1/files/:id/check', async (c) => {
    const { max_length: maxLength } = readQuery(c, CheckQuery)
    const { tokens, failed: _, ...check } = await reader.checkFile({ file: await findRowFile(files, c.req.param('id'), 'id'), maxLength })
    return c.json({ object: 'file.check', max_length: maxLength, ...check, tokens: tokens ?? null } satisfies WireFileCheck)
  })

  return app
}
