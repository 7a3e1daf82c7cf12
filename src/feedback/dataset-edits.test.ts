import assert from 'node:assert/strict'
import { testStores } from '../store/fixtures/stores.ts'
import type { Row, Store } from '../store/index.ts'
import { Capture } from './capture.ts'
import { editDataset, editsBody } from './dataset-edits.ts'
import { datasetBody } from './dataset-spec.ts'
import { createDataset, exportSplit, findDataset, splitSizes, type Dataset } from './datasets.ts'
import { deleteUser } from './deletion.ts'
import { FeedbackLog } from './feedback.ts'
import { answered } from './fixtures/answered.ts'
import { writeRows } from './fixtures/dataset.ts'

const turn = (role: string, content: string) => ({ role, content })

/** Ten thumbs, of which every third is down; two of each conversation. */
async function thumbs(store: Store) {
  const capture = new Capture(store)
  const feedback = new FeedbackLog(store, capture.redactor)
  for (let i = 0; i < 10; i++) {
    const metadata = { conversation_id: `v${Math.floor(i / 2)}` }
    await capture.record(answered({ id: `c${i}`, user: `u${i}`, createdAt: 1000 + i, metadata, messages: [{ role: 'user', content: 'abcdefghij'[i]!.repeat(20) }] }))
    await feedback.add({ completion_id: `c${i}`, name: 'thumbs', value: i % 3 > 0 })
  }
  const spec = datasetBody.parse({ name: 'd', kind: 'labelled', eval_fraction: 0.2 })
  const dataset = await createDataset(store, spec, capture.redactor)
  const edit = async (changes: readonly object[], of: Dataset = dataset, note?: string) =>
    editDataset(store, of, editsBody.parse({ changes, ...(note !== undefined && { note }) }), capture.redactor)
  return { capture, dataset, edit }
}

async function rowsOf({ db }: Store, { id }: Dataset): Promise<Row<'dataset_rows'>[]> {
  const rows = await db.selectFrom('dataset_rows').selectAll().where('dataset_id', '=', id).orderBy('position').execute()
  return rows.map((row) => ({ ...row }))
}

async function unfinished({ db }: Store): Promise<number> {
  const rows = await db.selectFrom('dataset_rows').select('position').where('dataset_id', 'not in', db.selectFrom('datasets').select('id')).execute()
  return rows.length
}

testStores('an edit makes the next version: other rows, positions and provenance stay', async (store) => {
  const { dataset, edit } = await thumbs(store)
  const before = await rowsOf(store, dataset)
  const train = before.filter(({ split }) => split === 'train').map(({ position }) => position)
  const [gone, liked, written, held] = train as [number, number, number, number]
  const row = { prompt: [turn('user', 'new')], completion: [turn('assistant', 'words')], label: true }
  const wasUp = (JSON.parse(before[liked]!.row_json!) as { label: boolean }).label
  const made = await edit([
    { position: gone, remove: true }, { position: liked, label: !wasUp }, { position: written, row }, { position: held, split: 'eval' },
  ], dataset, 'by hand')

  assert.deepEqual([made.version, made.name, made.kind], [2, 'd', 'labelled'])
  assert.deepEqual(made.spec, { ...dataset.spec, edited: { from: 'dataset:d@1', note: 'by hand' } })
  assert.deepEqual(made.report.edits, { from: 'dataset:d@1', rewritten: 1, relabelled: 1, moved: 1, removed: 1 })
  assert.deepEqual([made.report.rows, made.report.splits, made.report.origins], [9, { train: 6, eval: 3 }, { thumbs: 9 }])

  assert.deepEqual(await rowsOf(store, dataset), before)
  const after = await rowsOf(store, made)
  const expected = before.filter(({ position }) => position !== gone).map((old) => ({
    ...old,
    dataset_id: made.id,
    ...(old.position === liked && { row_json: JSON.stringify({ ...JSON.parse(old.row_json!) as object, label: !wasUp }) }),
    ...(old.position === written && { row_json: JSON.stringify(row) }),
    ...(old.position === held && { split: 'eval' as const }),
  }))
  assert.deepEqual(after, expected)
  const labels = after.reduce((counts, { split, row_json: json }) => {
    counts[split][(JSON.parse(json!) as { label: boolean }).label ? 'up' : 'down']++
    return counts
  }, { train: { up: 0, down: 0 }, eval: { up: 0, down: 0 } })
  assert.deepEqual(made.report.labels, labels)
  assert.ok(made.report.warnings.some((warning) => /1 row was moved away from other rows of the same conversation/.test(warning)))
  const lines: string[] = []
  for await (const line of exportSplit(store, made.id, 'train')) lines.push(line)
  assert.ok(lines.includes(`${JSON.stringify(row)}\n`))
})

testStores('edits of edits go on from the version that they name, and the number is the next of the name', async (store) => {
  const { dataset, edit } = await thumbs(store)
  const second = await edit([{ position: 0, remove: true }])
  const third = await edit([{ position: 1, remove: true }], second)
  const fourth = await edit([{ position: 2, remove: true }], dataset)
  assert.deepEqual([second, third, fourth].map(({ version, report, spec }) => [version, report.rows, spec.edited?.from]), [
    [2, 9, 'dataset:d@1'], [3, 8, 'dataset:d@2'], [4, 9, 'dataset:d@1'],
  ])
  const both = await Promise.all([edit([{ position: 3, remove: true }]), edit([{ position: 4, remove: true }])])
  assert.deepEqual(both.map(({ version }) => version).toSorted(), [5, 6])
})

