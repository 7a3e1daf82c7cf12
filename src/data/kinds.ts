import { labelRowKinds, pairRowKinds, promptRowKinds, sftRowKinds, type RowKind } from './rows.ts'
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
