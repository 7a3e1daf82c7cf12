import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { loadAdapter, loadRewardAdapter, saveAdapter } from '../models/peft.ts'
import { openHuggingFace } from '../models/formats/huggingface.ts'
import { openGrader } from './graders/index.ts'
import { RewardModel } from './reward-model.ts'

const model = join(import.meta.dirname, '../models/fixtures/tiny-llama')
const adapter = join(model, 'reward-adapter')
const folder = mkdtempSync(join(tmpdir(), 'posttrain-reward-'))
process.env['POSTTRAIN_CACHE'] = folder
after(() => { rmSync(folder, { recursive: true }) })

interface Scored {
  readonly messages?: readonly { readonly role: string; readonly content: string }[]
  readonly ids: number[]
  readonly score: number
}
const { rows } = JSON.parse(readFileSync(join(adapter, 'scores.json'), 'utf8')) as { rows: Scored[] }

test('an adapter that PEFT wrote scores as in transformers, alone and packed', async () => {
  const rewards = await RewardModel.open({ model, adapter, precision: 'f32' })
  const together = await rewards.score(rows.map(({ ids }) => ids))
  for (const [i, { ids, score }] of rows.entries()) {
    assert.ok(Math.abs(together[i]! - score) < 1e-4, `row ${i}: ${together[i]} instead of ${score}`)
    const [alone] = await rewards.score([ids])
    assert.ok(Math.abs(alone! - score) < 1e-4, `row ${i} alone: ${alone} instead of ${score}`)
  }
  await rewards.release()
})

test('as a grader it renders prompt and output as its training rows were', async () => {
  const grader = await openGrader({ type: 'reward_model', adapter: 'reward-adapter', precision: 'f32' }, { baseDirectory: model, model })
  const chats = rows.filter(({ messages }) => messages?.at(-1)?.role === 'assistant')
  const grades = await grader.grade(chats.map(({ messages }) => ({ item: { prompt: messages!.slice(0, -1) }, output: messages!.at(-1)!.content })))
  assert.ok(chats.length > 0)
  grades.forEach(({ reward }, i) => { assert.ok(Math.abs(reward! - chats[i]!.score) < 1e-4, `${reward} instead of ${chats[i]!.score}`) })
  await grader.close()
})

test('a reward adapter survives writing and reading, and is no adapter to answer with', async () => {
  const { config } = openHuggingFace(model)
  const loaded = loadRewardAdapter(adapter, config)
  const copy = join(folder, 'copy')
  await saveAdapter(copy, loaded, config, null)
  const again = loadRewardAdapter(copy, config)
  assert.deepEqual([...again.head], [...loaded.head])
  assert.equal(again.config.alpha, loaded.config.alpha)
  assert.throws(() => loadAdapter(adapter, config), /is a reward model/)
  assert.throws(() => loadRewardAdapter(join(model, 'adapter'), config), /no scalar head .* method: reward/)
})
