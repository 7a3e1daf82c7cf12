/** Requests that come and go, each with its own adapter: what one of them answers depends on itself alone. */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, test } from 'node:test'
import { openModel } from '../models/open.ts'
import { saveAdapter } from '../models/peft.ts'
import { randomAdapter } from '../models/random-adapter.ts'
import type { Completion } from './completion.ts'
import type { AdapterRef, LiveRequest, LiveToken } from './live-model.ts'
import { loadModel } from './model.ts'
import { openLiveModel } from './open-live-model.ts'

const folder = mkdtempSync(join(tmpdir(), 'posttrain-live-'))
const before = process.env['POSTTRAIN_CACHE']
process.env['POSTTRAIN_CACHE'] = join(folder, 'cache')
const path = join(import.meta.dirname, '../models/fixtures/tiny-llama')
const { config, close } = await openModel(path)
close()
const live = await openLiveModel(path, { threads: 1, precision: 'int8' })
after(async () => {
  await live.close()
  if (before === undefined) delete process.env['POSTTRAIN_CACHE']
  else process.env['POSTTRAIN_CACHE'] = before
  rmSync(folder, { recursive: true })
})

async function adapter(id: string, rank: number, kinds?: readonly string[]): Promise<AdapterRef> {
  const directory = join(folder, id)
  const seed = [...id].reduce((sum, letter) => 31 * sum + letter.charCodeAt(0), 7) % 10_007
  await saveAdapter(directory, randomAdapter(config, { seed, rank, ...(kinds && { kinds }) }), config, null)
  return { id, directory }
}

/** None, of different ranks, for different layers. */
const adapters: readonly (AdapterRef | undefined)[] = [
  undefined,
  await adapter('rank 4', 4),
  await adapter('rank 8, q and v', 8, ['q_proj', 'v_proj']),
  await adapter('rank 16', 16),
  await adapter('rank 3, attention', 3, ['q_proj', 'k_proj', 'v_proj', 'o_proj']),
  await adapter('rank 20, mlp', 20, ['gate_proj', 'up_proj', 'down_proj']),
]

function request(i: number, overrides: Partial<LiveRequest> = {}): LiveRequest {
  const length = 1 + ((37 * i) % 150)
  const prompt = Array.from({ length }, (_, at) => 3 + ((31 * (i % 5) + 17 * at) % 250))
  return { prompt, maxTokens: 3 + (i % 9), temperature: 0, adapter: adapters[i % adapters.length], ...overrides }
}

/** What requests answer by themselves, by an engine that has read nothing before. */
async function alone(requests: readonly LiveRequest[]): Promise<Completion[][]> {
  const answers: Completion[][] = []
  const fresh = await openLiveModel(path, { threads: 1, precision: 'int8', prefixBytes: 0 })
  try {
    for (const each of requests) answers.push(await fresh.generate(each))
  } finally {
    await fresh.close()
  }
  return answers
}

test('an answer has the same bits alone and beside others, with and without known beginnings, whenever it joins', async () => {
  const requests = Array.from({ length: 64 }, (_, i) => request(i, i % 7 === 3 ? { temperature: 1, seed: i, samples: 2 } : {}))
  const expected = await alone(requests)
  for (const batch of [1, 2, 8, 64]) {
    let next = 0
    const worker = async (): Promise<void> => {
      for (let i = next++; i < requests.length; i = next++) assert.deepEqual(await live.generate(requests[i]!), expected[i], `request ${i}, ${batch} at once`)
    }
    await Promise.all(Array.from({ length: batch }, worker))
  }
  const { promptTokens, cachedPromptTokens } = await live.stats()
  assert.ok(cachedPromptTokens > 0 && cachedPromptTokens < promptTokens)
})

test('where memory is short, rows wait for others and go on with the same bits', async () => {
  const bytesPerPosition = 2 * config.layers * config.kvHeads * config.headDim * 4
  // Longer than is expected of answers: two begin together and have no room to end together.
  const requests = Array.from({ length: 3 }, (_, i) => request(i, { maxTokens: 640 }))
  const expected = await alone(requests)
  const tight = await openLiveModel(path, { threads: 1, precision: 'int8', cacheBytes: 1250 * bytesPerPosition })
  const order: number[] = []
  try {
    const answers = await Promise.all(requests.map((each, i) => tight.generate(each, () => order.push(i))))
    assert.deepEqual(answers, expected)
  } finally {
    await tight.close()
  }
  const shareOf = (tokens: readonly number[]): number => tokens.filter((i) => i === 0).length / tokens.length
  assert.ok(Math.abs(shareOf(order.slice(50, 450)) - 0.5) < 0.1, 'two run at first')
  assert.equal(new Set(order.slice(1180, 1220)).size, 1, 'and one later')
})

