import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { UserError } from '../errors.ts'
import { WorkerClient, siblingModule } from './worker.ts'

const module = siblingModule(import.meta, './fixtures/service')

async function withWorker(use: (worker: WorkerClient) => Promise<void>): Promise<void> {
  const worker = new WorkerClient(module)
  try {
    await use(worker)
  } finally {
    await worker.close()
  }
}

test('calls are answered, each with its own result', () => withWorker(async (worker) => {
  const sums = await Promise.all([1, 2, 3].map((a) => worker.call<number>('add', { a, b: 10 })))
  assert.deepEqual(sums, [11, 12, 13])
}))

test('events reach the call that they belong to, in order, before its result', () => withWorker(async (worker) => {
  const heard: number[][] = [[], []]
  const results = await Promise.all([3, 2].map((to, i) => worker.call('count', to, (event: number) => { heard[i]!.push(event) })))
  assert.deepEqual(results, ['counted', 'counted'])
  assert.deepEqual(heard, [[1, 2, 3], [1, 2]])
}))

test('a UserError arrives as one, with its exit code', () => withWorker(async (worker) => {
  for (const exitCode of [1, 2] as const) {
    await assert.rejects(worker.call('refuse', exitCode), (error) => {
      assert.ok(error instanceof UserError)
      assert.deepEqual([error.message, error.exitCode], ['not like this', exitCode])
      return true
    })
  }
}))

test('a fault arrives with its message and the trace of the worker', () => withWorker(async (worker) => {
  await assert.rejects(worker.call('fail', undefined), (error: Error) => {
    assert.ok(!(error instanceof UserError))
    assert.equal(error.message, 'a fault')
    assert.match(error.stack ?? '', /fixtures\/service\.ts/)
    return true
  })
  await assert.rejects(worker.call('failWithText', undefined), { message: 'a text' })
  await assert.rejects(worker.call('no such function', undefined), { message: /not a function/ })
  assert.equal(await worker.call('add', { a: 1, b: 1 }), 2)
}))

test('a worker that crashes fails every call that waits, and every later one', () => withWorker(async (worker) => {
  const waiting = worker.call('wait', undefined)
  const crashing = worker.call('crashWhileBusy', undefined)
  await assert.rejects(crashing, { message: 'out of the blue' })
  await assert.rejects(waiting, { message: 'out of the blue' })
  await assert.rejects(worker.call('add', { a: 1, b: 1 }), { message: 'out of the blue' })
}))

test('a worker that exits says so', () => withWorker(async (worker) => {
  await assert.rejects(worker.call('exit', undefined), /the worker ended with code 3/)
}))

test('closing rejects what still waits', async () => {
  const worker = new WorkerClient(module)
  const waiting = assert.rejects(worker.call('wait', undefined), /the worker was closed/)
  await worker.close()
  await waiting
  await assert.rejects(worker.call('add', { a: 1, b: 1 }), /the worker was closed/)
})

test('an idle worker does not keep the process alive', () => {
  const script = join(import.meta.dirname, 'fixtures/idle.ts')
  const { status, stdout } = spawnSync(process.execPath, [script], { encoding: 'utf8', timeout: 60_000 })
  assert.deepEqual([status, stdout], [0, '42'])
})
