import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type OpenAI from 'openai'
import { jobEnd, promptRows, sftRows, upload } from '../fixtures/jobs.ts'
import { serveFake } from '../fixtures/server.ts'
import type { ErrorBody } from '../errors.ts'
import type { WireRun, WireRunComparison, WireRunDetail, WireRunMetrics, WireSample } from './runs-wire.ts'

interface Page<Item> { readonly data: Item[]; readonly has_more: boolean; readonly last_id: string | null }

interface FolderOptions {
  readonly steps?: number
  readonly lr?: number
  /** When it began. */
  readonly time?: string
  readonly report?: boolean
  readonly last?: object
}

/** A run's folder as `posttrain train` leaves it. */
function writeRun(path: string, { steps = 3, lr = 0.1, time = '2026-01-01T00:00:00.000Z', report = true, last }: FolderOptions = {}): void {
  mkdirSync(path, { recursive: true })
  const write = (name: string, lines: readonly object[]): void => {
    writeFileSync(join(path, name), lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  }
  writeFileSync(join(path, 'recipe.yaml'), `model: m\nmethod: sft\ndata: [{path: rows.jsonl, weight: 1}]\noptimizer: {lr: ${lr}}\nbatch: 8\noutput: ${path}\n`)
  write('events.jsonl', [
    { step: 0, type: 'started', steps: 10, time }, { step: 0, type: 'evaluation', loss: 4, general_loss: 2, time }, { step: steps, type: 'evaluation', loss: 1.5, time },
    ...(last === undefined ? [] : [{ step: steps, ...last, time }]),
  ])
  write('metrics.jsonl', Array.from({ length: steps }, (_, i) => ({ step: i + 1, loss: 3 / (i + 1), tokens: 10 * (i + 1), tokens_per_second: 5, memory_mb: 100, epoch: i })))
  if (report) writeFileSync(join(path, 'report.md'), '# run\n')
}

function scratch(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), 'runs-'))
  t.after(() => { rmSync(root, { recursive: true }) })
  return root
}

async function serve(t: TestContext, runRoots: readonly string[] = []) {
  const served = await serveFake(t, { runRoots })
  const get = async <Result>(path: string): Promise<Result> => served.client.get<Result>(path)
  const runs = async (): Promise<WireRun[]> => (await get<Page<WireRun>>('/runs')).data
  return { ...served, get, runs }
}

const reinforced = {
  model: 'tiny-llama', seed: 3, suffix: 'answers',
  method: { type: 'reinforcement', reinforcement: { grader: { type: 'string_check', name: 'same', operation: 'eq', input: '{{sample.output_text}}', reference: '{{item.word}}' }, hyperparameters: { batch_size: 2, compute_multiplier: 0.25 } } },
  posttrain: { base: { precision: 'f32' }, alias: 'bot', recipe: { steps: 3, eval_every: 2, grpo: { max_new_tokens: 4 } } },
}