test('an answer of an adapter is that of the adapter alone, added to the base in one graph', async () => {
  for (const [i, ref] of adapters.entries()) {
    const asked = request(i, { adapter: ref, prompt: request(5).prompt, maxTokens: 5 })
    const [served] = await live.generate(asked)
    const single = await loadModel(path, { precision: 'int8', adapter: ref?.directory, threads: 1 })
    const [expected] = await single.generate([asked])
    await single.close()
    assert.deepEqual(served!.ids, expected!.ids)
    const worst = Math.max(...served!.logprobs.map((logprob, at) => Math.abs(logprob - expected!.logprobs[at]!)))
    assert.ok(worst < 1e-4, `${ref?.id}: differs by up to ${worst}`)
  }
})

test('a prompt that is read in chunks is answered as one that is read whole, by every architecture', async () => {
  const fixtures = join(import.meta.dirname, '../models/fixtures')
  // None of the fixtures has a window that ends within a chunk of the past.
  const windowed = join(folder, 'windowed')
  cpSync(join(fixtures, 'tiny-mistral'), windowed, { recursive: true })
  const settings = join(windowed, 'config.json')
  writeFileSync(settings, readFileSync(settings, 'utf8').replace('"sliding_window": null', '"sliding_window": 90'))
  for (const name of ['tiny-llama', 'tiny-mistral', 'tiny-qwen2', 'tiny-qwen3', windowed]) {
    const fixture = resolve(fixtures, name)
    const ref = { id: name, directory: join(fixture, 'adapter') }
    await using served = await openLiveModel(fixture, { threads: 1, precision: 'f32', ready: [] })
    await using whole = await loadModel(fixture, { threads: 1, adapter: ref.directory })
    for (const length of [64, 129, 203]) {
      const prompt = Array.from({ length }, (_, at) => 3 + ((29 * at + length) % 240))
      const asked = { prompt, maxTokens: 4, temperature: 0 }
      const [[inChunks], [atOnce]] = await Promise.all([served.generate({ ...asked, adapter: ref }), whole.generate([asked])])
      assert.deepEqual(inChunks!.ids, atOnce!.ids, `${name}, ${length} tokens`)
      const worst = Math.max(...inChunks!.logprobs.map((logprob, at) => Math.abs(logprob - atOnce!.logprobs[at]!)))
      assert.ok(worst < 1e-4, `${name}, ${length} tokens: differs by up to ${worst}`)
    }
  }
})

test('what is heard token by token is the answer', async () => {
  const heard: LiveToken[] = []
  const [completion] = await live.generate(request(3, { maxTokens: 9, topLogprobs: 2 }), (token) => heard.push(token))
  assert.deepEqual(heard.map(({ id }) => id), completion!.ids)
  assert.deepEqual(heard.map(({ logprob }) => logprob), completion!.logprobs)
  assert.deepEqual(heard.map(({ top }) => top), completion!.topLogprobs)
  assert.equal(heard.map(({ text }) => text).join(''), completion!.text)
})

describe('cancellation', () => {
  test('random cancels change no other answer, and free every row', async () => {
    const requests = Array.from({ length: 40 }, (_, i) => request(i, { maxTokens: 20 }))
    const expected = await alone(requests)
    const results = await Promise.allSettled(requests.map(async (each, i) => {
      const controller = new AbortController()
      let tokens = 0
      return live.generate(each, () => {
        if (i % 3 === 1 && ++tokens > i % 5) controller.abort(new Error('enough'))
      }, controller.signal)
    }))
    results.forEach((result, i) => {
      if (i % 3 !== 1) assert.deepEqual(result.status === 'fulfilled' && result.value, expected[i], `request ${i}`)
      else if (result.status === 'rejected') assert.equal((result.reason as Error).message, 'enough')
    })
    assert.ok(results.some(({ status }) => status === 'rejected'))
    await idle()
  })

  test('a signal that was given before asks nothing', async () => {
    await assert.rejects(live.generate(request(1), undefined, AbortSignal.abort(new Error('no'))), { message: 'no' })
  })

  test('a request that waits for a place leaves the queue', async () => {
    const narrow = await openLiveModel(path, { threads: 1, precision: 'int8', maxRows: 1, ready: [] })
    try {
      const controller = new AbortController()
      const long = narrow.generate(request(0, { maxTokens: 60 }))
      const waiting = narrow.generate(request(2), undefined, controller.signal)
      controller.abort(new Error('gone'))
      await assert.rejects(waiting, { message: 'gone' })
      assert.equal((await long)[0]!.ids.length, 60)
      const { running, waiting: left } = await narrow.stats()
      assert.deepEqual([running, left], [0, 0])
    } finally {
      await narrow.close()
    }
  })
})

async function idle(): Promise<void> {
  for (;;) {
    const { running, waiting } = await live.stats()
    if (running + waiting === 0) return
  }
}

