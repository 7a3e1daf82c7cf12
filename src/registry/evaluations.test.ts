import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { testDatabases } from '../store/fixtures/stores.ts'
import { newId, openStore, type Store } from '../store/index.ts'
import { AdapterRegistry } from './adapters.ts'
import { Evaluations, type Evaluation } from './evaluations.ts'
import { Files } from './files.ts'

const rows = { reference: 'file-none', datasetId: null, content: 'abc', kind: 'sft', label: 'rows.jsonl' } as const

function testEvaluations(name: string, run: (store: Store, open: () => Promise<Evaluations>) => Promise<void>): void {
  testDatabases(name, async (options) => {
    await using store = await openStore(options)
    await run(store, () => openEvaluations(store, options.directory))
  })
}

async function openEvaluations(store: Store, directory: string): Promise<Evaluations> {
  return new Evaluations({
    store, adapters: await AdapterRegistry.open(store, 'base'), files: await Files.open(store),
    settings: { directory, modelRef: 'none', precision: 'int8' },
    findHeldOut: async () => undefined,
    writeHeldOut: async () => [],
    onFault: assert.ifError,
  })
}

testEvaluations('what two ask for at once is measured once', async (store, open) => {
  const evaluations = await open()
  // Nothing is started any more.
  await evaluations.close()
  const asked = await Promise.all(Array.from({ length: 5 }, () => evaluations.ask({ rows }, [null])))
  assert.equal(new Set(asked.map(([first]) => first!.evaluation.id)).size, 1)
  const { items } = await evaluations.list({ limit: 10 })
  assert.equal(items.length, 1)
})

testEvaluations('what is asked for while the last evaluation of its suite is removed has its suite', async (store, open) => {
  const evaluations = await open()
  await evaluations.close()
  for (let round = 0; round < 20; round++) {
    const [first] = await evaluations.ask({ rows }, [null])
    const [[again]] = await Promise.all([evaluations.ask({ rows, name: `round ${round}` }, [null]), evaluations.remove(first!.evaluation.id)])
    const left = await store.db.selectFrom('evaluations').select(['id', 'suite_id']).execute()
    const suites = await store.db.selectFrom('suites').select('id').execute()
    assert.ok(left.every(({ suite_id: id }) => suites.some((suite) => suite.id === id)), `round ${round}`)
    for (const { id } of left) await evaluations.remove(id)
    assert.ok(again)
  }
})

testEvaluations('an evaluation whose suite is gone keeps no other from its turn', async (store, open) => {
  const orphan: Evaluation = {
    id: newId('eval_'), suite_id: 'suite_gone', created_at: 1, finished_at: null, status: 'queued', base: 'base', precision: null, adapter_id: null,
    adapter_sha256: '', job_id: null, done: 0, total: 0, error: null, result_json: null,
  }
  await store.write(store.db.insertInto('evaluations').values(orphan))
  await using evaluations = await open()
  const [asked] = await evaluations.ask({ rows }, [null])
  const { id } = asked!.evaluation
  while ((await evaluations.get(id)).evaluation.status !== 'failed') await sleep(20)
  assert.match((await evaluations.get(id)).evaluation.error!, /file-none was deleted/)
  assert.deepEqual((await evaluations.list({ limit: 10 })).items.map((each) => each.evaluation.id), [id])
  await assert.rejects(evaluations.get(orphan.id), /There is no evaluation/)
})