test('a job is a run: while it waits, and with figures, curves, samples and what came of it when it is over', async (t) => {
  const { client, get, runs, directory } = await serve(t)
  const file = await upload(client, promptRows, 'words.jsonl')
  const { id } = await client.fineTuning.jobs.create({ ...reinforced, training_file: file, validation_file: file } as unknown as OpenAI.FineTuning.JobCreateParams)
  const [waiting] = await runs()
  assert.deepEqual([waiting?.id, waiting?.name, waiting?.kind, waiting?.method, waiting?.model, waiting?.alias, waiting?.finishing], [id, 'answers', 'job', 'grpo', 'tiny-llama', 'bot', false])
  assert.deepEqual(waiting?.data, [{ id: file, name: 'words.jsonl' }])
  const job = await jobEnd(client, id)
  assert.equal(job.status, 'succeeded')

  const [run] = await runs()
  assert.deepEqual([run?.status, run?.adapter, run?.step, run?.steps, run?.eta_seconds], ['succeeded', job.fine_tuned_model, 3, 3, null])
  assert.ok(run!.reward !== null && run!.eval_reward !== null && run!.loss !== null && run!.finished_at! >= run!.started_at!)
  const detail = await get<WireRunDetail>(`/runs/${id}`)
  assert.deepEqual(detail.result, { adapter: job.fine_tuned_model, steps: 3, tokens: detail.tokens })
  assert.deepEqual(detail.evaluations.map(({ step }) => step), [0, 2, 3])
  assert.ok(detail.evaluations.every(({ metrics }) => typeof metrics['reward'] === 'number'))
  assert.equal(detail.promotion?.alias, 'bot')
  assert.ok(detail.keys.includes('reward_std') && detail.sampled && detail.memory_mb! > 0)
  assert.equal(detail.events[0]?.message, 'The job has successfully completed')
  assert.ok(!detail.events.some(({ message }) => /^Step \d/.test(message)))
  assert.match(detail.report!, /^# run\n/)
  assert.match(detail.recipe_yaml, new RegExp(`path: ${file}`))
  // Where things lie on this machine is no client's business.
  assert.ok(!JSON.stringify(detail).includes(directory))

  const metrics = await get<WireRunMetrics>(`/runs/${id}/metrics?keys=reward,loss`)
  assert.deepEqual([metrics.rows, metrics.steps, metrics.last, Object.keys(metrics.series).sort()], [1, [1, 2, 3], 3, ['loss', 'reward']])
  assert.deepEqual([metrics.evaluations.steps, metrics.evaluations.series['reward']?.mean.length], [[0, 2, 3], 3])
  const held = await get<Page<WireSample>>(`/runs/${id}/samples?split=eval&limit=5`)
  assert.deepEqual([held.data.length, held.has_more, held.data.every(({ split }) => split === 'eval')], [5, true, true])
  const older = await get<Page<WireSample>>(`/runs/${id}/samples?limit=100&after=${held.last_id}`)
  assert.ok(older.data.every(({ id }) => Number(id) < Number(held.last_id)))
  assert.deepEqual([older.has_more, older.data.at(-1)?.id, older.data.some(({ split }) => split === 'train')], [false, '0', true])
})

test('runs of the operator\'s folders stand among the jobs, the newest first, page by page', async (t) => {
  const root = scratch(t)
  for (const [i, name] of ['old', 'group/newer', 'group/deep/newest'].entries()) writeRun(join(root, name), { time: `2026-01-0${i + 1}T00:00:00.000Z` })
  const { client, get, runs } = await serve(t, [root])
  const { id: job } = await client.fineTuning.jobs.create({ model: 'tiny-llama', training_file: await upload(client, sftRows), posttrain: { recipe: { steps: 1 } } } as OpenAI.FineTuning.JobCreateParams)
  const all = await runs()
  assert.deepEqual(all.map(({ name }) => name).filter((name) => !name.startsWith('ft:')), ['group/deep/newest', 'group/newer', 'old'])
  assert.ok(all.some(({ id }) => id === job))
  const paged: string[] = []
  for (let after = ''; ;) {
    const page = await get<Page<WireRun>>(`/runs?limit=1${after}`)
    paged.push(...page.data.map(({ id }) => id))
    if (!page.has_more) break
    after = `&after=${page.last_id}`
  }
  assert.deepEqual(paged, all.map(({ id }) => id))

  const { id } = all.find(({ name }) => name === 'old')!
  const detail = await get<WireRunDetail>(`/runs/${id}`)
  assert.deepEqual([detail.kind, detail.status, detail.method, detail.step, detail.steps, detail.loss, detail.eval_loss], ['folder', 'succeeded', 'sft', 3, 3, 1, 1.5])
  assert.deepEqual([detail.created_at, detail.data, detail.tokens], [Date.parse('2026-01-01') / 1000, [{ id: null, name: 'rows.jsonl' }], 30])
  await jobEnd(client, job)
})

test('a folder says how its run stands: running, failed, or ended without its process', async (t) => {
  const root = scratch(t)
  writeRun(join(root, 'interrupted'), { report: false })
  writeRun(join(root, 'failed'), { report: false, last: { type: 'failed', message: 'Step 3: the loss is not a finite number.' } })
  writeRun(join(root, 'running'), { report: false })
  writeFileSync(join(root, 'running/.lock'), JSON.stringify({ host: hostname(), pid: process.pid }))
  writeRun(join(root, 'killed'), { report: false })
  writeFileSync(join(root, 'killed/.lock'), JSON.stringify({ host: hostname(), pid: 2 ** 22 + 1 }))
  const { runs, get } = await serve(t, [root])
  const found = new Map((await runs()).map((run) => [run.name, run]))
  assert.deepEqual([...found].map(([name, { status }]) => [name, status]).sort(), [['failed', 'failed'], ['interrupted', 'interrupted'], ['killed', 'interrupted'], ['running', 'running']])
  assert.match(found.get('failed')!.error!.message, /not a finite number/)
  // 7 steps of 10 tokens, 5 tokens a second.
  assert.deepEqual([found.get('running')!.steps, found.get('running')!.eta_seconds], [10, 14])

  const { id } = found.get('running')!
  appendFileSync(join(root, 'running/metrics.jsonl'), `${JSON.stringify({ step: 4, loss: 0.25 })}\n{"step":5,"lo`)
  assert.deepEqual((await get<WireRunMetrics>(`/runs/${id}/metrics?from=4&keys=loss`)).series['loss']?.mean, [1, 0.25])
})

test('only what lies below a root is a run, and only its id names it', async (t) => {
  const [root, elsewhere] = [scratch(t), scratch(t)]
  writeRun(join(elsewhere, 'secret'))
  writeFileSync(join(elsewhere, 'lines.jsonl'), '{"step":1,"loss":42}\n')
  symlinkSync(join(elsewhere, 'secret'), join(root, 'linked'))
  writeRun(join(root, 'own'))
  rmSync(join(root, 'own/metrics.jsonl'))
  symlinkSync(join(elsewhere, 'lines.jsonl'), join(root, 'own/metrics.jsonl'))
  const { runs, get, fetch } = await serve(t, [root])
  const found = await runs()
  assert.deepEqual(found.map(({ name }) => name), ['own'])
  assert.deepEqual((await get<WireRunMetrics>(`/runs/${found[0]!.id}/metrics`)).steps, [])
  for (const id of ['own', '..', '%2e%2e', encodeURIComponent(join(elsewhere, 'secret')), encodeURIComponent('../secret'), 'ftjob-..%2f..', 'run-0']) {
    for (const part of ['', '/metrics', '/samples']) {
      const { status } = await fetch(`/v1/runs/${id}${part}`)
      assert.ok(status === 404, `${id}${part}: ${status}`)
    }
  }
})

test('runs are compared by where their recipes differ', async (t) => {
  const root = scratch(t)
  writeRun(join(root, 'a'), { lr: 0.1 })
  writeRun(join(root, 'b'), { lr: 0.2 })
  const { runs, get } = await serve(t, [root])
  const ids = (await runs()).toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(({ id }) => id)
  const { differences } = await get<WireRunComparison>(`/runs/compare?ids=${ids.join(',')}`)
  assert.deepEqual(differences, [{ key: 'optimizer.lr', values: [0.1, 0.2] }])
})

test('a request that asks for what cannot be is told so', async (t) => {
  const { fetch } = await serve(t)
  const refused = async (path: string): Promise<[number, string]> => {
    const response = await fetch(`/v1/runs${path}`)
    return [response.status, (await response.json() as ErrorBody).error.message]
  }
  assert.deepEqual(await refused('/compare?ids=one'), [400, 'ids: give 2 to 12 ids with commas between them'])
  assert.deepEqual((await refused('/run-none'))[0], 404)
  assert.deepEqual((await refused('?after=run-none'))[0], 404)
  assert.match((await refused('/x/metrics?points=1'))[1], /^points/)
  assert.match((await refused('/x/metrics?point=5'))[1], /did you mean points/)
})

test('a call without a key that may train is refused where keys are asked for', async (t) => {
  const { server, fetch } = await serveFake(t, { requireKey: true })
  const keyed = async (scope: 'infer' | 'train'): Promise<number> => {
    const { key } = await server.context.keys.create({ name: scope, scopes: [scope] })
    return (await fetch('/v1/runs', { headers: { authorization: `Bearer ${key}` } })).status
  }
  assert.deepEqual([(await fetch('/v1/runs')).status, await keyed('infer'), await keyed('train')], [401, 403, 200])
})