describe('adapters in memory', () => {
  test('no more than the bound, however many are asked for at once; the least recently used goes', async () => {
    const few = await openLiveModel(path, { threads: 1, precision: 'int8', maxAdapters: 2, ready: [] })
    try {
      const asked = Array.from({ length: 18 }, (_, i) => request(i, { maxTokens: 4 }))
      const expected = await alone(asked)
      assert.deepEqual(await Promise.all(asked.map((each) => few.generate(each))), expected)
      const stats = await few.stats()
      assert.ok(stats.adapters.length <= 2)
      assert.ok(stats.adapterLoads >= 5 && stats.adapterEvictions >= 3)
      assert.equal(stats.adapterBytes > 0, true)
    } finally {
      await few.close()
    }
  })

  test('requests for one adapter load it once; a pinned one stays; a dropped one goes', async () => {
    const few = await openLiveModel(path, { threads: 1, precision: 'int8', maxAdapters: 2, ready: [] })
    try {
      await few.pin(adapters[1]!)
      await assert.rejects(few.pin(adapters[2]!), { name: 'UserError', message: /Unpin one/ })
      await Promise.all(Array.from({ length: 8 }, () => few.generate(request(3, { adapter: adapters[3] }))))
      assert.equal((await few.stats()).adapterLoads, 2)
      await few.generate(request(4, { adapter: adapters[4] }))
      assert.deepEqual((await few.stats()).adapters.toSorted(), ['rank 3, attention', 'rank 4'])
      await few.drop('rank 4')
      assert.deepEqual((await few.stats()).adapters, ['rank 3, attention'])
    } finally {
      await few.close()
    }
  })

  test('one that cannot be served fails its request alone', async () => {
    const broken = { id: 'not finite', directory: join(folder, 'not finite') }
    const values = randomAdapter(config, { seed: 1, rank: 4 })
    values.parameters.values().next().value![3] = NaN
    await saveAdapter(broken.directory, values, config, null)
    const huge = { id: 'huge', directory: join(folder, 'huge') }
    await saveAdapter(huge.directory, randomAdapter(config, { seed: 1, rank: 4, size: 1e30 }), config, null)
    const high = await adapter('rank 72', 72)
    const foreign = { id: 'foreign', directory: join(import.meta.dirname, '../models/fixtures/tiny-qwen2/adapter') }
    const dora = { id: 'dora', directory: join(import.meta.dirname, '../models/fixtures/dora') }
    const missing = { id: 'missing', directory: join(folder, 'nothing here') }
    const expected = await alone([request(1)])
    const [fine, ...refused] = await Promise.allSettled([
      live.generate(request(1)), ...[broken, huge, high, foreign, dora, missing].map((each) => live.generate(request(2, { adapter: each }))),
    ])
    assert.deepEqual(fine.status === 'fulfilled' && fine.value, expected[0])
    const messages = refused.map((each) => (each.status === 'rejected' ? (each.reason as Error).message : 'answered'))
    ;[/not finite/, /are not numbers/, /rank is 72/, /another base/, /DoRA|another base/, /no adapter/].forEach((pattern, i) => { assert.match(messages[i]!, pattern) })
    assert.ok(!(await live.stats()).adapters.includes('not finite'))
  })

  test('inspection says what an adapter is, and why it cannot be served', async () => {
    const facts = await live.inspect(adapters[3]!.directory)
    assert.equal(facts.rank, 16)
    assert.match(facts.sha256, /^[0-9a-f]{64}$/)
    await assert.rejects(live.inspect(join(folder, 'rank 72')), { name: 'UserError', message: /rank is 72/ })
    await assert.rejects(live.inspect(join(folder, 'none')), { name: 'UserError', message: /no adapter/ })
    const reward = join(import.meta.dirname, '../models/fixtures/tiny-llama/reward-adapter')
    await assert.rejects(live.inspect(reward), { name: 'UserError', message: /reward model/ })
  })

  test('an adapter whose files are replaced while it is in memory goes on as it was', async () => {
    const ref = await adapter('replaced', 4)
    const first = await live.generate(request(2, { adapter: ref }))
    cpSync(adapters[1]!.directory, ref.directory, { recursive: true })
    assert.deepEqual(await live.generate(request(2, { adapter: ref })), first)
  })
})

test('closing rejects whoever waits, and whoever asks later', async () => {
  const closing = await openLiveModel(path, { threads: 1, precision: 'int8', ready: [] })
  const waiting = [request(0, { maxTokens: 1500, prompt: [5] }), request(1)].map((each) => closing.generate(each))
  const outcomes = Promise.allSettled(waiting)
  await closing.close()
  for (const outcome of await outcomes) assert.equal(outcome.status === 'rejected' && (outcome.reason as Error).message, 'the model was closed')
  await assert.rejects(closing.generate(request(0)), { message: 'the model was closed' })
})

test('a request that cannot be answered is refused before it is queued', async () => {
  await assert.rejects(live.generate(request(0, { prompt: [] })), { name: 'UserError' })
  await assert.rejects(live.generate(request(0, { temperature: NaN })), { name: 'UserError' })
  await assert.rejects(live.generate(request(0, { adapter: { id: '', directory: 'x' } })), { name: 'UserError' })
})