testStores('a user who is deleted is deleted from edited versions too, and an edit brings nobody back', async (store) => {
  const { capture, dataset, edit } = await thumbs(store)
  const [{ user_id: user, position }] = (await rowsOf(store, dataset)) as [Row<'dataset_rows'>]
  const row = { prompt: 'rewritten, still of', completion: 'this user', label: true }
  const second = await edit([{ position, row }])
  await deleteUser(store, capture.redactor, user!)
  for (const version of [dataset, second]) {
    assert.equal((await rowsOf(store, version))[0]!.row_json, null)
    assert.equal((await splitSizes(store, version)).deleted, 1)
  }
  await assert.rejects(edit([{ position, row }], second), /row 0: was deleted with the data of its user/)
  const third = await edit([{ position: 5, remove: true }], second)
  assert.equal((await rowsOf(store, third))[0]!.row_json, null)
  const fourth = await edit([{ position, remove: true }], third)
  assert.equal((await splitSizes(store, fourth)).deleted, 0)
})

testStores('what is wrong with changes is said of all of them, and nothing is made', async (store) => {
  const { dataset, edit } = await thumbs(store)
  const fine = { prompt: 'p', completion: 'c', label: true }
  const cases: readonly [changes: readonly object[], message: RegExp][] = [
    [[{ position: 10, remove: true }], /^row 10: there is no such row$/],
    [[{ position: 1, row: { ...fine, label: 'yes' } }, { position: 3, row: { prompt: 'p' } }], /^row 1: is not prompt\/completion\/label: label: must be true .*\nrow 3: .*completion/],
    [[{ position: 1, row: { messages: [turn('user', 'a'), turn('assistant', 'b')] } }], /^row 1: is not prompt\/completion\/label/],
    [[{ position: 1, row: { ...fine, completion: [turn('user', 'nobody answers')] } }], /no assistant turn/],
    [[{ position: 1, remove: true }, { position: 1, split: 'eval' }], /^row 1: is named twice$/],
    [Array.from({ length: 10 }, (_, position) => ({ position, remove: true })), /nothing left/],
    [[{ position: 0, label: false }], /change nothing/],
    [Array.from({ length: 40 }, (_, i) => ({ position: 100 + i, remove: true })), /^(row .*\n){20}and 20 more$/],
  ]
  for (const [changes, message] of cases) await assert.rejects(edit(changes), { name: 'UserError', message })
  for (const change of [
    { position: 1 }, { position: 1, remove: false }, { position: 1, remove: true, split: 'eval' }, { position: 1, row: fine, label: true }, { position: -1, remove: true },
    { position: 0.5, remove: true }, { position: 1, splt: 'eval' },
  ]) assert.equal(editsBody.safeParse({ changes: [change] }).success, false, JSON.stringify(change))
  assert.equal(editsBody.safeParse({ changes: [] }).success, false)
  assert.equal(await findDataset(store, 'd', 2), undefined)
  assert.equal(await unfinished(store), 0)
  const sft = await writeRows(store, 'sft', 3)
  await assert.rejects(edit([{ position: 0, label: true }], sft), /row 0: has no label/)
  await assert.rejects(edit([{ position: 0, row: { prompt: 'a', completion: 'b' } }], sft), /row 0: is not messages/)
  assert.equal(dataset.version, 1)
})

testStores('words that are typed in are redacted like all others', async (store) => {
  const { edit } = await thumbs(store)
  const made = await edit([{ position: 1, row: { prompt: 'write to jane@example.com', completion: 'fine', label: true } }], undefined, 'asked bob@example.com')
  assert.deepEqual(JSON.parse((await rowsOf(store, made))[1]!.row_json!), { prompt: 'write to [EMAIL]', completion: 'fine', label: true })
  assert.equal(made.spec.edited?.note, 'asked [EMAIL]')
})

testStores('a large version is copied by the database, part by part; a failure leaves nothing of it', async (store) => {
  const dataset = await writeRows(store, 'large', 25_000)
  const { redactor } = new Capture(store)
  const changes = [0, 9_999, 10_000, 24_999].map((position) => ({ position, remove: true as const }))
  const made = await editDataset(store, dataset, { changes: [...changes, { position: 12_345, split: 'eval' }] }, redactor)
  assert.deepEqual([made.report.rows, made.report.splits], [24_996, { train: 22_497, eval: 2499 }])
  const { db } = store
  const same = await db.selectFrom('dataset_rows as a').innerJoin('dataset_rows as b', (join) => join
    .onRef('a.position', '=', 'b.position').onRef('a.row_json', '=', 'b.row_json').onRef('a.completion_id', '=', 'b.completion_id').onRef('a.user_id', '=', 'b.user_id'))
    .select(({ fn }) => fn.countAll<number>().as('rows')).where('a.dataset_id', '=', dataset.id).where('b.dataset_id', '=', made.id).executeTakeFirstOrThrow()
  assert.equal(Number(same.rows), 24_996)

  let writes = 0
  const failing: Store = {
    ...store,
    write: async (...queries) => {
      if (++writes === 4) throw new Error('the disk is full')
      return store.write(...queries)
    },
  }
  await assert.rejects(editDataset(failing, dataset, { changes }, redactor), /the disk is full/)
  assert.equal(await unfinished(store), 0)
  assert.equal(await findDataset(store, 'large', 3), undefined)
})
