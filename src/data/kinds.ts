import { z } from 'zod'
import { parseRows, type DataFile } from './read.ts'
import { detectKind, labelRowKinds, pairRowKinds, promptRowKinds, sftRowKinds, type RowKind } from './rows.ts'
import { renderLabelled, renderPair, renderQuestion, renderSft, type Render } from './tree.ts'

/** What methods of a kind learn from: the shapes that its rows may have, and how they become token ids. */
export interface DataKind<Row> {
  readonly rows: readonly RowKind<Row>[]
  readonly render: Render<Row>
}

function defineKind<Row>(rows: readonly RowKind<Row>[], render: Render<Row>): DataKind<Row> {
  return { rows, render }
}

export const dataKinds = {
  sft: defineKind(sftRowKinds, renderSft),
  pairs: defineKind(pairRowKinds, renderPair),
  labelled: defineKind(labelRowKinds, renderLabelled),
  prompts: defineKind(promptRowKinds, renderQuestion),
}

export type DataKindName = keyof typeof dataKinds

/**
 * What the rows of a file are for, by the fields of the first row that has a known shape; undefined where none has.
 * Throws a UserError where the file cannot be read.
 */
export async function dataKindOf(file: DataFile): Promise<DataKindName | undefined> {
  const anyObject = { name: 'any', fields: [], schema: z.looseObject({}), example: '{}' }
  const { entries } = await parseRows<object>(file, [anyObject])
  for (const entry of entries) {
    const name = 'row' in entry ? kindOfRow(entry.row) : undefined
    if (name !== undefined) return name
  }
  return undefined
}

/**
 * What a row is for, by its fields. Kinds share fields: the one that knows most of the row's is meant, and a conversation
 * that awaits its answer is a prompt.
 */
export function kindOfRow(row: object): DataKindName | undefined {
  const names = Object.keys(dataKinds) as DataKindName[]
  const known = names.flatMap(name => {
    const kind = detectKind<unknown>(row, dataKinds[name].rows)
    return kind === undefined ? [] : [{ name, kind }]
  })
  const most = Math.max(...known.map(({ kind }) => kind.fields.length))
  const candidates = known.filter(({ kind }) => kind.fields.length === most)
  return (candidates.find(({ kind }) => kind.schema.safeParse(row).success) ?? candidates[0])?.name
}
