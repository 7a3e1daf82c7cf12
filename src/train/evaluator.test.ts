import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'

import { openModel } from '../models/open.ts'
import { generalRows } from './evaluator.ts'

const model = await openModel(join(import.meta.dirname, '../models/fixtures/tiny-llama'))
const { tokenizer } = model
model.close()

test('the general set is rendered by the chat template', async () => {
  const rows = (await generalRows(tokenizer, { template: 'auto' }, 4096)).flatMap(({ branches }) => branches)
  assert.equal(rows.length, 100)
  for (const { ids } of rows) assert.equal(tokenizer.decode([ids[0]!], { control: true }), '<|im_start|>')
})

test('the general set is plain text where the recipe takes no template', async () => {
  const rows = (await generalRows(tokenizer, { template: 'none' }, 4096)).flatMap(({ branches }) => branches)
  assert.equal(rows.length, 100)
  for (const { ids, mask } of rows) {
    const text = tokenizer.decode([...ids], { control: true })
    assert.doesNotMatch(text, /<\|im_start\|>/)
    assert.match(text, /\n.+<\|im_end\|>$/su)
    assert.ok(mask.includes(1) && mask.includes(0))
  }
})
