/** What evaluations survive: the death of their process and of their server, and the deletion of what they measure on. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import OpenAI from 'openai'
import { EvaluationCalls } from './fixtures/evaluations.ts'
import { sftRows, upload } from './fixtures/jobs.ts'
import { serveFake, tinyModel } from './fixtures/server.ts'
import { startServerProcess, type ServerProcess } from './fixtures/server-process.ts'
import type { WireEvaluation } from './routes/evaluations-wire.ts'

/** More than are answered at once. */
const manyRows = Array.from({ length: 100 }, (_, i) => ({ prompt: `say ${i}`, completion: String(i) }))
const sampling = { max_tokens: 48, temperature: 1, seed: 7 }

async function scratch(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'evaluations-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** Processes that a server has started to measure. */
function processesOf(server: number): number[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=', '-o', 'ppid=', '-o', 'args='], { encoding: 'utf8' }).split('\n')
  return lines.map((line) => line.trim().split(/\s+/)).filter(([, parent, ...args]) => Number(parent) === server && args.join(' ').includes('evaluation-process'))
    .map(([pid]) => Number(pid))
}

async function resultOf(calls: EvaluationCalls, id: string): Promise<object> {
  const { status, error, result, progress } = await calls.end(id)
  assert.deepEqual([status, error, progress], ['succeeded', null, { done: 100, total: 100 }])
  const { data } = await calls.items(id, { limit: '1000' })
  return { result, items: data }
}

test('kill -9 of the process, then of the server: it goes on where it was, with the same result', async (t) => {
  const directory = await scratch(t)
  const start = async (): Promise<{ server: ServerProcess; calls: EvaluationCalls; client: OpenAI }> => {
    const server = await startServerProcess(['--model', tinyModel, '--directory', directory, '--port', '0'])
    t.after(async () => { await server.end('SIGKILL') })
    const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 })
    return { server, client, calls: new EvaluationCalls(client) }
  }
  const begun = ({ progress: { done, total } }: WireEvaluation): boolean => done > 0 && done < total
  let { server, calls, client } = await start()
  const rows = await upload(client, manyRows)
  const { id } = await calls.ask({ model: 'tiny-llama', rows, sampling })
  assert.equal((await calls.when(id, begun)).finished_at, null)
  const [child] = processesOf(server.pid)
  const { progress: { done: first } } = await calls.get(id)
  process.kill(child!, 'SIGKILL')
  const { progress: { done: second } } = await calls.when(id, ({ progress }) => {
    assert.ok(progress.done >= first, `${progress.done} of ${first} are left after the process has died`)
    return progress.done > first
  })
  await server.end('SIGKILL')
  ;({ server, calls, client } = await start())
  await calls.when(id, ({ progress }) => {
    assert.ok(progress.done >= second, `${progress.done} of ${second} are left after the server has died`)
    return false
  })
  const survived = await resultOf(calls, id)

  await client.delete(`/evaluations/${id}`)
  const again = await calls.ask({ model: 'tiny-llama', rows, sampling })
  assert.notEqual(again.id, id)
  assert.deepEqual(await resultOf(calls, again.id), survived)
  assert.equal(await server.end('SIGTERM'), 0)
})

test('what was measured over another precision of the base is no beginning of what is measured now', async (t) => {
  const { client, server: { context: { store } } } = await serveFake(t)
  const calls = new EvaluationCalls(client)
  const { id } = await calls.ask({ model: 'tiny-llama', rows: await upload(client, sftRows), sampling: { max_tokens: 2 } })
  await calls.end(id)
  const { db } = store
  const grades = JSON.stringify([{ reward: 99, components: {}, finish_reason: 'stop' }])
  await store.write(
    db.updateTable('evaluation_items').set({ reward: 99, grades_json: grades }).where('evaluation_id', '=', id),
    db.updateTable('evaluations').set({ status: 'queued', precision: 'f32', finished_at: null, result_json: null }).where('id', '=', id),
  )
  // Whatever is asked for has the queue looked at.
  await calls.ask({ model: 'tiny-llama', rows: await upload(client, sftRows), sampling: { max_tokens: 1 } })
  const { status, result } = await calls.end(id)
  assert.equal(status, 'succeeded')
  assert.ok(result!.score.value <= 1, `${result!.score.value}`)
})

test('a user\'s deletion empties what was measured on the user\'s rows, and begins again what is being measured', async (t) => {
  const { client, server: { context: { store } } } = await serveFake(t)
  const calls = new EvaluationCalls(client)
  for (let i = 0; i < 80; i++) {
    const prompt = `${i % 2 === 0 ? 'SECRET' : 'open'} ${i}`
    await client.post('/completions/log', { body: {
      request: { model: 'other', messages: [{ role: 'user', content: prompt }], user: i % 2 === 0 ? 'jane' : 'bob' },
      response: { id: `c${i}`, object: 'chat.completion', created: 1, model: 'other', choices: [{ index: 0, message: { role: 'assistant', content: String(i) }, finish_reason: 'stop' }] },
    } })
    await client.post('/feedback', { body: { completion_id: `c${i}`, name: 'thumbs', value: true } })
  }
  await client.post('/datasets', { body: { name: 'd', kind: 'sft', eval_fraction: 0.9, options: { thumbs_up: true, near_duplicates: false } } })
  const done = await calls.ask({ model: 'tiny-llama', rows: 'dataset:d', sampling: { max_tokens: 2 } })
  const { result } = await calls.end(done.id)
  assert.equal(done.suite.rows, 'dataset:d@1')
  const running = await calls.ask({ model: 'tiny-llama', rows: 'dataset:d@1', sampling: { max_tokens: 300 } })
  const { progress: { total } } = await calls.when(running.id, ({ progress }) => progress.done > 0)
  assert.equal(total, result!.prompts)

  await client.delete('/users/jane/data')
  const items = (await calls.items(done.id)).data
  assert.deepEqual((await calls.get(done.id)).result, result, 'what it came to stays')
  const emptied = items.filter(({ deleted }) => deleted)
  assert.ok(emptied.length > 10 && emptied.length < items.length)
  assert.ok(emptied.every(({ prompt, reference, answers }) => prompt.length === 0 && reference === null && answers.every(({ text }) => text === '')))
  const again = await calls.end(running.id)
  assert.deepEqual([again.status, again.progress.total], ['succeeded', total - emptied.length])
  const texts = await store.db.selectFrom('evaluation_items').select('texts_json').execute()
  assert.doesNotMatch(JSON.stringify(texts), /SECRET/)
})
