/** Held-out rows of datasets, to measure models on. */
import { open } from 'node:fs/promises'
import { UserError } from '../errors.ts'
import type { FindHeldOut } from '../registry/evaluations.ts'
import type { Store } from '../store/index.ts'
import { referenceOf, resolveDataset } from './datasets.ts'

export async function findHeldOut(store: Store, name: string): ReturnType<FindHeldOut> {
  const dataset = await resolveDataset(store, `dataset:${name}`)
  if (dataset === undefined) return undefined
  const row = await store.db.selectFrom('dataset_rows').select('position')
    .where('dataset_id', '=', dataset.id).where('split', '=', 'eval').where('row_json', 'is not', null).limit(1).executeTakeFirst()
  return { datasetId: dataset.id, reference: referenceOf(dataset), kind: dataset.kind, isEmpty: row === undefined }
}

/** Rows of one page. */
const batch = 500

/** Writes a version's held-out rows as JSONL, without those that were deleted. @returns their positions */
export async function writeHeldOut({ db }: Store, datasetId: string, path: string): Promise<number[]> {
  await using file = await open(path, 'wx')
  const positions: number[] = []
  for (let after = -1; ;) {
    const rows = await db.selectFrom('dataset_rows').select(['position', 'row_json'])
      .where('dataset_id', '=', datasetId).where('split', '=', 'eval').where('position', '>', after)
      .orderBy('position').limit(batch).execute()
    const there = rows.filter(({ row_json }) => row_json !== null)
    await file.write(there.map(({ row_json }) => `${row_json}\n`).join(''))
    positions.push(...there.map(({ position }) => position))
    if (rows.length < batch) break
    after = rows.at(-1)!.position
  }
  if (positions.length === 0) throw new UserError('The held-out rows of this dataset were deleted')
  return positions
}
