import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { labelRows, pairRows, sftRows, upload } from '../fixtures/jobs.ts'
import { serveFake, type TestServer } from '../fixtures/server.ts'
import type { WireAdvice, WireEstimateOfRun, WireGuide } from './guide-wire.ts'

async function ask<Body>({ post }: TestServer, path: string, body: unknown, status = 200): Promise<Body> {
  const response = await post(path, body)
  assert.equal(response.status, status, await response.clone().text())
  return await response.json() as Body
}

describe('the guide', () => {
  test('all of it is one answer', async (t) => {
    const server = await serveFake(t)
    const guide = await (await server.fetch('/v1/guide')).json() as WireGuide
    assert.equal(guide.decisions.length, 10)
    assert.ok(guide.techniques.length >= 11 && guide.claims.length > 0 && guide.path.length === 3)
  })

  test('advice on a file names the table’s row, a recipe and what it will take', async (t) => {
    const server = await serveFake(t)
    const file = await upload(server.client, labelRows)
    const { decision, runs, warnings } = await ask<WireAdvice>(server, '/v1/advise', { file })
    assert.equal(decision?.recommended, 'KTO')
    const [run] = runs
    assert.equal(run?.recipe.method, 'kto')
    assert.equal(run.recipe.data, file)
    assert.ok(run.estimate !== null && run.estimate.steps === 1 && run.estimate.seconds > 0 && run.estimate.memory_mb > 0)
    assert.match(warnings.join('\n'), /12 rows are few/)
  })

  test('without a name it is of what the store has', async (t) => {
    const server = await serveFake(t)
    const nothing = await ask<WireAdvice>(server, '/v1/advise', {})
    assert.equal(nothing.decision, null)
    for (let i = 0; i < 12; i++) {
      const { id } = await server.client.chat.completions.create({ model: 'tiny-llama', messages: [{ role: 'user', content: `say ${i}` }], max_tokens: 2 })
      await ask(server, '/v1/feedback', { completion_id: id, name: 'thumbs', value: i % 3 === 0 }, 201)
    }
    const { decision, runs: [run] } = await ask<WireAdvice>(server, '/v1/advise', {})
    assert.equal(decision?.id, 'cold-start')
    assert.deepEqual(run?.datasets, [{ name: 'thumbs', kind: 'labelled' }])
    assert.deepEqual(run.recipe['kto'], { beta: 0.1, desirable_weight: 2 })
    assert.equal(run.estimate, null)
  })

  test('each recipe is one that a job can be made of', async (t) => {
    const server = await serveFake(t)
    const numbers = sftRows.map((_, i) => ({ messages: [{ role: 'user', content: `${i} + 1?` }], answer: `${i + 1}` }))
    for (const rows of [sftRows, pairRows, labelRows, numbers]) {
      const file = await upload(server.client, rows)
      const { runs } = await ask<WireAdvice>(server, '/v1/advise', { file })
      const [run] = runs
      assert.ok(run !== undefined && runs.length === 1)
      const { issues, request } = await ask<{ issues?: unknown[]; request?: { training_file: string } }>(server, '/v1/recipes/check', { yaml: run.yaml })
      assert.deepEqual(issues ?? [], [])
      assert.equal(request?.training_file, file)
      const estimate = await ask<WireEstimateOfRun>(server, '/v1/estimates', request)
      assert.equal(estimate.steps, run.estimate?.steps)
    }
  })

  test('what no job can do is said', async (t) => {
    const server = await serveFake(t)
    const file = await upload(server.client, pairRows)
    const { runs, warnings } = await ask<WireAdvice>(server, '/v1/advise', { file, goal: 'safety' })
    assert.deepEqual(runs.map(({ recipe }) => recipe.method), ['reward'])
    assert.match(warnings.join('\n'), /reward model is trained on the command line/)
  })

  test('a goal is followed, and one that is none is refused', async (t) => {
    const server = await serveFake(t)
    const file = await upload(server.client, sftRows)
    const { decision } = await ask<WireAdvice>(server, '/v1/advise', { file, goal: 'forgetting' })
    assert.equal(decision?.recommended, 'LoRA / PEFT')
    await ask(server, '/v1/advise', { file, goal: 'fame' }, 400)
    await ask(server, '/v1/advise', { file: 'file-none' }, 400)
  })

  test('an estimate is asked for as the job is', async (t) => {
    const server = await serveFake(t)
    const file = await upload(server.client, pairRows)
    const body = { model: 'tiny-llama', training_file: file, method: { type: 'dpo' }, posttrain: { base: { precision: 'f32' } } }
    const estimate = await ask<WireEstimateOfRun>(server, '/v1/estimates', body)
    assert.equal(estimate.steps, 6, 'twelve pairs in steps of eight, three times')
    assert.equal(estimate.precision, 'f32')
    assert.ok(estimate.parts.some(({ name }) => name === 'reference'))
    const longer = await ask<WireEstimateOfRun>(server, '/v1/estimates', { ...body, method: { type: 'dpo', dpo: { hyperparameters: { n_epochs: 30 } } } })
    assert.ok(longer.seconds > estimate.seconds && longer.memory_mb === estimate.memory_mb)
    await ask(server, '/v1/estimates', { ...body, training_file: 'file-none' }, 400)
  })
})
