import assert from 'node:assert/strict'
import { sql } from 'kysely'
import { testStores } from '../store/fixtures/stores.ts'
import { pageOfRows, sampleRows, searchRows, type PageStart, type RowPage } from './dataset-pages.ts'
import { writeRows } from './fixtures/dataset.ts'

const positionsOf = ({ rows }: RowPage): number[] => rows.map(({ position }) => position)

testStores('pages go both ways, from any row, on either side of the split', async (store) => {
  const { id } = await writeRows(store, 'd', 100)
  await store.write(store.db.deleteFrom('dataset_rows').where('dataset_id', '=', id).where('position', 'in', [3, 50]))
  const page = (start: PageStart, split?: 'train' | 'eval', limit = 4) => pageOfRows(store, id, { split, start, limit })
  const first = await page({ from: 0 })
  assert.deepEqual([positionsOf(first), first.hasBefore, first.hasMore], [[0, 1, 2, 4], false, true])
  const next = await page({ from: 5 })
  assert.deepEqual([positionsOf(next), next.hasBefore, next.hasMore], [[5, 6, 7, 8], true, true])
  const back = await page({ before: 5 })
  assert.deepEqual([positionsOf(back), back.hasBefore, back.hasMore], [[0, 1, 2, 4], false, true])
  const last = await page({ from: 97 })
  assert.deepEqual([positionsOf(last), last.hasBefore, last.hasMore], [[97, 98, 99], true, false])
  assert.deepEqual(positionsOf(await page({ before: 1_000_000 })), [96, 97, 98, 99])
  const held = await page({ from: 30 }, 'eval', 3)
  assert.deepEqual([positionsOf(held), held.hasBefore, held.hasMore], [[39, 49, 59], true, true])
  const beyond = await page({ from: 100 })
  assert.deepEqual([positionsOf(beyond), beyond.hasMore], [[], false])
  const seen: number[] = []
  for (let start: PageStart | undefined = { before: 1_000 }; start !== undefined;) {
    const { rows, hasBefore }: RowPage = await page(start, 'train', 7)
    seen.unshift(...rows.map(({ position }) => position))
    start = hasBefore ? { before: rows[0]!.position } : undefined
  }
  assert.deepEqual(seen, Array.from({ length: 100 }, (_, i) => i).filter((i) => i % 10 !== 9 && i !== 3 && i !== 50))
})

testStores('a search finds what texts say, not what rows are made of', async (store) => {
  const texts = ['Ünïcode "quoted" back\\slash', '100% of_it', 'Line\none', 'user content', '{"role":"user"}', 'nothing']
  const { id } = await writeRows(store, 'd', texts.length, (i) => texts[i]!)
  const found = async (text: string, start: PageStart = { from: 0 }) => positionsOf(await searchRows(store, id, text, { split: undefined, start, limit: 10 }))
  for (const [i, text] of texts.slice(0, 3).entries()) assert.deepEqual(await found(text), [i], text)
  const cases: readonly [text: string, rows: readonly number[]][] = [
    ['QUOTED', [0]], ['k\\s', [0]], ['0%', [1]], ['%', [1]], ['f_i', [1]], ['_', [1]], ['!', []], ['e\no', [2]], ['user', [3, 4]], ['content', [3]], ['messages', []],
    ['"role":"user"', [4]], ['assistant', []], ['yes', [0, 1, 2, 3, 4, 5]], ['""', []], ['},{', []],
  ]
  for (const [text, rows] of cases) assert.deepEqual(await found(text), rows, text)
  assert.deepEqual(await found('yes', { before: 3 }), [0, 1, 2])
  assert.deepEqual(await found('yes', { from: 4 }), [4, 5])
})

testStores('a hundred thousand rows: any page is read by an index, a search is bounded and goes on', async (store) => {
  const count = 120_000
  const { id } = await writeRows(store, 'd', count, (i) => (i % 40_000 === 39_999 ? `needle ${i}` : 'hay'))
  const middle = await pageOfRows(store, id, { split: 'eval', start: { from: 77_777 }, limit: 3 })
  assert.deepEqual(positionsOf(middle), [77_779, 77_789, 77_799])

  const first = await searchRows(store, id, 'needle', { split: undefined, start: { from: 0 }, limit: 5 })
  assert.deepEqual([positionsOf(first), first.hasMore, first.searchedTo], [[], true, 20_000])
  const rest: number[] = []
  for (let from: number | undefined = first.searchedTo; from !== undefined;) {
    const { rows, searchedTo } = await searchRows(store, id, 'needle', { split: undefined, start: { from }, limit: 5 })
    rest.push(...rows.map(({ position }) => position))
    from = searchedTo
  }
  assert.deepEqual(rest, [39_999, 79_999, 119_999])
  const full = await searchRows(store, id, 'hay', { split: 'train', start: { before: 100_000 }, limit: 2 })
  assert.deepEqual([positionsOf(full), full.hasBefore, full.searchedTo], [[99_997, 99_998], true, undefined])

  const sample = await sampleRows(store, id, 1000)
  assert.equal(sample.length, 1000)
  assert.equal(new Set(sample.map((row) => row.includes('needle'))).size, 1)

  if (store.dialect === 'sqlite') {
    for (const [column, index] of [['position', 'sqlite_autoindex_dataset_rows_1'], ['split', 'dataset_rows_by_split']] as const) {
      const split = column === 'split' ? sql`and split = 'eval'` : sql``
      const { rows } = await sql<{ detail: string }>`explain query plan select * from dataset_rows where dataset_id = ${id} ${split}
        and position >= 5000 order by position limit 20`.execute(store.db)
      assert.match(rows.map(({ detail }) => detail).join(), new RegExp(`^SEARCH dataset_rows USING INDEX ${index} \\(dataset_id=\\? AND .*position>\\?\\)$`))
    }
    const { rows } = await sql<{ detail: string }>`explain query plan select split, count(*) from dataset_rows
      where dataset_id = ${id} and row_json is null group by split`.execute(store.db)
    assert.match(rows[0]!.detail, /USING (COVERING )?INDEX dataset_rows_deleted/)
  }
})
